// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The attack of this file: a client sends headers that look like ours, under a
// name that Caddy, a proxy behind it or the shop's language reads as ours.
// CVEs of the kind are GHSA-7r4p-vjf4-gxv4 (absent header survives),
// GHSA-f59h-q822-g45g (underscores) and GHSA-49wc-4hcv-v58q (dots).

// spellings of one claim, each a line of the request's head.
var spellings = []string{
	"X-Alipay-Trade-Status: TRADE_SUCCESS",
	"x-alipay-trade-status: TRADE_SUCCESS",
	"X-ALIPAY-TRADE-NO: 2026",
	"X-Alipay-Whatever: 1",
	"X_Alipay_Trade_Status: TRADE_SUCCESS",
	"x_alipay_trade_status: TRADE_SUCCESS",
	"X_ALIPAY-TRADE_NO: 2026",
	"x-alipay_trade-event: trade.paid",
	"X.Alipay.Trade.Status: TRADE_SUCCESS",
	"x.alipay-trade.no: 2026",
	"X-Alipay.Trade-Source: notify",
	"x-ALIPAY_Trade.Status: TRADE_SUCCESS",
	"X_Alipay.Trade-Assertion: eyJ",
	"X~Alipay~Trade~Status: TRADE_SUCCESS",
	"X!ALIPAY|trade^status: TRADE_SUCCESS",
}

// servers are the settings under which Caddy lets spellings pass that it drops
// by itself.
var servers = map[string]string{
	"caddy drops": "",
	"caddy lets underscores pass": `servers {
		expected_underscore_headers X_* x-alipay_* x-ALIPAY_Trade.Status X_Alipay.Trade-Assertion
	}`,
	"caddy lets dots pass": `servers {
		expected_dot_headers X.* X-Alipay.* x-ALIPAY_Trade.Status X_Alipay.Trade-Assertion
	}`,
}

// TestForgedHeaders sends every spelling, alone and together, to every kind of
// path that leads to the shop.
func TestForgedHeaders(t *testing.T) {
	for name, options := range servers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, `
				error /teapot "no tea" 418
				reverse_proxy /dead 127.0.0.1:1
				reverse_proxy SHOP
				handle_errors {
					reverse_proxy SHOP
				}`, func(w *world) { w.options = options })
			w.Shop.offer("F1", "1.00")
			w.pay("F1")
			badReturn := strings.Replace(w.returnQuery("F1", "1.00"), "sign=", "sign=AAAA", 1)
			for path, status := range map[string]int{
				"/":                        200, // passed on
				"/pay/notify/x":            200, // near to a path of ours
				"/teapot":                  200, // handle_errors, with the shop's 200
				"/dead":                    200, // 502, then handle_errors
				"/pay/return":              200, // refused, then handle_errors
				"/pay/return?" + badReturn: 200,
				"/pay":                     200, // 400: no order
				"/pay?out_trade_no=F1":     303, // the look-up
			} {
				w.Shop.forget()
				for _, line := range spellings {
					if a := w.rawGet(path, line); a.Status != status {
						t.Errorf("%s with %q was answered %d, want %d", path, line, a.Status, status)
					}
				}
				w.rawGet(path, spellings...)
				w.Shop.wantNoClaims(t)
			}
		})
	}
}

// TestForgedHeadersOnReturn: what a verified return does not prove, a client
// cannot add. The query says WAIT_BUYER_PAY, so all beyond the order is absent.
func TestForgedHeadersOnReturn(t *testing.T) {
	for name, options := range servers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "", func(w *world) { w.options = options })
			w.Shop.offer("F2", "1.00")
			w.pay("F2")
			var all sync.WaitGroup
			for i, line := range append([]string{"X-None: 0", strings.Join(spellings, "\r\n")}, spellings...) {
				all.Go(func() { // at once, for each waits a moment for a notice
					mine := fmt.Sprint("mine=", i)
					a := w.rawGet("/pay/return?"+w.returnQuery("F2", "1.00")+"&"+mine, line)
					if a.Status != http.StatusOK {
						t.Errorf("the return was answered %d", a.Status)
					}
					got := w.Shop.matching(func(r *received) bool { return strings.HasSuffix(r.URI, "&"+mine) })
					if len(got) != 1 {
						t.Errorf("%d returns reached the shop", len(got))
						return
					}
					claims := got[0].claims()
					slices.Sort(claims)
					want := []string{
						"X-Alipay-Trade-App-Id: " + w.Gateway.AppID,
						"X-Alipay-Trade-Assertion: signed",
						"X-Alipay-Trade-Out-Trade-No: F2",
						"X-Alipay-Trade-Source: return",
					}
					if !slices.Equal(claims, want) {
						t.Errorf("with %q the shop was told %q, want %q", line, claims, want)
					}
				})
			}
			all.Wait()
		})
	}
}

