// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func refundBody(no, amount string) string {
	return fmt.Sprintf(`{"out_request_no":%q,"refund_amount":%q}`, no, amount)
}

func (o *office) refund(order, no, amount string) answer {
	o.Helper()
	return o.call("POST", "/orders/"+order+"/refunds", refundBody(no, amount))
}

// wantRefunded holds the ledger's and the sandbox's sum of an order's refunds.
func (o *office) wantRefunded(no, amount string) {
	o.Helper()
	tr, err := o.Trade(no)
	if err != nil {
		o.Fatal(err)
	}
	if got := o.order(no); got.Refunded().String() != amount || tr.RefundedAmount != amount {
		o.Errorf("%s: refunded %s here, %s at the sandbox, want %s", no, got.Refunded(), tr.RefundedAmount, amount)
	}
}

func TestRefund(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.paid("A1", "88.88")
	a := o.call("POST", "/orders/A1/refunds", `{"out_request_no":"R1","refund_amount":"8.88","refund_reason":"碎了 broken"}`).want(200, "")
	for name, want := range map[string]string{
		"out_trade_no": "A1", "out_request_no": "R1", "refund_amount": "8.88", "outcome": "succeeded", "refund_reason": "碎了 broken", "refunded_amount": "8.88",
	} {
		if a.text(name) != want {
			t.Errorf("%s is %q, want %q", name, a.text(name), want)
		}
	}
	tr, err := o.Trade("A1")
	if err != nil || len(tr.Refunds) != 1 || tr.Refunds[0].RefundReason != "碎了 broken" {
		t.Errorf("%+v, %v", tr.Refunds, err)
	}
	if again := o.refund("A1", "R1", "8.880"); again.Status != 422 { // three decimals
		t.Errorf("%s", again.Body)
	}
	o.refund("A1", "R1", "8.88").want(200, "") // the same refund
	o.refund("A1", "R1", "8.8").want(409, "refund-conflict")
	o.refund("A1", "R2", "80.01").want(422, "refund-sum-exceeded")
	o.wantRefunded("A1", "8.88")
	if a := o.call("GET", "/orders/A1/refunds/R1", "").want(200, ""); a.text("outcome") != "succeeded" {
		t.Errorf("%s", a.Body)
	}
	o.call("GET", "/orders/A1/refunds/R9", "").want(404, "refund-not-found")
	o.call("GET", "/orders/A9/refunds/R1", "").want(404, "order-not-found")
	o.refund("A9", "R1", "1.00").want(404, "order-not-found")
	o.refund("A1", "R2", "80.00").want(200, "")
	o.wantRefunded("A1", "88.88")
	if a := o.call("GET", "/orders/A1", "").want(200, ""); a.text("status") != "TRADE_CLOSED" || len(a.list("refunds")) != 2 {
		t.Errorf("%s", a.Body)
	}
	o.until("the shop is told", func() bool {
		return slices.Equal(o.heard(), []string{"trade.paid A1 1", "refund.succeeded A1 2", "refund.succeeded A1 3"})
	})
}

// TestRefundOfWhat: only what is paid, and not finished, can be refunded.
func TestRefundOfWhat(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.sent("A1", "88.88")
	o.refund("A1", "R1", "1.00").want(409, "order-not-paid")
	o.paid("A2", "88.88")
	if err := o.Finish("A2"); err != nil {
		t.Fatal(err)
	}
	// Alipay says it first
	if a := o.refund("A2", "R1", "1.00").want(422, "refund-refused"); a.text("sub_code") != "ACQ.TRADE_HAS_FINISHED" || a.text("refund", "outcome") != "failed" {
		t.Errorf("%s", a.Body)
	}
	o.call("POST", "/orders/A2/query", "").want(200, "")
	o.refund("A2", "R2", "1.00").want(409, "order-finished")
	o.paid("A3", "88.88")
	e := trade.Evidence{
		Source: trade.SourceNotify, AppID: o.AppID, OutTradeNo: "A3", TradeNo: "ANOTHER", Status: trade.StatusSuccess, Total: 8888, ReceivedAt: time.Now(),
	}
	if _, err := o.api.Courier.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	o.refund("A3", "R1", "1.00").want(409, "order-contradicted")
}

