// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// threeEvents is an order with three events.
func (s *subject) threeEvents(number string) trade.Key {
	s.Helper()
	k := order(number)
	s.attempt(k)
	s.record(says(k, trade.StatusSuccess))
	s.record(says(k, trade.StatusSuccess, refunded(100, "R1")))
	s.record(says(k, trade.StatusSuccess, refunded(200, "R2")))
	return k
}

// accept has the shop accept, at the given time if there is one.
func (s *subject) accept(k trade.Key, sequence int, at ...time.Time) {
	s.Helper()
	if err := s.Accept(s.Context(), k, sequence, append(at, bought)[0]); err != nil {
		s.Fatalf("accepting %v up to %d: %v", k, sequence, err)
	}
}

// wantAccepted checks every way in which an accepted mark can be seen.
func (s *subject) wantAccepted(k trade.Key, want int) {
	s.Helper()
	o := s.order(k)
	byTradeNo, err := s.OrderByTradeNo(s.Context(), k.AppID, o.TradeNo)
	if err != nil || o.Accepted != want || byTradeNo.Accepted != want {
		s.Fatalf("accepted up to %d, by trade number %d (%v), want %d", o.Accepted, byTradeNo.Accepted, err, want)
	}
	for _, listed := range s.orders(ledger.OrderQuery{Limit: 1}) {
		if listed.Key() == k && listed.Accepted != want {
			s.Fatalf("listed as accepted up to %d, want %d", listed.Accepted, want)
		}
	}
	list := s.undelivered(k)
	if len(list) != o.Sequence-want {
		s.Fatalf("%d events undelivered of %d, want %d", len(list), o.Sequence, o.Sequence-want)
	}
	for i, d := range list {
		if d.Event.Sequence != want+i+1 || d.Order.Accepted != want {
			s.Fatalf("undelivered %d: %+v", i, d)
		}
	}
	for _, e := range s.events() {
		if e.Key == k && e.Accepted != (e.Event.Sequence <= want) {
			s.Fatalf("the journal says accepted %v of event %d, want up to %d", e.Accepted, e.Event.Sequence, want)
		}
	}
}

func accepting(s *subject) {
	k, other := s.threeEvents("A1"), s.threeEvents("A2")
	s.wantAccepted(k, 0)
	s.accept(k, 1)
	s.wantAccepted(k, 1)
	if out := s.record(says(k, trade.StatusSuccess)); out.Order.Accepted != 1 || !out.Repeat {
		s.Fatalf("a repeat tells %d accepted", out.Order.Accepted)
	}
	s.accept(k, 3)
	s.wantAccepted(k, 3)
	s.reopen()
	s.wantAccepted(k, 3)
	s.wantAccepted(other, 0)
	// a new event waits, the accepted ones stay accepted
	out := s.record(says(k, trade.StatusSuccess, refunded(300, "R3")))
	if out.Order.Accepted != 3 || out.Order.Sequence != 4 {
		s.Fatalf("after a new event: %+v", out.Order)
	}
	s.wantAccepted(k, 3)
	s.accept(k, 4)
	s.wantAccepted(k, 4)
}

// acceptingOnlyRaises: a late answer of the shop to an older event takes nothing
// back, and no event is accepted before it exists.
func acceptingOnlyRaises(s *subject) {
	k := s.threeEvents("A1")
	for _, step := range []struct{ sequence, want int }{{-1, 0}, {0, 0}, {2, 2}, {1, 2}, {2, 2}, {0, 2}, {99, 3}, {3, 3}} {
		s.accept(k, step.sequence)
		s.wantAccepted(k, step.want)
	}
	s.record(says(k, trade.StatusSuccess, refunded(300, "R3"), func(e *trade.Evidence) { e.ReceivedAt = bought.Add(time.Hour) }))
	s.wantAccepted(k, 3)
}