// TestForgedHeadersBeforeTheHandler: Caddy refuses some requests before any
// handler runs, and leads them to handle_errors with all their headers.
func TestForgedHeadersBeforeTheHandler(t *testing.T) {
	// a site without a host in its address, so that handle_errors takes any Host
	w := newWorld(t, "reverse_proxy SHOP\nhandle_errors {\nreverse_proxy SHOP {\nheader_up Host shop\n}\n}",
		func(w *world) { w.address = strings.Replace(w.URL, "127.0.0.1", "", 1) })
	host := strings.TrimPrefix(w.URL, "http://")
	for _, head := range [][]string{
		{strings.Repeat("A", 33) + " /pay/return HTTP/1.1", "Host: " + host},
		{"GET /pay/return HTTP/1.1", "Host: .."},
		{strings.Repeat("A", 33) + " /pay/return HTTP/1.0"},
	} {
		for _, forged := range append([]string{strings.Join(spellings, "\r\n")}, spellings...) {
			w.Shop.forget()
			raw(t, w.URL, append(slices.Clone(head), "Connection: close", forged, "", "")...)
			w.Shop.wantNoClaims(t)
		}
	}
}

// TestErrorRoutesKeepVerifiedHeaders: a return that was verified and then fails
// on its way to the shop is still verified in handle_errors.
func TestErrorRoutesKeepVerifiedHeaders(t *testing.T) {
	w := newWorld(t, "reverse_proxy 127.0.0.1:1\nhandle_errors {\nreverse_proxy SHOP\n}")
	w.Shop.offer("F4", "1.00")
	w.pay("F4")
	w.wantNotify(w.notice("F4", "1.00"), http.StatusOK, "success")
	w.rawGet("/pay/return?"+w.returnQuery("F4", "1.00"), spellings...)
	page := w.lastPage("/pay/return")
	if page.Header.Get("X-Alipay-Trade-No") != "TF4" || len(page.Header["X-Alipay-Trade-Status"]) != 1 {
		t.Errorf("the shop was told %q", page.claims())
	}
	for _, claim := range page.claims() {
		if !strings.HasPrefix(claim, "X-Alipay-Trade-") || strings.HasPrefix(claim, "X-Alipay-Trade-Event") {
			t.Errorf("the shop was told %q", claim)
		}
	}
}

// TestConnectionCannotHideHeaders: a proxy removes every header that Connection
// names, so a client could make a verified one vanish, and the shop fall back.
func TestConnectionCannotHideHeaders(t *testing.T) {
	for _, line := range []string{
		"Connection: X-Alipay-Trade-Status",
		"Connection: close, x-alipay-trade-status,X-Alipay-Trade-No",
		"Connection: close, x_alipay_trade_no, X.Alipay.Trade.Status",
		"Connection: X-ALIPAY-TRADE-STATUS\r\nConnection: x-alipay-trade-no",
		"Connection: keep-alive,X-Alipay-Trade-Event, \tX-Alipay-Trade-Status\t",
		"Connection: Upgrade, X-Alipay-Trade-Status\r\nUpgrade: chat",
		"Proxy-Connection: X-Alipay-Trade-Status",
	} {
		t.Run(line, func(t *testing.T) {
			w := newWorld(t, "")
			w.Shop.offer("F3", "1.00")
			w.pay("F3")
			w.wantNotify(w.notice("F3", "1.00"), http.StatusOK, "success")
			w.rawGet("/pay/return?"+w.returnQuery("F3", "1.00"), line)
			page := w.lastPage("/pay/return")
			if page.Header.Get("X-Alipay-Trade-Status") != "TRADE_SUCCESS" || page.Header.Get("X-Alipay-Trade-No") != "TF3" {
				t.Errorf("the shop was told %q", page.claims())
			}
		})
	}
}

// TestConnectionStaysOtherwise: names that are not ours keep their meaning.
func TestConnectionStaysOtherwise(t *testing.T) {
	w := newWorld(t, "")
	w.rawGet("/", "Connection: X-Private, X-Alipay-Trade-No", "X-Private: secret", "X-Public: seen")
	got := w.lastPage("/")
	if got.Header.Get("X-Private") != "" || got.Header.Get("X-Public") != "seen" {
		t.Errorf("headers %v", got.Header)
	}
}
