// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func TestSetOrder(t *testing.T) {
	t.Parallel()
	paid := trade.Order{
		AppID: "2021", OutTradeNo: "A1", TradeNo: "T1", Total: 8888, SellerID: "2088s", BuyerID: "2088b", Paid: true,
		PaidAt: time.Date(2026, 3, 14, 2, 20, 9, 0, time.UTC), Source: trade.SourceNotify, Sequence: 2,
		Refunds: []trade.Refund{{Sum: 100}},
	}
	for name, c := range map[string]struct {
		order trade.Order
		want  map[string]string
	}{
		"paid": {paid, map[string]string{
			HeaderOutTradeNo: "A1", HeaderAppID: "2021", HeaderTradeNo: "T1", HeaderStatus: "TRADE_SUCCESS", HeaderTotalAmount: "88.88",
			HeaderRefundedAmount: "1.00", HeaderSellerID: "2088s", HeaderBuyerID: "2088b", HeaderPaidAt: "2026-03-14T10:20:09+08:00",
			HeaderSource: "notify", HeaderSequence: "2",
		}},
		"nothing proved": {trade.Order{AppID: "2021", OutTradeNo: "A1", Total: 8888}, map[string]string{
			HeaderOutTradeNo: "A1", HeaderAppID: "2021", HeaderSource: "return",
		}},
		"contradicted": {contradicted(paid), map[string]string{
			HeaderOutTradeNo: "A1", HeaderAppID: "2021", HeaderSource: "return",
		}},
		"waiting": {trade.Order{AppID: "2021", OutTradeNo: "A1", Total: 1, Waiting: true, Source: trade.SourceQuery}, map[string]string{
			HeaderOutTradeNo: "A1", HeaderAppID: "2021", HeaderSource: "query", HeaderStatus: "WAIT_BUYER_PAY",
			HeaderTotalAmount: "0.01", HeaderRefundedAmount: "0.00",
		}},
	} {
		h := http.Header{}
		SetOrder(h, &c.order)
		for header, want := range c.want {
			if got := h[header]; len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		if len(h) != len(c.want) {
			t.Errorf("%s: %v", name, h)
		}
	}
}

func contradicted(o trade.Order) trade.Order {
	o.Contradicted = true
	return o
}

// TestHeadersAreCanonical: set stores under the name as it is, so Header.Get
// would miss one that is not canonical.
func TestHeadersAreCanonical(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		HeaderOutTradeNo, HeaderTradeNo, HeaderStatus, HeaderTotalAmount, HeaderRefundedAmount, HeaderAppID, HeaderSellerID,
		HeaderBuyerID, HeaderPaidAt, HeaderSource, HeaderEvent, HeaderEventID, HeaderSequence, HeaderAssertion, HeaderAck,
	} {
		if name != http.CanonicalHeaderKey(name) || !ours(name) {
			t.Errorf("%s is not canonical, or not stripped", name)
		}
	}
}

// FuzzClean: whatever Alipay signs, a header's value is safe and no two values
// become one (but for those that hold a % already).
func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "2088102146225135", "a\r\nX-Alipay-Trade-Status: TRADE_SUCCESS", "茶", "\x00\x7f\xff", " a ", "%0A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if !httpguts.ValidHeaderFieldValue(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q became %q", s, got)
		}
		if back, err := url.PathUnescape(got); !strings.Contains(s, "%") && (err != nil || back != s) {
			t.Errorf("%q became %q, which reads as %q, %v", s, got, back, err)
		}
	})
}

// FuzzIsHTML: what a browser would show as a page is never an acceptance.
func FuzzIsHTML(f *testing.F) {
	f.Add("text/html; charset=utf-8", "ok")
	f.Add("", "<!DOCTYPE html><title>Login</title>")
	f.Add("application/json", `{"ok":true}`)
	f.Add("TEXT/HTML;;", " <html>")
	f.Fuzz(func(t *testing.T, contentType, text string) {
		body := strings.TrimSpace(text)
		if body == "" {
			return
		}
		a := &answer{header: http.Header{"Content-Type": {contentType}}, status: 200, body: []byte(text)}
		page := strings.HasPrefix(strings.ToLower(body), "<!doctype html>")
		if refusal(a) == "" && (page || strings.EqualFold(strings.TrimSpace(contentType), "text/html") && body != "success") {
			t.Errorf("%q with %q was taken for an acceptance", contentType, text)
		}
	})
}
