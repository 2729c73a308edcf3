// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func TestPaidOrderSurvivesReopening(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "a.db")
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	k := trade.Key{AppID: "2021", OutTradeNo: "A1"}
	now := time.Date(2026, 3, 14, 10, 0, 0, 123456789, trade.Zone)
	if _, err := l.Attempt(t.Context(), k, trade.Attempt{Total: 8888, PublicURL: "https://shop.example", At: now}); err != nil {
		t.Fatal(err)
	}
	out, err := l.Record(t.Context(), trade.Evidence{
		Source: trade.SourceNotify, AppID: "2021", OutTradeNo: "A1", TradeNo: "T1", Status: trade.StatusSuccess,
		Total: 8888, ReceivedAt: now, Raw: []byte("raw"), ContentType: "application/x-www-form-urlencoded",
	})
	if err != nil || len(out.Events) != 1 || out.Repeat {
		t.Fatalf("%+v %v", out, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	list, err := l.Undelivered(t.Context(), k)
	if err != nil || len(list) != 1 || string(list[0].Original) != "raw" || list[0].Event != out.Events[0] {
		t.Fatalf("%+v %v", list, err)
	}
	if err := l.Accept(t.Context(), k, 1); err != nil {
		t.Fatal(err)
	}
	if list, err = l.Undelivered(t.Context(), k); err != nil || len(list) != 0 {
		t.Fatalf("%+v %v", list, err)
	}
}