// TestRefundBody: about money nothing is guessed.
func TestRefundBody(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.paid("A1", "88.88")
	for body, slug := range map[string]string{
		"":                       "invalid-member",
		"{}":                     "invalid-member",
		"null":                   "malformed-body",
		"[]":                     "malformed-body",
		`"R1"`:                   "malformed-body",
		"{":                      "malformed-body",
		"{}{}":                   "malformed-body",
		`{"out_request_no":"R1"`: "malformed-body",
		`{"out_request_no":"R1","refund_amount":"1.00"} x`:                                                     "malformed-body",
		`{"out_request_no":"R1","refund_amount":"1.00","refund_amount":"2.00"}`:                                "malformed-body",
		`{"out_request_no":"R1","refund_amount":"1.00","refund_\u0061mount":"2.00"}`:                           "malformed-body",
		`{"out_request_no":"R1","Refund_Amount":"1.00"}`:                                                       "malformed-body",
		`{"out_request_no":"R1","refund_amount":"1.00","operator_id":"x"}`:                                     "malformed-body",
		`{"out_request_no":"R1","refund_amount":"1.00","":""}`:                                                 "malformed-body",
		"{\"out_request_no\":\"R1\",\"refund_amount\":\"\xff\"}":                                               "malformed-body",
		`{"out_request_no":"R1","refund_amount":1.00}`:                                                         "invalid-member",
		`{"out_request_no":"R1","refund_amount":null}`:                                                         "invalid-member",
		`{"out_request_no":"R1","refund_amount":"0.00"}`:                                                       "invalid-member",
		`{"out_request_no":"R1","refund_amount":"-1.00"}`:                                                      "invalid-member",
		`{"out_request_no":"R1","refund_amount":"1e1"}`:                                                        "invalid-member",
		`{"out_request_no":"R1","refund_amount":" 1.00"}`:                                                      "invalid-member",
		`{"out_request_no":"R1","refund_amount":"0.001"}`:                                                      "invalid-member",
		`{"out_request_no":"R1","refund_amount":"100000000.01"}`:                                               "invalid-member",
		`{"out_request_no":"","refund_amount":"1.00"}`:                                                         "invalid-member",
		`{"out_request_no":1,"refund_amount":"1.00"}`:                                                          "invalid-member",
		`{"out_request_no":"R 1","refund_amount":"1.00"}`:                                                      "invalid-member",
		`{"out_request_no":"held-1","refund_amount":"1.00"}`:                                                   "invalid-member",
		`{"out_request_no":"退款","refund_amount":"1.00"}`:                                                       "invalid-member",
		refundBody(strings.Repeat("R", 65), "1.00"):                                                            "invalid-member",
		`{"out_request_no":"R1","refund_amount":"1.00","refund_reason":"a\nb"}`:                                "invalid-member",
		`{"out_request_no":"R1","refund_amount":"1.00","refund_reason":"` + strings.Repeat("茶", 257) + `"}`:    "invalid-member",
		`{"out_request_no":"R1","refund_amount":"1.00","refund_reason":"` + strings.Repeat("x", 64<<10) + `"}`: "body-too-large",
	} {
		status := map[string]int{"malformed-body": 400, "invalid-member": 422, "body-too-large": 413}[slug]
		o.call("POST", "/orders/A1/refunds", body).want(status, slug)
	}
	o.send("POST", "/orders/A1/refunds", refundBody("R1", "1.00"), http.Header{"Content-Type": {"text/plain"}}).want(415, "unsupported-media-type")
	for _, said := range []string{"Application/JSON; charset=utf-8", "application/x-www-form-urlencoded", ""} {
		o.send("POST", "/orders/A1/refunds", refundBody("R0", "1.00"), http.Header{"Content-Type": {said}}).want(200, "")
	}
	o.wantRefunded("A1", "1.00")
	if got := o.order("A1"); len(got.Intents) != 1 {
		t.Errorf("%+v", got.Intents)
	}
}

