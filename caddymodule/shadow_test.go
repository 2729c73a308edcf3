// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// shadowWorld is a world whose shop has an Alipay integration of its own, in front
// of which the module only watches.
func shadowWorld(t *testing.T) *world {
	return newWorld(t, "", func(w *world) {
		w.shadow = true
		w.log = "file " + w.path("log") + " {\nroll_disabled\n}"
	})
}

func (w *world) logged(snippet string) int {
	w.t.Helper()
	return strings.Count(string(must(os.ReadFile(w.path("log")))), snippet)
}

// shopAnswers makes the shop answer notices with a status and a body.
func (w *world) shopAnswers(status int, body string) {
	w.Shop.setDeliver(func(rw http.ResponseWriter, _ *received) {
		rw.Header().Set("X-Shop", "own")
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	})
}

// TestShadowPassesByteForByte: the shop gets what was sent and Alipay what the
// shop has answered, whatever we think of either.
func TestShadowPassesByteForByte(t *testing.T) {
	w := shadowWorld(t)
	good := sign(alipayKey(), w.notice("S1", "1.00")).Encode()
	for name, body := range map[string]string{
		"a notice": good, "a forged one": strings.Replace(good, "1.00", "9.00", 1), "no form at all": "\x00\xff{", "nothing": "",
		"a long one": strings.Repeat("a", 100<<10),
	} {
		for status, answer := range map[int]string{200: "success", 500: "oops", 403: "success", 202: "fail\n"} {
			w.Shop.forget()
			w.shopAnswers(status, answer)
			a := w.post(body)
			if a.Status != status || a.Body != answer || a.Header.Get("X-Shop") != "own" {
				t.Errorf("%s: answered %d %q", name, a.Status, a.Body)
			}
			if got := w.Shop.deliveries(); len(got) != 1 || got[0].Body != body {
				t.Errorf("%s: the shop got %d requests", name, len(got))
			}
		}
	}
	for _, path := range []string{"/pay?out_trade_no=S1", "/pay/return?x=1", "/alipay/orders/S1"} {
		w.get(path)
		if n := len(w.Shop.matching(func(r *received) bool { return r.URI == path })); n != 1 {
			t.Errorf("%s reached the shop %d times", path, n)
		}
	}
}

// TestShadowReportsDifferences: each kind is logged, and what agrees is not.
func TestShadowReportsDifferences(t *testing.T) {
	w := shadowWorld(t)
	const unverified, contradicting, refused = "took a notice that is not Alipay's", "took a notice that contradicts its order", "did not answer success"
	post := func(v url.Values) {
		t.Helper()
		w.post(v.Encode())
	}
	want := func(what string, n map[string]int) {
		t.Helper()
		for snippet, times := range n {
			if got := w.logged(snippet); got != times {
				t.Errorf("%s: %q was logged %d times, want %d", what, snippet, got, times)
			}
		}
	}
	w.shopAnswers(200, "success")
	post(sign(alipayKey(), w.notice("S1", "1.00")))
	post(sign(alipayKey(), w.notice("S1", "1.00"))) // a repeat
	want("agreeing", map[string]int{unverified: 0, contradicting: 0, refused: 0})
	forged := sign(alipayKey(), w.notice("S2", "1.00"))
	forged.Set("total_amount", "0.01")
	post(forged)
	want("a forged notice", map[string]int{unverified: 1, contradicting: 0, refused: 0})
	post(sign(alipayKey(), w.notice("S1", "2.00", "notify_id", "N2")))
	post(sign(alipayKey(), w.notice("S3", "1.00", "seller_id", "2088000000000000")))
	want("another amount, another seller", map[string]int{unverified: 1, contradicting: 2, refused: 0})
	w.shopAnswers(500, "oops")
	post(sign(alipayKey(), w.notice("S4", "1.00")))
	post(forged)
	want("a shop that refuses", map[string]int{unverified: 1, contradicting: 2, refused: 1})
}

// TestShadowLeavesNothingToTell: what shadow mode has recorded is not told once
// the site is switched over, and is known then.
func TestShadowLeavesNothingToTell(t *testing.T) {
	w := shadowWorld(t)
	w.shopAnswers(200, "success")
	w.post(sign(alipayKey(), w.notice("S1", "1.00")).Encode())
	w.Shop.forget()
	w.Shop.setDeliver(nil)
	w.shadow = false
	w.reload()
	w.Shop.offer("S1", "1.00")
	if a := w.get("/pay?out_trade_no=S1"); a.Status != http.StatusConflict {
		t.Errorf("/pay of a paid order answered %d", a.Status)
	}
	w.wantNotify(w.notice("S1", "1.00"), 200, "success")
	w.Shop.wantTold(t)
	w.stopped(func(l ledger.Ledger) {
		o, err := l.Order(context.Background(), trade.Key{AppID: w.Gateway.AppID, OutTradeNo: "S1"})
		if err != nil || !o.Paid || o.Accepted != 1 || o.Sequence != 1 {
			t.Errorf("%+v, %v", o, err)
		}
	})
}
