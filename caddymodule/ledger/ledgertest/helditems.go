// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func unknownOrderIsHeld(s *subject) {
	k := order("A1")
	e := says(k, trade.StatusSuccess)
	out := s.record(e)
	if out.Held == nil || out.Repeat || len(out.Events) > 0 || out.Order.Exists() {
		s.Fatalf("outcome %+v", out)
	}
	want := trade.Held{ID: e.Digest(), Reason: trade.ReasonUnknownOrder, Evidence: e, At: e.ReceivedAt}
	same(s, "the held item", *out.Held, want)
	same(s, "the held list", s.held(), []trade.Held{want})
	if _, err := s.Order(s.Context(), k); err == nil {
		s.Fatal("a held notice has made an order")
	}
	// known later, the same statement pays; what was held stays for a person
	s.attempt(k)
	if out := s.record(e); len(out.Events) != 1 || out.Held != nil {
		s.Fatalf("the statement after the attempt: %+v", out)
	}
	same(s, "the held list", s.held(), []trade.Held{want})
}

// heldOnce: the digest identifies what is stated, so that Alipay's repeats of a
// notice are one item, the first.
func heldOnce(s *subject) {
	k := order("A1")
	s.attempt(k)
	e := says(k, trade.StatusSuccess, total(8887))
	first := s.record(e)
	again := says(k, trade.StatusSuccess, total(8887), func(e *trade.Evidence) {
		e.ReceivedAt, e.NotifyID = bought.Add(25*time.Hour), "another"
	})
	for range 2 {
		out := s.record(again)
		if !out.Repeat || out.Held == nil {
			s.Fatalf("a repeat of what is held: %+v", out)
		}
		same(s, "the held item", *out.Held, *first.Held)
	}
	if n := len(s.held()); n != 1 {
		s.Fatalf("%d items held", n)
	}
	if o := s.order(k); o.Paid || o.Contradicted {
		s.Fatalf("order %+v", o)
	}
}

// contradictions mark the order in the same transaction that holds the evidence.
func contradictions(s *subject) {
	k := order("A1")
	s.attempt(k)
	s.record(says(k, trade.StatusSuccess))
	out := s.record(says(k, trade.StatusClosed))
	if out.Held == nil || out.Held.Reason != trade.ReasonClosedAfterPay || !out.Order.Contradicted || out.Repeat {
		s.Fatalf("closed after paid: %+v", out)
	}
	o := s.order(k)
	if !o.Contradicted || !o.Paid || o.Sequence != 1 {
		s.Fatalf("order %+v", o)
	}
	if out := s.record(says(k, trade.StatusClosed)); !out.Repeat || out.Held == nil {
		s.Fatalf("its repeat: %+v", out)
	}
	if out := s.record(says(k, trade.StatusFinished)); out.Held == nil || out.Held.Reason != trade.ReasonContradicted {
		s.Fatalf("finished after the contradiction: %+v", out)
	}
	if held := s.held(); len(held) != 2 || len(s.events()) != 1 {
		s.Fatalf("%d held, %d events", len(held), len(s.events()))
	}

	// held before it contradicted anything: the mark comes all the same, the item is one
	k = order("A2")
	second := says(k, trade.StatusSuccess, tradeNo("T2"))
	s.record(second)
	s.attempt(k)
	s.record(says(k, trade.StatusSuccess))
	if out := s.record(second); out.Repeat || out.Held == nil || !out.Order.Contradicted {
		s.Fatalf("a second trade, known as held: %+v", out)
	}
	if o, n := s.order(k), len(s.held()); !o.Contradicted || n != 3 {
		s.Fatalf("%d held, order %+v", n, o)
	}
	if out := s.record(second); !out.Repeat || out.Held == nil {
		s.Fatalf("and again: %+v", out)
	}
}

func heldIsListed(s *subject) {
	var want []trade.Held
	for _, number := range []string{"E", "C", "A", "D", "B"} {
		want = append(want, *s.record(says(order(number), trade.StatusSuccess)).Held)
	}
	same(s, "the held list in pages", s.held(), want)
	page, err := s.Held(s.Context(), ledger.HeldQuery{})
	if err != nil || page.Next != "" {
		s.Fatalf("the last page: %+v, %v", page, err)
	}
	same(s, "the held list at once", page.Held, want)
}