// TestRefundUnknown: it is recorded, never shown as done, and can be asked about.
func TestRefundUnknown(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.paid("A1", "88.88")
	o.breaks(func(string) error { return hangs{} })
	a := o.refund("A1", "R1", "8.88").want(202, "")
	if a.text("outcome") != "unknown" || a.text("refunded_amount") != "0.00" || a.Header.Get("Location") != "refunds/R1" {
		t.Errorf("%v %s", a.Header, a.Body)
	}
	o.refund("A1", "R1", "8.88").want(202, "")
	o.refund("A1", "R1", "8.89").want(409, "refund-conflict")
	o.refund("A1", "R2", "80.01").want(422, "refund-sum-exceeded")
	if a := o.call("GET", "/orders/A1/refunds/R1", "").want(200, ""); a.text("outcome") != "unknown" {
		t.Errorf("%s", a.Body)
	}
	o.call("GET", "/orders/A1/refunds/H1", "").want(504, "alipay-timeout") // perhaps made by hand
	o.breaks(func(string) error { return errGone })
	o.call("GET", "/orders/A1/refunds/H1", "").want(502, "alipay-unreachable")
	o.breaks(nil)
	o.Call("alipay.trade.refund", sandboxtest.Biz{"out_trade_no": "A1", "out_request_no": "H1", "refund_amount": "1.00"})
	if a := o.call("GET", "/orders/A1/refunds/H1", "").want(200, ""); a.text("outcome") != "succeeded" || a.text("refund_amount") != "1.00" {
		t.Errorf("%s", a.Body)
	}
	if a := o.call("GET", "/orders/A1/refunds/R1", "").want(200, ""); a.text("outcome") != "unknown" { // Alipay does not know it
		t.Errorf("%s", a.Body)
	}
	o.Call("alipay.trade.refund", sandboxtest.Biz{"out_trade_no": "A1", "out_request_no": "R1", "refund_amount": "8.88"})
	if a := o.call("GET", "/orders/A1/refunds/R1", "").want(200, ""); a.text("outcome") != "succeeded" {
		t.Errorf("%s", a.Body)
	}
	if a := o.call("GET", "/orders/A1", "").want(200, ""); len(a.list("refunds")) != 2 {
		t.Errorf("%s", a.Body)
	}
}

// TestRefundRefused: 422 with Alipay's reason; the same refund may be sent again.
func TestRefundRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.paid("A1", "88.88")
	o.faults(sandbox.Fault{Name: "refund_seller_balance"})
	a := o.refund("A1", "R1", "8.88").want(422, "refund-refused")
	if a.text("sub_code") != "ACQ.SELLER_BALANCE_NOT_ENOUGH" || a.text("refund", "outcome") != "failed" || a.text("refund", "out_request_no") != "R1" {
		t.Errorf("%s", a.Body)
	}
	if a := o.call("GET", "/orders/A1/refunds/R1", "").want(200, ""); a.text("outcome") != "failed" || a.text("sub_code") == "" {
		t.Errorf("%s", a.Body)
	}
	o.faults()
	o.refund("A1", "R1", "8.88").want(200, "")
	o.wantRefunded("A1", "8.88")
}

