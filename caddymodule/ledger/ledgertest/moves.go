// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// maxMoves bounds how often one ledger moves in any history: each move copies all.
const maxMoves = 8

// Moves tests that a ledger which is copied to another one goes on there as if
// nothing had happened. open is called for each test.
func Moves(t *testing.T, open func(t *testing.T) Harness) {
	for _, tt := range []test{{"a copy shows everything", copyShowsEverything}, {"any history with moves", anyHistory}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			tt.run(&subject{T: t, Ledger: h.Ledger, harness: h})
		})
	}
}

func (s *subject) move() {
	s.Helper()
	s.Ledger = s.harness.Move(s.T)
	s.moves++
}

func (s *subject) moveSometimes(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "move") == 0 && s.moves < maxMoves {
		s.move()
	}
}

func copyShowsEverything(s *subject) {
	s.filled()
	for i, number := range []string{"M1", "M2", "M3"} {
		before := s.everything()
		newest := before.Events[len(before.Events)-1]
		s.move()
		same(s, "everything in the copy", s.everything(), before)
		if list, err := s.Events(s.Context(), newest.Event.ID, 1); err != nil || len(list) > 0 {
			s.Fatalf("the journal goes on after the newest: %+v, %v", list, err)
		}
		d, err := s.Event(s.Context(), before.Events[0].Event.ID)
		if err != nil || d.Event.ID != before.Events[0].Event.ID {
			s.Fatalf("the oldest event by its id: %+v, %v", d, err)
		}
		k := order(number)
		s.attempt(k)
		if out := s.record(says(k, trade.StatusSuccess)); len(out.Events) != 1 || out.Events[0].ID == newest.Event.ID {
			s.Fatalf("a payment in the copy: %+v", out)
		}
		if out := s.record(says(order("A1"), trade.StatusSuccess)); !out.Repeat {
			s.Fatalf("a repeat in the copy: %+v", out)
		}
		if list := s.events(); list[len(list)-1].Key != k {
			s.Fatalf("the newest event of the copy is not the newest: %+v", list[len(list)-1])
		}
		s.tellAndAsk(i)
		s.reopen()
	}
}

// tellAndAsk finds in the agenda what the copy has to do.
func (s *subject) tellAndAsk(i int) {
	later := bought.Add(1000 * time.Hour)
	for _, q := range []ledger.DueQuery{{Task: ledger.TaskTell, Subject: site}, {Task: ledger.TaskRefund, Subject: appID}} {
		q.Owner, q.Now, q.Until, q.Limit = "m", later, later.Add(time.Duration(i+1)*time.Second), 10
		due, err := s.Due(s.Context(), q)
		if err != nil || len(due.Orders) == 0 {
			s.Fatalf("nothing is due in the copy: %+v, %v", due, err)
		}
	}
}
