// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"errors"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func (s *subject) history(k trade.Key) ledger.History {
	s.Helper()
	h, err := s.History(s.Context(), k)
	if err != nil {
		s.Fatalf("history of %v: %v", k, err)
	}
	same(s, "the history's order", h.Order, s.order(k))
	for _, e := range h.Evidence {
		if len(e.Raw) > 0 {
			s.Errorf("the history has a raw message: %q", e.Raw)
		}
	}
	return h
}

// timeline: a history tells all that has changed an order, in its order.
func timeline(s *subject) {
	if _, err := s.History(s.Context(), order("none")); !errors.Is(err, ledger.ErrNotFound) {
		s.Errorf("the history of an unknown order: %v", err)
	}
	k := order("A")
	early := *s.record(says(k, trade.StatusSuccess, total(1))).Held // before there was an order
	s.attempt(k)
	s.record(says(order("B"), trade.StatusSuccess)) // of no interest here
	set := []trade.Evidence{
		says(k, trade.StatusWait), says(k, trade.StatusSuccess),
		says(k, trade.StatusSuccess, refunded(100, "R1")), says(k, trade.StatusClosed),
	}
	var events []trade.Event
	for _, e := range set {
		for range 2 { // a repeat leaves no trace
			events = append(events, s.record(e).Events...)
		}
	}
	contradiction := s.held()[2]
	s.decide(contradiction.ID, deciding(trade.DecideDismiss))
	for range 2 {
		h := s.history(k)
		same(s, "the events", h.Events, events)
		if len(h.Evidence) != len(set) || len(h.Held) != 2 || len(h.Tellings) != 0 {
			s.Fatalf("the history: %+v", h)
		}
		for i, e := range h.Evidence {
			want := set[i]
			if e.Source != want.Source || e.Status != want.Status || !e.ReceivedAt.Equal(want.ReceivedAt) ||
				e.Refunded != want.Refunded || e.RefundRequestNo != want.RefundRequestNo {
				s.Errorf("statement %d is %+v, want %+v", i, e, want)
			}
		}
		if h.Held[0].ID != early.ID || h.Held[1].ID != contradiction.ID || h.Held[1].Decision.Word != trade.DecideDismiss {
			s.Errorf("held: %+v", h.Held)
		}
		s.reopen()
	}
}

// tellings: a history tells when each event was accepted, and what had gone wrong
// before.
func tellings(s *subject) {
	k := s.threeEvents("A")
	at := func(minutes int) time.Time { return bought.Add(time.Duration(minutes)*time.Minute + time.Microsecond) }
	refuse := func(sequence int, why string, minutes int) {
		s.change(k, func(o *trade.Order) bool { return o.Refuse(sequence, why, at(minutes), at(minutes+1)) })
	}
	want := func(what string, want ...ledger.Telling) {
		s.Helper()
		same(s, "tellings "+what, s.history(k).Tellings, want)
		s.reopen()
		same(s, "tellings after a restart "+what, s.history(k).Tellings, want)
	}
	want("at first")
	refuse(1, "it answered 500", 1)
	refuse(1, "it answered 502", 2)
	first := ledger.Telling{Sequence: 1, Refusals: 2, RefusedSince: at(1), Refusal: "it answered 502"}
	want("after two refusals", first)
	s.accept(k, 1, at(3))
	first.AcceptedAt = at(3)
	want("after the first was accepted", first)
	refuse(2, "it hung", 4)
	s.accept(k, 3, at(5))
	second := ledger.Telling{Sequence: 2, AcceptedAt: at(5), Refusals: 1, RefusedSince: at(4), Refusal: "it hung"}
	third := ledger.Telling{Sequence: 3, AcceptedAt: at(5)}
	want("after two were accepted at once", first, second, third)
	s.accept(k, 2, at(6)) // late
	want("after a late acceptance", first, second, third)

	k = s.threeEvents("B") // one after the other, faster than any commit
	for i := range 3 {
		s.accept(k, i+1, at(10+i))
	}
	want("of a fast shop", ledger.Telling{Sequence: 1, AcceptedAt: at(10)}, ledger.Telling{Sequence: 2, AcceptedAt: at(11)},
		ledger.Telling{Sequence: 3, AcceptedAt: at(12)})
}

// oneEvent: an event is found by its id, accepted or not, with its original.
func oneEvent(s *subject) {
	k := s.threeEvents("A")
	list := s.undelivered(k)
	s.accept(k, 2)
	for range 2 {
		for _, d := range list {
			d.Order = s.order(k)
			got, err := s.Event(s.Context(), d.Event.ID)
			if err != nil {
				s.Fatal(err)
			}
			same(s, "event "+d.Event.ID, got, d)
		}
		s.reopen()
	}
	for _, id := range []string{"", "x", list[0].Event.ID + "0", "evt_0000000000000000ffffffff", "\x00", "订"} {
		if _, err := s.Event(s.Context(), id); !errors.Is(err, ledger.ErrNotFound) {
			s.Errorf("event %q: %v", id, err)
		}
	}
}

// deadEvents: the journal tells what only a person has told again.
func deadEvents(s *subject) {
	k := s.threeEvents("A")
	s.accept(k, 1)
	want := func(dead ...bool) {
		s.Helper()
		for i, e := range s.journalOf(k) {
			if e.Dead != dead[i] || e.Accepted != (i == 0) {
				s.Errorf("event %d: %+v, want dead %v", i, e, dead[i])
			}
		}
	}
	want(false, false, false)
	s.change(k, func(o *trade.Order) bool { return o.Refuse(2, "it answered 500", bought, time.Time{}) })
	want(false, true, true)
	s.reopen()
	want(false, true, true)
	s.wantDue(ledger.TaskTell, site, "one", bought.Add(1000*time.Hour))
	s.change(k, func(o *trade.Order) bool { return o.Revive(decidedAt) })
	want(false, false, false)
	if list := s.history(k).Tellings; len(list) != 1 || list[0].Sequence != 1 {
		s.Errorf("what was given up begins anew, and yet: %+v", list)
	}
	s.wantDue(ledger.TaskTell, site, "one", decidedAt, "A")
	// what is withheld is not dead
	s.record(says(k, trade.StatusClosed))
	want(false, false, false)
}
