// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// till is an office with a sandbox, at which an order is paid and refunded.
type till struct {
	*office
	*sandboxtest.Gateway
	client *gateway.Gateway
	line   *line
	key    trade.Key
}

// line is the way to the gateway. It counts the calls, and can lose a question or
// an answer.
type line struct {
	mu    sync.Mutex
	calls []string // last words of the methods
	// lose says what becomes of a call: "" passes, "question" and "answer" are lost.
	lose func(method string) string
	dead bool
}

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	method := strings.TrimPrefix(r.URL.Query().Get("method"), "alipay.trade.")
	l.mu.Lock()
	l.calls = append(l.calls, method)
	dead, lose := l.dead, l.lose
	l.mu.Unlock()
	what := ""
	if lose != nil {
		what = lose(method)
	}
	if what == "question" || dead {
		return nil, errors.New("the question is lost")
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && what == "answer" {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return nil, errors.New("the answer is lost")
	}
	return resp, err
}

func (l *line) losing(lose func(method string) string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose = lose
}

// once loses the first call of a method.
func once(method, what string) func(string) string {
	var mu sync.Mutex
	done := false
	return func(m string) string {
		mu.Lock()
		defer mu.Unlock()
		if m != method || done {
			return ""
		}
		done = true
		return what
	}
}

func (l *line) asked() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.calls), func(m string) bool { return m == "query" })
}

// newTill makes a till with one order of 88.88, A1, paid at the sandbox and here.
func newTill(t *testing.T) *till {
	t.Helper()
	return newTillOver(t, inFile(t)())
}

func newTillOver(t *testing.T, l opened) *till {
	t.Helper()
	tl := &till{office: newOfficeOver(t, l), line: new(line)}
	tl.Gateway = sandboxtest.New(t, sandboxtest.Options{Config: sandbox.Config{Clock: sandbox.NewClock(start, 1)}})
	tl.client = tl.newClient(tl.line)
	tl.c.wait = tl.skip
	t.Cleanup(tl.c.Inquire(tl.client))
	tl.key = tl.attempt(tl.AppID, "A1", time.Hour)
	tl.Buy("A1", "88.88", "", "")
	if out, err := tl.c.Ask(t.Context(), tl.client, tl.key); err != nil || !out.Order.Paid {
		t.Fatalf("%+v, %v", out, err)
	}
	return tl
}

func (tl *till) newClient(l *line) *gateway.Gateway {
	tl.office.t.Helper()
	public, err := gateway.ParsePublicKey(tl.PublicKeyPEM())
	if err != nil {
		tl.office.t.Fatal(err)
	}
	client, err := gateway.New(gateway.Config{
		AppID: tl.AppID, PrivateKey: tl.AppKey, AlipayKeys: []gateway.AlipayKey{{Public: public}}, URL: tl.GatewayURL(),
		Transport: l, Now: tl.clock,
	})
	if err != nil {
		tl.office.t.Fatal(err)
	}
	tl.office.t.Cleanup(client.Close)
	return client
}

// skip is a wait that only the office's clock knows of.
func (o *office) skip(_ context.Context, d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(d)
}

// refund asks for a refund and returns its outcome.
func (tl *till) refund(no string, amount trade.Amount) trade.RefundIntent {
	tl.office.t.Helper()
	o, err := tl.c.Refund(tl.office.t.Context(), tl.client, tl.key, trade.RefundIntent{RequestNo: no, Amount: amount})
	if err != nil {
		tl.office.t.Fatalf("%s: %v", no, err)
	}
	return *o.Intent(no)
}

// faults are the sandbox's for the order.
func (tl *till) faults(faults ...sandbox.Fault) {
	tl.office.t.Helper()
	if err := tl.SetFaults(sandbox.Faults{Global: faults, Switches: sandbox.DefaultSwitches()}); err != nil {
		tl.office.t.Fatal(err)
	}
}

func (tl *till) now() trade.Order {
	tl.office.t.Helper()
	o, err := tl.ledger.Order(tl.office.t.Context(), tl.key)
	if err != nil {
		tl.office.t.Fatal(err)
	}
	return o
}

