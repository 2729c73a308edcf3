// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"strings"
	"testing"
)

// The merchant API is open to who has the token, which stays the same over a
// restart, and what it refunds is refunded at the sandbox and told to the shop.
func TestMerchantAPI(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir, "127.0.0.1:0")
	c := enter(t, d)
	number := c.order()
	c.pay(number)
	orders := d.setting().Merchant + "/orders"
	if a := c.get(orders); a.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d %s", a.status, a.body)
	}
	token := d.token
	if len(token) < 20 {
		t.Errorf("the token is %q", token)
	}
	shut(t, d)
	d = open(t, dir, "127.0.0.1:0")
	if d.token != token {
		t.Error("the token is another one after a restart")
	}
	c = enter(t, d)
	orders = d.setting().Merchant + "/orders"
	h := http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
	a := c.do(http.MethodGet, orders+"/"+number, "", h)
	if a.status != http.StatusOK || !strings.Contains(a.body, `"status":"TRADE_SUCCESS"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	// the sandbox has forgotten the trade with its process, so pay another one
	number = c.order()
	c.pay(number)
	a = c.do(http.MethodPost, orders+"/"+number+"/refunds", `{"out_request_no":"R1","refund_amount":"1.00"}`, h)
	if a.status != http.StatusOK || !strings.Contains(a.body, `"outcome":"succeeded"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if tr, err := d.gateway.Trade(number); err != nil || tr.RefundedAmount != "1.00" {
		t.Errorf("at the sandbox: %s, %v", tr.RefundedAmount, err)
	}
}
