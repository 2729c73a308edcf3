// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// lane is an order with what is held about it, as a ledger keeps both.
type lane struct {
	o      trade.Order
	items  []trade.Held
	events []trade.Event
}

func (l *lane) record(t *rapid.T) {
	e := rapid.SampledFrom([]trade.Evidence{
		says(trade.StatusWait), says(trade.StatusSuccess), says(trade.StatusSuccess, source(trade.SourceQuery), seller("")),
		says(trade.StatusClosed), says(trade.StatusClosed, source(trade.SourceQuery), seller("")), says(trade.StatusFinished),
		says(trade.StatusSuccess, tradeNo("T2")), says(trade.StatusFinished, tradeNo("T2")), says(trade.StatusSuccess, tradeNo("T3")),
		says(trade.StatusClosed, tradeNo("T2"), refunded(8888, "H1")), says(trade.StatusSuccess, total(9999)),
		says(trade.StatusSuccess, seller("2089")), says(trade.StatusSuccess, refunded(100, "R1")), says(trade.StatusSuccess, refunded(9000, "R2")),
	}).Draw(t, "statement")
	if slices.ContainsFunc(l.items, func(h trade.Held) bool { return h.Answers(&l.o, &e) }) {
		return
	}
	r := trade.Fold(l.o, e)
	if r.Held != nil && !slices.ContainsFunc(l.items, func(h trade.Held) bool { return h.ID == r.Held.ID }) {
		l.items = append(l.items, *r.Held)
	}
	l.take(t, r)
}

func (l *lane) take(t *rapid.T, r trade.Result) {
	was := l.o
	if was.Contradicted && r.Order.Contradicted && len(r.Events) > 0 {
		t.Fatalf("a contradicted order was told: %+v", r.Events)
	}
	l.o, l.events = r.Order, append(l.events, r.Events...)
	if was.Paid && (!l.o.Paid || l.o.TradeNo != was.TradeNo || l.o.Total != was.Total || l.o.Refunded() < was.Refunded() || was.Finished && !l.o.Finished) {
		t.Fatalf("moved back from %+v to %+v", was, l.o)
	}
	if l.o.Sequence != len(l.events) || l.o.Paid && l.o.Closed {
		t.Fatalf("%d events of %+v", len(l.events), l.o)
	}
}

func (l *lane) decide(t *rapid.T) {
	if len(l.items) == 0 {
		return
	}
	n := rapid.IntRange(0, len(l.items)-1).Draw(t, "item")
	word := rapid.SampledFrom([]trade.Decide{trade.DecideAccept, trade.DecideRefund, trade.DecideDismiss}).Draw(t, "word")
	d := decision(word)
	if word == trade.DecideRefund {
		d.Outcome = rapid.SampledFrom([]trade.RefundOutcome{trade.RefundUnknown, trade.RefundFailed, trade.RefundSucceeded}).Draw(t, "outcome")
	}
	l.settle(t, n, d)
}

func (l *lane) settle(t *rapid.T, n int, d trade.Decision) {
	r, err := trade.Settle(l.o, l.items[n], d, l.items)
	if err != nil {
		return
	}
	if !r.News && (r.Changed || len(r.Events) > 0) {
		t.Fatalf("no news, and yet %+v", r)
	}
	if d.Word == trade.DecideAccept && r.News && (!r.Order.Paid || r.Order.Contradicted && len(r.Events) > 0) {
		t.Fatalf("accepted, and not paid or not to be told: %+v", r)
	}
	l.items[n] = r.Item
	l.take(t, r.Result)
}

// contradicted reports whether a contradiction waits.
func (l *lane) contradicted() bool {
	return slices.ContainsFunc(l.items, func(h trade.Held) bool { return h.Contradicts() && h.Waits() })
}

func (l *lane) check(t *rapid.T) {
	if waits := l.contradicted(); waits != l.o.Contradicted {
		t.Fatalf("contradictions wait: %v, the order: %+v", waits, l.o)
	}
	if l.o.Dead() {
		t.Fatalf("nobody is going to tell the shop: %+v", l.o)
	}
}

// TestAnyDecisionsFree: an order is contradicted as long as a contradiction waits
// and no longer, whatever comes and whatever is decided in between; what is paid
// never moves back, and what may be told is going to be.
func TestAnyDecisionsFree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := &lane{o: order(t, 9999, 8888)}
		t.Repeat(map[string]func(*rapid.T){"": l.check, "record": l.record, "record more": l.record, "decide": l.decide})
		for n := range l.items {
			l.settle(t, n, decision(trade.DecideDismiss))
			d := decision(trade.DecideRefund)
			d.Outcome = trade.RefundSucceeded
			l.settle(t, n, d) // if its refund was begun
		}
		l.check(t)
		if l.o.Contradicted {
			t.Fatalf("all is decided, and yet %+v", l.o)
		}
	})
}