func (tl *till) outcome(no string) trade.RefundOutcome {
	o := tl.now()
	return o.Intent(no).Outcome
}

// wantBooks fails unless the ledger and the sandbox agree on what was refunded.
func (tl *till) wantBooks(want trade.Amount) {
	tl.office.t.Helper()
	tr, err := tl.Trade("A1")
	if err != nil {
		tl.office.t.Fatal(err)
	}
	o := tl.now()
	if o.Refunded() != want || tr.RefundedAmount != want.String() {
		tl.office.t.Errorf("refunded here %s, at the sandbox %s, want %s", o.Refunded(), tr.RefundedAmount, want)
	}
}

func (tl *till) wantCalls(want ...string) {
	tl.office.t.Helper()
	if got := tl.line.asked(); !slices.Equal(got, want) {
		tl.office.t.Errorf("asked %v, want %v", got, want)
	}
}

const refunding, asking = "refund", "fastpay.refund.query"

func TestRefund(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	if got := tl.refund("R1", 1000); got.Outcome != trade.RefundSucceeded || got.SettledAt.IsZero() {
		t.Errorf("%+v", got)
	}
	if got := tl.refund("R1", 1000); got.Outcome != trade.RefundSucceeded { // the same refund
		t.Errorf("%+v", got)
	}
	tl.wantCalls(refunding)
	_, err := tl.c.Refund(t.Context(), tl.client, tl.key, trade.RefundIntent{RequestNo: "R1", Amount: 1001})
	if !errors.Is(err, trade.ErrRefundConflict) {
		t.Errorf("another amount: %v", err)
	}
	before := tl.clock()
	tl.refund("R2", 7888)
	if pause := tl.clock().Sub(before); pause != 3*time.Second {
		t.Errorf("the second refund was sent after %s", pause)
	}
	tl.wantBooks(8888)
	_, err = tl.c.Refund(t.Context(), tl.client, tl.key, trade.RefundIntent{RequestNo: "R3", Amount: 1})
	if !errors.Is(err, trade.ErrRefundSum) {
		t.Errorf("a fen too much: %v", err)
	}
	o := tl.now()
	if o.Status() != trade.StatusClosed {
		t.Errorf("%+v", o)
	}
	tl.until("the shop is told", func() bool { got := tl.now(); return !got.Undelivered() })
	if want := []string{"trade.paid/query", "refund.succeeded/refund", "refund.succeeded/refund"}; !slices.Equal(tl.shop.events, want) {
		t.Errorf("told %v", tl.shop.events)
	}
}

// TestUnknownRefund: whatever is lost on the way, the money moves once, and the
// order ends as the sandbox says.
func TestUnknownRefund(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lose  func(string) string
		fault string
		calls []string
	}{
		"the question is lost":         {lose: once(refunding, "question"), calls: []string{refunding, asking, refunding}},
		"the answer is lost":           {lose: once(refunding, "answer"), calls: []string{refunding, asking}},
		"an error before it":           {fault: "answer_system_error", calls: []string{refunding, asking, refunding}},
		"an error after it":            {fault: "answer_system_error_done", calls: []string{refunding, asking}},
		"an unsigned success":          {fault: "answer_unsigned_success", calls: []string{refunding, asking}},
		"an answer for another order":  {fault: "answer_other_order", calls: []string{refunding, asking}},
		"a page in place of an answer": {fault: "answer_500", calls: []string{refunding, asking}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tl := newTill(t)
			tl.line.losing(tc.lose)
			if tc.fault != "" {
				tl.faults(sandbox.Fault{Name: tc.fault, Method: "alipay.trade.refund", Times: 1})
			}
			if got := tl.refund("R1", 1000); got.Outcome != trade.RefundUnknown {
				t.Fatalf("%+v", got)
			}
			if o := tl.now(); o.Refunded() != 0 || o.RefundAt.Sub(tl.clock()) < 10*time.Second || o.RefundAt.Sub(tl.clock()) > 30*time.Second {
				t.Errorf("%s refunded, asked about in %s", o.Refunded(), o.RefundAt.Sub(tl.clock()))
			}
			_, err := tl.c.Refund(t.Context(), tl.client, tl.key, trade.RefundIntent{RequestNo: "R2", Amount: 7889})
			if !errors.Is(err, trade.ErrRefundSum) {
				t.Errorf("an unknown refund does not count in the sum: %v", err)
			}
			tl.pass(14 * time.Second)
			tl.until("the outcome is known", func() bool { return tl.outcome("R1") == trade.RefundSucceeded })
			tl.wantBooks(1000)
			tl.wantCalls(tc.calls...)
		})
	}
}

