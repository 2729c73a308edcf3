// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// says is a shop that answers deliveries so.
func says(status int, contentType, body string) func(http.ResponseWriter, *received) {
	return func(w http.ResponseWriter, _ *received) {
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// ten are ten megabytes.
var ten = strings.Repeat("0123456789", 1<<20)

// TestShopAccepts: one delivery, success to Alipay, and nothing on a repeat.
func TestShopAccepts(t *testing.T) {
	w := newWorld(t, "")
	for i, deliver := range []func(http.ResponseWriter, *received){
		says(200, "", ""),
		says(204, "", ""),
		says(200, "text/html; charset=utf-8", "success"),
		says(200, "application/json", `{"ok":true}`),
		says(201, "text/plain", "thank you"),
		func(w http.ResponseWriter, _ *received) { // early hints are no answer
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
		},
	} {
		no := fmt.Sprint("S", i)
		w.Shop.forget()
		w.Shop.setDeliver(deliver)
		w.buy(no, "1.00")
		for range 2 {
			w.wantNotify(w.notice(no, "1.00"), http.StatusOK, "success")
		}
		w.Shop.wantTold(t, no+" 1 trade.paid TRADE_SUCCESS 0.00")
	}
	w.stopped(func(l ledger.Ledger) {
		if o := w.order(l, "S0"); o.Sequence != 1 || o.Accepted != 1 {
			t.Errorf("the order is %+v", o)
		}
	})
}

// TestShopRefuses: failure to Alipay, the event stays, and the next notice
// brings it again under the same id.
func TestShopRefuses(t *testing.T) {
	w := newWorld(t, "", func(w *world) { w.site = "shop_timeout 1s" })
	hanging := make(chan struct{})
	t.Cleanup(func() { close(hanging) }) // before the shop's own clean-up waits for its handlers
	w.Shop.Config.ErrorLog = discard
	count := 0
	for name, deliver := range map[string]func(http.ResponseWriter, *received){
		"500":        says(500, "text/plain", "success"),
		"503":        says(503, "", ""),
		"404":        says(404, "text/html", "success"),
		"a redirect": says(302, "text/plain", "success"),
		"a redirect to itself": func(w http.ResponseWriter, _ *received) {
			w.Header().Set("Location", "/pay/notify")
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"a login page":      says(200, "text/html; charset=utf-8", "<!DOCTYPE html><title>Log in</title>"),
		"a page, untyped":   says(200, "", "<!DOCTYPE html><title>Log in</title>"),
		"fail":              says(200, "text/plain", "fail"),
		"a failure":         says(200, "application/json", "FAILURE: out of stock"),
		"ten megabytes":     says(200, "text/plain", ten),
		"ten megabytes 500": says(500, "text/plain", ten),
		"nothing, ever":     func(http.ResponseWriter, *received) { <-hanging },
		"half an answer, then nothing": func(w http.ResponseWriter, _ *received) {
			_, _ = io.WriteString(w, "succ")
			_ = http.NewResponseController(w).Flush()
			<-hanging
		},
		"a cut":        func(http.ResponseWriter, *received) { panic(http.ErrAbortHandler) },
		"a cut answer": cutAnswer,
	} {
		t.Run(name, func(t *testing.T) {
			count++
			no := fmt.Sprint("R", count)
			w.Shop.forget()
			w.Shop.setDeliver(deliver)
			w.buy(no, "1.00")
			for range 2 {
				w.wantNotify(w.notice(no, "1.00"), http.StatusServiceUnavailable, "failure")
			}
			w.Shop.setDeliver(nil)
			for range 2 {
				w.wantNotify(w.notice(no, "1.00"), http.StatusOK, "success")
			}
			paid := no + " 1 trade.paid TRADE_SUCCESS 0.00"
			w.Shop.wantTold(t, paid, paid, paid)
			ids := map[string]bool{}
			for _, d := range w.Shop.deliveries() {
				ids[d.Header.Get("X-Alipay-Trade-Event-Id")] = true
			}
			if len(ids) != 1 {
				t.Errorf("one event went by the names %v", ids)
			}
		})
	}
}

func cutAnswer(w http.ResponseWriter, _ *received) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "success")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// TestShopIsDown and comes back later, after a restart in between.
func TestShopIsDown(t *testing.T) {
	w := newWorld(t, "")
	w.buy("D1", "1.00")
	there := w.Shop.Address()
	w.shop = "shop 127.0.0.1:1"
	w.restart()
	w.wantNotify(w.notice("D1", "1.00"), http.StatusServiceUnavailable, "failure")
	w.stopped(func(l ledger.Ledger) {
		o := w.order(l, "D1")
		list, err := l.Undelivered(t.Context(), o.Key())
		if err != nil || len(list) != 1 || o.Status() != trade.StatusSuccess || o.Accepted != 0 {
			t.Errorf("the order is %+v with %+v, %v", o, list, err)
		}
	})
	w.shop = "shop " + there
	w.restart()
	w.wantNotify(w.notice("D1", "1.00"), http.StatusOK, "success")
	w.Shop.wantTold(t, "D1 1 trade.paid TRADE_SUCCESS 0.00")
}

// TestStrictAck: in strict mode the shop has to name the event that it accepts.
func TestStrictAck(t *testing.T) {
	w := newWorld(t, "", func(w *world) { w.site = "ack strict" })
	w.buy("K1", "1.00")
	ack := func(values ...string) func(http.ResponseWriter, *received) {
		return func(w http.ResponseWriter, r *received) {
			for _, v := range values {
				w.Header().Add("X-Alipay-Trade-Ack", strings.Replace(v, "ID", r.Header.Get("X-Alipay-Trade-Event-Id"), 1))
			}
			_, _ = io.WriteString(w, "success")
		}
	}
	for _, refused := range [][]string{nil, {""}, {"success"}, {"IDx"}, {"other", "ID"}} {
		w.Shop.setDeliver(ack(refused...))
		w.wantNotify(w.notice("K1", "1.00"), http.StatusServiceUnavailable, "failure")
	}
	w.Shop.setDeliver(ack("ID"))
	w.wantNotify(w.notice("K1", "1.00"), http.StatusOK, "success")
	if n := len(w.Shop.deliveries()); n != 6 {
		t.Errorf("%d deliveries", n)
	}
}

// TestEventsInSequence: what the shop did not take comes first, and nothing
// overtakes it.
func TestEventsInSequence(t *testing.T) {
	refund := []string{"gmt_refund", "2026-03-15 09:00:00.123", "refund_fee", "0.40", "out_biz_no", "RF1"}
	full := []string{"gmt_refund", "2026-03-16 09:00:00.123", "refund_fee", "1.00", "trade_status", "TRADE_CLOSED", "gmt_close", "2026-03-16 09:00:00"}
	paid, partial := "E1 1 trade.paid TRADE_SUCCESS 0.00", "E1 2 refund.succeeded TRADE_SUCCESS 0.40"
	w := newWorld(t, "")
	w.buy("E1", "1.00")
	w.Shop.setDeliver(says(500, "", ""))
	w.wantNotify(w.notice("E1", "1.00"), 503, "failure")
	w.wantNotify(w.notice("E1", "1.00", refund...), 503, "failure")
	w.Shop.wantTold(t, paid, paid)
	w.Shop.setDeliver(func(rw http.ResponseWriter, r *received) { // takes the first event only
		status := 200
		if r.Header.Get("X-Alipay-Trade-Event") != "trade.paid" {
			status = 500
		}
		says(status, "", "")(rw, r)
	})
	w.wantNotify(w.notice("E1", "1.00", refund...), 503, "failure")
	w.Shop.wantTold(t, paid, paid, paid, partial)
	w.Shop.setDeliver(nil)
	w.wantNotify(w.notice("E1", "1.00", full...), 200, "success")
	w.Shop.wantTold(t, paid, paid, paid, partial, partial, "E1 3 refund.succeeded TRADE_CLOSED 1.00")
	w.wantNotify(w.notice("E1", "1.00"), 200, "success")
	w.wantNotify(w.notice("E1", "1.00", refund...), 200, "success")
	w.wantNotify(w.notice("E1", "1.00", full...), 200, "success")
	if n := len(w.Shop.deliveries()); n != 6 {
		t.Errorf("repeats were delivered: %v", w.Shop.told())
	}
	if body := w.Shop.deliveries()[5].Body; !strings.Contains(body, "refund_fee=1.00") || !strings.Contains(body, "sign=") {
		t.Errorf("the refund was delivered as %s", body)
	}
}

// TestImpliedEvents: evidence that skips steps causes the skipped events first.
func TestImpliedEvents(t *testing.T) {
	w := newWorld(t, "")
	for no, c := range map[string]struct{ change, told []string }{
		"I1": {[]string{"trade_status", "TRADE_FINISHED"}, []string{"1 trade.paid TRADE_SUCCESS 0.00", "2 trade.finished TRADE_FINISHED 0.00"}},
		"I2": {[]string{"gmt_refund", "2026-03-15 09:00:00", "refund_fee", "0.40"},
			[]string{"1 trade.paid TRADE_SUCCESS 0.00", "2 refund.succeeded TRADE_SUCCESS 0.40"}},
		"I3": {[]string{"gmt_refund", "2026-03-15 09:00:00", "refund_fee", "1.00", "trade_status", "TRADE_CLOSED"},
			[]string{"1 trade.paid TRADE_SUCCESS 0.00", "2 refund.succeeded TRADE_CLOSED 1.00"}},
		"I4": {[]string{"trade_status", "WAIT_BUYER_PAY", "gmt_payment", ""}, nil},
		"I5": {[]string{"trade_status", "TRADE_CLOSED", "gmt_payment", "", "gmt_close", "2026-03-14 11:20:01"},
			[]string{"1 trade.closed TRADE_CLOSED 0.00"}},
	} {
		w.Shop.forget()
		w.buy(no, "1.00")
		w.wantNotify(w.notice(no, "1.00", c.change...), 200, "success")
		if no != "I5" { // the payment's own notice, late, changes nothing or is the first proof
			w.wantNotify(w.notice(no, "1.00"), 200, "success")
		}
		var want []string
		for _, s := range c.told {
			want = append(want, no+" "+s)
		}
		if no == "I4" {
			want = []string{"I4 1 trade.paid TRADE_SUCCESS 0.00"}
		}
		w.Shop.wantTold(t, want...)
		if len(want) == 2 { // the implied event has no original: it is stated under Alipay's names, unsigned
			implied, direct := w.Shop.deliveries()[0].Body, w.Shop.deliveries()[1].Body
			if strings.Contains(implied, "sign=") || !strings.Contains(implied, "trade_status=TRADE_SUCCESS") || !strings.Contains(direct, "sign=") {
				t.Errorf("%s: delivered %s, then %s", no, implied, direct)
			}
		}
	}
}

// TestConcurrentDuplicates: fifty at once are one delivery and fifty times
// success, while the shop takes its time.
func TestConcurrentDuplicates(t *testing.T) {
	w := newWorld(t, "")
	w.buy("C1", "1.00")
	const many = 50
	var sent sync.WaitGroup
	sent.Add(many)
	w.Shop.setDeliver(func(http.ResponseWriter, *received) { sent.Wait() })
	body := sign(alipayKey(), w.notice("C1", "1.00")).Encode()
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent.Done() }}
			ctx := httptrace.WithClientTrace(t.Context(), trace)
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL+"/pay/notify", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", formType)
			resp, err := w.client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if answer, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(answer) != "success" || err != nil {
				t.Errorf("answered %d %q, %v", resp.StatusCode, answer, err)
			}
		})
	}
	all.Wait()
	w.Shop.wantTold(t, "C1 1 trade.paid TRADE_SUCCESS 0.00")
}
