// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// TestNotices: what is measured are notices that verify, and forgeries that are
// refused for their signature alone, so that all of RSA is computed for them.
func TestNotices(t *testing.T) {
	dir := t.TempDir()
	if err := prepare(dir, 2); err != nil {
		t.Fatal(err)
	}
	first, err := loadNotices(dir, 2)
	if err != nil || len(first) != 2 {
		t.Fatalf("%d notices, %v", len(first), err)
	}
	if err := prepare(dir, 3); err != nil {
		t.Fatal(err)
	}
	all, err := loadNotices(dir, 10)
	if err != nil || len(all) != 3 || !slices.Equal(all[:2], first) {
		t.Fatalf("%d notices after the second call, %v", len(all), err)
	}
	key, err := loadKey(dir, alipayKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	v, err := gateway.NewVerifier(appID, gateway.AlipayKey{Public: &key.PublicKey})
	if err != nil {
		t.Fatal(err)
	}
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	for i, body := range all {
		e, err := v.Notify(form, []byte(body), time.Now())
		if err != nil || e.OutTradeNo != orderNumber(i) || e.Total != fen || e.Status != trade.StatusSuccess || e.SellerID != sellerID {
			t.Errorf("notice %d: %+v, %v", i, e, err)
		}
		forged, err := forge(body, i)
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Notify(form, []byte(forged), time.Now())
		if rejection, ok := errors.AsType[*gateway.Rejection](err); !ok || rejection.Reason != gateway.ReasonSignature {
			t.Errorf("forgery %d: %v", i, err)
		}
	}
}