// TestHurry: who asks for an unknown refund again has Alipay asked, though not in
// its first ten seconds.
func TestHurry(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	tl.line.losing(func(string) string { return "answer" })
	if got := tl.refund("R1", 1000); got.Outcome != trade.RefundUnknown {
		t.Fatalf("%+v", got)
	}
	for looks, pause := range []time.Duration{5 * time.Second, 15 * time.Second, 15 * time.Second, time.Minute} {
		tl.skip(t.Context(), pause) // nobody wakes: only who asks
		if got := tl.refund("R1", 1000); got.Outcome != trade.RefundUnknown {
			t.Fatalf("%+v", got)
		}
		if got := len(tl.line.asked()); got != 1+looks {
			t.Errorf("after %d repeats %v", looks+1, tl.line.asked())
		}
	}
	tl.line.losing(nil)
	tl.skip(t.Context(), 15*time.Second)
	if got := tl.refund("R1", 1000); got.Outcome != trade.RefundSucceeded {
		t.Errorf("%+v", got)
	}
	tl.wantBooks(1000)
}

// TestSlowRefund: fund_change=N is no success, and neither are refund queries that
// do not know it yet.
func TestSlowRefund(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	tl.faults(sandbox.Fault{Name: "refund_slow", Delay: sandbox.Delay(time.Hour)})
	if got := tl.refund("R1", 1000); got.Outcome != trade.RefundUnknown {
		t.Fatalf("%+v", got)
	}
	for tries := range 6 {
		tl.until("the next look", func() bool { o := tl.now(); return o.RefundTries >= tries+2 })
		if tl.outcome("R1") != trade.RefundUnknown {
			t.Fatal("a refund that Alipay is still working at is settled")
		}
		o := tl.now()
		tl.pass(o.RefundAt.Sub(tl.clock()))
	}
	if err := tl.Advance(t.Context(), 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	tl.until("it is known", func() bool {
		o := tl.now()
		tl.pass(max(0, o.RefundAt.Sub(tl.clock())))
		return tl.outcome("R1") == trade.RefundSucceeded
	})
	tl.wantBooks(1000)
}

// TestRefusedRefund: a refusal counts once Alipay has confirmed that it knows no
// such refund; then the same refund can be tried again.
func TestRefusedRefund(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	tl.faults(sandbox.Fault{Name: "refund_seller_balance"})
	if got := tl.refund("R1", 1000); got.Outcome != trade.RefundFailed || got.Failure != "ACQ.SELLER_BALANCE_NOT_ENOUGH" {
		t.Errorf("%+v", got)
	}
	tl.wantCalls(refunding, asking)
	tl.faults()
	if got := tl.refund("R1", 1000); got.Outcome != trade.RefundSucceeded {
		t.Errorf("tried again: %+v", got)
	}
	tl.wantBooks(1000)
	// the confirmation is lost: it is neither failed nor done until Alipay says so
	tl.faults(sandbox.Fault{Name: "refund_seller_balance"})
	tl.line.losing(once(asking, "answer"))
	if got := tl.refund("R2", 1000); got.Outcome != trade.RefundUnknown {
		t.Errorf("unconfirmed: %+v", got)
	}
	tl.pass(14 * time.Second)
	tl.until("it is confirmed", func() bool { return tl.outcome("R2") == trade.RefundFailed })
	tl.wantBooks(1000)
}

// TestUnlistedRefusal: a signed refusal that no document lists leaves a refund
// unknown for an hour; then, as Alipay knows no such refund, it has failed, and the
// next one has its turn.
func TestUnlistedRefusal(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	tl.faults(sandbox.Fault{Name: "refund_unlisted"})
	if got := tl.refund("R1", 1000); got.Outcome != trade.RefundUnknown {
		t.Fatalf("%+v", got)
	}
	asked := tl.clock()
	tl.until("it has failed", func() bool {
		o := tl.now()
		if !o.RefundAt.IsZero() {
			tl.pass(max(0, o.RefundAt.Sub(tl.clock())))
		}
		return tl.outcome("R1") == trade.RefundFailed
	})
	o := tl.now()
	if i := o.Intent("R1"); i.Failure != "ACQ.REFUND_PAUSED_FOR_REVIEW" || i.SettledAt.Sub(asked) < time.Hour || i.SettledAt.Sub(asked) > 3*time.Hour {
		t.Errorf("failed by %s after %s", i.Failure, i.SettledAt.Sub(asked))
	}
	tl.faults()
	if got := tl.refund("R2", 2000); got.Outcome != trade.RefundSucceeded {
		t.Errorf("the next one: %+v", got)
	}
	tl.wantBooks(2000)
}

// TestUnsignedRefusal: the gateway refuses a signature without one of its own, so
// that anybody could have said it: it decides nothing.
func TestUnsignedRefusal(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	ours := tl.AppKey
	tl.AppKey = otherKey()
	wrong := tl.newClient(tl.line)
	tl.AppKey = ours
	o, err := tl.c.Refund(t.Context(), wrong, tl.key, trade.RefundIntent{RequestNo: "R1", Amount: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if i := o.Intent("R1"); i.Outcome != trade.RefundUnknown {
		t.Errorf("%+v", i)
	}
	tl.pass(14 * time.Second)
	tl.until("the right key settles it", func() bool { return tl.outcome("R1") == trade.RefundSucceeded })
	tl.wantBooks(1000)
}

// TestNumberUsedElsewhere: somebody has refunded another amount under the number
// by hand. That refund counts, and ours has failed.
func TestNumberUsedElsewhere(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	tl.Call("alipay.trade.refund", sandboxtest.Biz{"out_trade_no": "A1", "out_request_no": "R1", "refund_amount": "3.00"})
	if got := tl.refund("R1", 1000); got.Outcome != trade.RefundFailed || got.Failure != "ACQ.DISCORDANT_REPEAT_REQUEST" {
		t.Errorf("%+v", got)
	}
	tl.wantBooks(300)
	// the same amount, by hand before: it is the same refund
	if err := tl.Advance(t.Context(), 3*time.Second); err != nil {
		t.Fatal(err)
	}
	tl.Call("alipay.trade.refund", sandboxtest.Biz{"out_trade_no": "A1", "out_request_no": "R2", "refund_amount": "2.00"})
	if got := tl.refund("R2", 200); got.Outcome != trade.RefundUnknown { // fund_change=N
		t.Errorf("%+v", got)
	}
	tl.pass(14 * time.Second)
	tl.until("Alipay says that it was done", func() bool { return tl.outcome("R2") == trade.RefundSucceeded })
	tl.wantBooks(500)
}

// TestAskRefund learns of a refund that was made by hand.
func TestAskRefund(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	o := tl.now()
	if _, err := tl.c.AskRefund(t.Context(), tl.client, &o, "H1"); !errors.Is(err, gateway.ErrRefundNotExist) {
		t.Errorf("%v", err)
	}
	tl.Call("alipay.trade.refund", sandboxtest.Biz{"out_trade_no": "A1", "out_request_no": "H1", "refund_amount": "3.00"})
	if got, err := tl.c.AskRefund(t.Context(), tl.client, &o, "H1"); err != nil || got.Refunded() != 300 {
		t.Errorf("%+v, %v", got, err)
	}
	tl.wantBooks(300)
	tl.until("the shop is told", func() bool { return tl.shop.seen() == 2 })
}