// TestManyRefunders: fifty refund one order at once, each a part that fits only
// once, and it is refunded once.
func TestManyRefunders(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.paid("A1", "88.88")
	var all sync.WaitGroup
	var mu sync.Mutex
	answered := map[int]int{}
	for i := range 50 {
		all.Go(func() {
			a := o.refund("A1", fmt.Sprintf("R%d", i), "50.00")
			mu.Lock()
			defer mu.Unlock()
			answered[a.Status]++
		})
	}
	all.Wait()
	if answered[200] != 1 || answered[422] != 49 {
		t.Errorf("answered %v", answered)
	}
	o.wantRefunded("A1", "50.00")
	// fifty times the same one
	answered = map[int]int{}
	for range 50 {
		all.Go(func() {
			a := o.refund("A1", "S", "38.88")
			mu.Lock()
			defer mu.Unlock()
			answered[a.Status]++
		})
	}
	all.Wait()
	if answered[200] != 50 {
		t.Errorf("answered %v", answered)
	}
	o.wantRefunded("A1", "88.88")
	tr, err := o.Trade("A1")
	if err != nil || len(tr.Refunds) != 2 {
		t.Errorf("%+v, %v", tr.Refunds, err)
	}
	o.until("each is told once", func() bool { return len(o.heard()) == 3 })
}

// unavailable is a ledger that cannot be read or written now.
type unavailable struct{ ledger.Ledger }

func (u unavailable) Change(context.Context, trade.Key, func(*trade.Order) (bool, error)) (trade.Order, error) {
	return trade.Order{}, fmt.Errorf("%w: disk full", ledger.ErrUnavailable)
}

func (u unavailable) Order(context.Context, trade.Key) (trade.Order, error) {
	return trade.Order{}, fmt.Errorf("%w: disk full", ledger.ErrUnavailable)
}

func (u unavailable) Orders(context.Context, ledger.OrderQuery) (ledger.OrderPage, error) {
	return ledger.OrderPage{}, errors.New("something with a secret in it")
}

func (u unavailable) Held(context.Context, ledger.HeldQuery) (ledger.HeldPage, error) {
	return ledger.HeldPage{}, ledger.ErrUnavailable
}

func (u unavailable) HeldItem(context.Context, string) (trade.Held, error) {
	return trade.Held{}, ledger.ErrUnavailable
}

func (u unavailable) Events(context.Context, string, int) ([]ledger.JournalEntry, error) {
	return nil, ledger.ErrUnavailable
}

func (u unavailable) Totals(context.Context, string) (ledger.Totals, error) {
	return ledger.Totals{}, ledger.ErrUnavailable
}

func (u unavailable) Event(context.Context, string) (ledger.Delivery, error) {
	return ledger.Delivery{}, ledger.ErrUnavailable
}

// TestLedgerUnavailable: 503, nothing recorded, and no detail that is not meant for
// callers.
func TestLedgerUnavailable(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(a *API) { a.Ledger = unavailable{a.Ledger} })
	for _, path := range []string{"/orders/A1", "/orders/A1/history", "/orders/A1/timeline", "/orders/A1/refunds/R1", "/held", "/held/x", "/events", "/totals"} {
		if a := o.call("GET", path, "").want(503, "ledger-unavailable"); a.Header.Get("Retry-After") == "" || strings.Contains(a.Body, "disk") {
			t.Errorf("%s: %v %s", path, a.Header, a.Body)
		}
	}
	for _, path := range []string{"/orders/A1/query", "/orders/A1/close", "/held/x/accept", "/held/x/refund", "/held/x/dismiss", "/events/x/redeliver"} {
		o.call("POST", path, "").want(503, "ledger-unavailable")
	}
	o.refund("A1", "R1", "1.00").want(503, "ledger-unavailable")
	o.call("POST", "/events/redeliver", `{"state":"dead"}`).want(503, "ledger-unavailable")
	a := answer{o: o, call: "GET /orders"}
	p := problemOf(errors.New("something with a secret in it"))
	if a.Body = p.Detail; p.Status != 500 || strings.Contains(p.Detail, "secret") {
		t.Errorf("%+v", p)
	}
}
