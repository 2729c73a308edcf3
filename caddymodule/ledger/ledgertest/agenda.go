// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"errors"
	"slices"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// due asks for work at a moment, as owner, and returns the orders' numbers.
func (s *subject) due(task ledger.Task, of, owner string, now time.Time, limit int) (numbers []string, next time.Time) {
	s.Helper()
	d, err := s.Due(s.Context(), ledger.DueQuery{
		Task: task, Subject: of, Owner: owner, Now: now, Until: now.Add(time.Minute), Limit: limit,
	})
	if err != nil {
		s.Fatal(err)
	}
	for i := range d.Orders {
		numbers = append(numbers, d.Orders[i].OutTradeNo)
	}
	return numbers, d.Next
}

func (s *subject) wantDue(task ledger.Task, of, owner string, now time.Time, want ...string) {
	s.Helper()
	if got, _ := s.due(task, of, owner, now, 10); !slices.Equal(got, want) {
		s.Errorf("due at %s to %s: %v, want %v", now.Format(time.TimeOnly), owner, got, want)
	}
}

// telling: what the shop has not accepted becomes due, is leased to one owner at
// a time, is put off by a refusal and leaves with its acceptance.
func telling(s *subject) {
	k := order("A")
	s.attempt(k)
	s.record(says(k, trade.StatusSuccess))
	o := s.order(k)
	site, due := o.PublicURL(), o.TellAt
	if due.IsZero() {
		s.Fatal("a caused event is not on the agenda")
	}
	if numbers, next := s.due(ledger.TaskTell, site, "one", due.Add(-time.Millisecond), 10); len(numbers) > 0 || !next.Equal(due) {
		s.Errorf("before its time: %v, next at %s", numbers, next)
	}
	s.wantDue(ledger.TaskTell, "https://elsewhere.example", "one", due)
	s.wantDue(ledger.TaskAsk, appID, "one", due.Add(time.Hour))
	s.wantDue(ledger.TaskTell, site, "one", due, "A")
	s.wantDue(ledger.TaskTell, site, "two", due)
	s.wantDue(ledger.TaskTell, site, "two", due.Add(2*time.Minute), "A") // the owner died
	if err := s.Release(s.Context(), ledger.TaskTell, k, "one"); err != nil {
		s.Fatal(err)
	}
	s.wantDue(ledger.TaskTell, site, "one", due.Add(2*time.Minute)) // it is no longer one's to release
	if err := s.Release(s.Context(), ledger.TaskTell, k, "two"); err != nil {
		s.Fatal(err)
	}
	later := due.Add(time.Hour)
	if err := s.refuse(k, 1, due, later); err != nil {
		s.Fatal(err)
	}
	s.reopen()
	if o := s.order(k); o.Refusals != 1 || !o.TellAt.Equal(later) || !o.RefusedSince.Equal(due) {
		s.Errorf("after a refusal: %+v", o.Agenda)
	}
	s.wantDue(ledger.TaskTell, site, "one", later.Add(-time.Second))
	s.accept(k, 1)
	s.wantDue(ledger.TaskTell, site, "one", later.Add(time.Hour))
	if err := s.refuse(k, 1, later, later.Add(time.Hour)); err != nil {
		s.Fatal(err)
	}
	if o := s.order(k); !o.TellAt.IsZero() || o.Undelivered() {
		s.Errorf("a refusal that came late: %+v", o.Agenda)
	}
}

// asking: an order that was sent to the cashier becomes due, until it is settled.
func asking(s *subject) {
	var first time.Time
	for _, number := range []string{"A", "B", "C"} {
		k := order(number)
		s.attempt(k)
		if o := s.order(k); first.IsZero() || o.AskAt.Before(first) {
			first = o.AskAt
		}
	}
	late := first.Add(time.Hour)
	some, next := s.due(ledger.TaskAsk, appID, "one", late, 2)
	if len(some) != 2 || next.IsZero() || next.After(late) {
		s.Fatalf("two of three: %v, next at %s", some, next)
	}
	rest, _ := s.due(ledger.TaskAsk, appID, "one", late, 2)
	if all := slices.Sorted(slices.Values(append(some, rest...))); !slices.Equal(all, []string{"A", "B", "C"}) {
		s.Fatalf("due: %v", all)
	}
	for _, number := range []string{"A", "B"} {
		if err := s.askNext(order(number), late.Add(time.Hour)); err != nil {
			s.Fatal(err)
		}
	}
	s.record(says(order("A"), trade.StatusSuccess))
	if err := s.askNext(order("A"), late); err != nil {
		s.Fatal(err)
	}
	s.reopen()
	if o := s.order(order("A")); !o.AskAt.IsZero() {
		s.Errorf("a paid order is still asked about: %+v", o.Agenda)
	}
	later := late.Add(2 * time.Hour)
	got, _ := s.due(ledger.TaskAsk, appID, "two", later, 10)
	if slices.Sort(got); !slices.Equal(got, []string{"B", "C"}) {
		s.Errorf("due later: %v", got)
	}
	if o := s.order(order("B")); o.Asked != 1 {
		s.Errorf("asked %d times", o.Asked)
	}
	if err := s.askNext(order("B"), time.Time{}); err != nil {
		s.Fatal(err)
	}
	if o := s.order(order("B")); !o.AskAt.IsZero() || o.Asked != 2 {
		s.Errorf("no more questions: %+v", o.Agenda)
	}
	err := s.askNext(order("X"), later)
	if err2 := s.refuse(order("X"), 1, later, later); !errors.Is(err, ledger.ErrNotFound) || !errors.Is(err2, ledger.ErrNotFound) {
		s.Errorf("an unknown order: %v, %v", err, err2)
	}
}

func (s *subject) refuse(k trade.Key, sequence int, at, next time.Time) error {
	_, err := s.Change(s.Context(), k, func(o *trade.Order) (bool, error) { return o.Refuse(sequence, "it answered 500", at, next), nil })
	return err
}

func (s *subject) askNext(k trade.Key, next time.Time) error {
	_, err := s.Change(s.Context(), k, func(o *trade.Order) (bool, error) { return o.AskNext(next), nil })
	return err
}
