// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func (s *subject) wantTotals(what string, want ledger.Totals) {
	s.Helper()
	got, err := s.Totals(s.Context(), appID)
	if err != nil {
		s.Fatalf("totals: %v", err)
	}
	same(s, "totals "+what, got, want)
	if got.Paid != got.Accepted+got.Undelivered || got.Refunded != got.RefundedTold {
		s.Errorf("totals %s do not add up: %+v", what, got)
	}
}

// totals are kept up to date by each call.
func totals(s *subject) {
	at := func(minutes int) func(*trade.Evidence) {
		return func(e *trade.Evidence) { e.ReceivedAt = bought.Add(time.Duration(minutes) * time.Minute) }
	}
	var want ledger.Totals
	s.wantTotals("at first", want)
	one, two := order("A"), order("B")
	s.attempt(one)
	s.attempt(two)
	s.attempt(trade.Key{AppID: "another", OutTradeNo: "A"})
	s.record(says(trade.Key{AppID: "another", OutTradeNo: "A"}, trade.StatusSuccess))
	s.wantTotals("with nothing paid", want)

	s.record(says(one, trade.StatusSuccess, at(5)))
	s.record(says(two, trade.StatusSuccess, refunded(100, "R"), at(3)))
	want.Paid, want.Undelivered, want.UndeliveredEvents = 2*8888, 2*8888, 3
	want.Refunded, want.RefundedTold, want.UndeliveredSince = 100, 100, bought.Add(3*time.Minute)
	s.wantTotals("with two paid", want)

	s.accept(two, 1)
	want.Accepted, want.Undelivered, want.UndeliveredEvents = 8888, 8888, 2
	s.wantTotals("with one accepted", want)
	s.reopen()
	s.wantTotals("after a restart", want)

	s.accept(two, 2)
	s.change(one, func(o *trade.Order) bool { return o.Refuse(1, "it answered 500", decidedAt, time.Time{}) })
	want.UndeliveredEvents, want.DeadEvents, want.UndeliveredSince = 1, 1, bought.Add(5*time.Minute)
	s.wantTotals("with one dead", want)

	s.change(two, func(o *trade.Order) bool {
		changed, err := o.Intend(intent("R2", 10))
		return changed && err == nil
	})
	want.Unknown = 1
	s.wantTotals("with an unknown refund", want)
	s.record(says(two, trade.StatusSuccess, refunded(110, "R2"), at(9)))
	want.Unknown, want.Refunded, want.RefundedTold, want.UndeliveredEvents = 0, 110, 110, 2
	s.wantTotals("with the refund settled", want)
	s.heldTotals(want)
}

// heldTotals: what is held counts until it is decided, each payment once.
func (s *subject) heldTotals(want ledger.Totals) {
	k := order("U")
	held := s.record(says(k, trade.StatusSuccess, total(500))).Held
	s.record(says(k, trade.StatusFinished, total(500))) // the same trade
	s.record(says(k, trade.StatusClosed, tradeNo("T2")))
	s.record(says(order("A"), trade.StatusClosed))
	s.record(says(order("A"), trade.StatusFinished)) // it pays nothing that does not count
	want.HeldItems, want.HeldSince, want.HeldPaid = 5, held.At, 500
	want.DeadEvents = 0 // that order is contradicted, its events are withheld
	s.wantTotals("with five held", want)
	s.reopen()
	s.wantTotals("with five held, after a restart", want)

	d := deciding(trade.DecideAccept)
	d.PublicURL = site
	s.decide(held.ID, d)
	want.HeldItems, want.HeldPaid = 4, 0
	want.Paid, want.Undelivered, want.UndeliveredEvents = want.Paid+500, want.Undelivered+500, want.UndeliveredEvents+1
	s.wantTotals("with one accepted by a person", want)
}
