// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// wanted is when the refunds of a test are asked for.
var wanted = bought.Add(2*time.Hour + 345*time.Nanosecond)

func intent(number string, amount trade.Amount) trade.RefundIntent {
	return trade.RefundIntent{RequestNo: number, Amount: amount, Reason: "the parcel was late", At: wanted}
}

func (s *subject) intend(k trade.Key, i trade.RefundIntent) (trade.Order, error) {
	return s.Change(s.Context(), k, func(o *trade.Order) (bool, error) { return o.Intend(i) })
}

func (s *subject) change(k trade.Key, change func(*trade.Order) bool) trade.Order {
	s.Helper()
	o, err := s.Change(s.Context(), k, func(o *trade.Order) (bool, error) { return change(o), nil })
	if err != nil {
		s.Fatalf("changing %v: %v", k, err)
	}
	same(s, "the order as read", s.order(k), o)
	return o
}

// paid is an order that is paid.
func (s *subject) paid(number string) trade.Key {
	s.Helper()
	k := order(number)
	s.attempt(k)
	s.record(says(k, trade.StatusSuccess))
	return k
}

// refunding: a refund is kept before anybody asks Alipay for it, and ends once.
func refunding(s *subject) {
	k := s.paid("A")
	o, err := s.intend(k, intent("R1", 3000))
	if err != nil || len(o.Intents) != 1 || o.RefundAt.IsZero() {
		s.Fatalf("a refund: %+v, %v", o, err)
	}
	want := intent("R1", 3000)
	want.At, want.Outcome = wanted.Truncate(time.Microsecond), trade.RefundUnknown
	same(s, "the refund", o.Intents[0], want)
	same(s, "the order as read", s.order(k), o)
	if again, err := s.intend(k, intent("R1", 3000)); err != nil {
		s.Fatalf("the same refund: %v", err)
	} else {
		same(s, "the order after the same refund", again, o)
	}
	if _, err := s.intend(k, intent("R2", 5888)); err != nil {
		s.Fatalf("the rest: %v", err)
	}
	s.reopen()
	o = s.change(k, func(o *trade.Order) bool { return o.FailRefund("R1", "ACQ.SELLER_BALANCE_NOT_ENOUGH", wanted) })
	if i := o.Intent("R1"); i.Outcome != trade.RefundFailed || i.Failure == "" || i.SettledAt.IsZero() {
		s.Fatalf("a failed refund: %+v", i)
	}
	if o, err = s.intend(k, intent("R1", 3000)); err != nil || o.Intent("R1").Outcome != trade.RefundUnknown {
		s.Fatalf("tried again: %+v, %v", o, err)
	}
	s.record(says(k, trade.StatusSuccess, refunded(5888, "R2")))
	out := s.record(says(k, trade.StatusClosed, refunded(8888, "R1")))
	s.reopen()
	o = s.order(k)
	same(s, "the order as read", o, out.Order)
	for _, i := range o.Intents {
		if i.Outcome != trade.RefundSucceeded || i.SettledAt.IsZero() || i.Failure != "" {
			s.Errorf("after its success: %+v", i)
		}
	}
	if o.Sequence != 3 || o.Refunded() != 8888 || !o.RefundAt.IsZero() || o.RefundTries != 0 {
		s.Errorf("after both: %+v", o)
	}
}

// refundsAreRefused: the error comes back as it is, and nothing has changed.
func refundsAreRefused(s *subject) {
	if _, err := s.intend(order("none"), intent("R", 1)); !errors.Is(err, ledger.ErrNotFound) {
		s.Errorf("a refund of an unknown order: %v", err)
	}
	s.attempt(order("unpaid"))
	k, finished, both := s.paid("paid"), s.paid("finished"), s.paid("contradicted")
	if _, err := s.intend(k, intent("R1", 5000)); err != nil {
		s.Fatal(err)
	}
	s.record(says(finished, trade.StatusFinished))
	s.record(says(both, trade.StatusClosed))
	for _, tt := range []struct {
		k    trade.Key
		i    trade.RefundIntent
		want error
	}{
		{order("unpaid"), intent("R", 1), trade.ErrNotPaid},
		{finished, intent("R", 1), trade.ErrFinished},
		{both, intent("R", 1), trade.ErrContradicted},
		{k, intent("R1", 5001), trade.ErrRefundConflict},
		{k, intent("R2", 3889), trade.ErrRefundSum},
	} {
		before := s.order(tt.k)
		if _, err := s.intend(tt.k, tt.i); !errors.Is(err, tt.want) || errors.Is(err, ledger.ErrUnavailable) {
			s.Errorf("%s of %s of %s: %v, want %v", tt.i.RequestNo, tt.i.Amount, tt.k.OutTradeNo, err, tt.want)
		}
		same(s, "the order after a refusal", s.order(tt.k), before)
	}
}

// manyRefunds: fifty who refund one order at once end with one sum, and fifty
// who ask for one refund with one refund.
func manyRefunds(s *subject) {
	k, once := s.paid("A"), s.paid("B")
	const hands, each = 50, 500
	errs := make([]error, 2*hands)
	var wg sync.WaitGroup
	for i := range hands {
		wg.Go(func() { _, errs[i] = s.intend(k, intent(fmt.Sprintf("R%d", i), each)) })
		wg.Go(func() { _, errs[hands+i] = s.intend(once, intent("R", each)) })
	}
	wg.Wait()
	taken := 0
	for i, err := range errs {
		switch {
		case i < hands && err == nil:
			taken++
		case i < hands && !errors.Is(err, trade.ErrRefundSum), i >= hands && err != nil:
			s.Errorf("refund %d: %v", i, err)
		}
	}
	s.reopen()
	if o := s.order(k); taken != 8888/each || len(o.Intents) != taken {
		s.Errorf("%d refunds of %d were taken, %d are kept", taken, each, len(o.Intents))
	}
	if o := s.order(once); len(o.Intents) != 1 {
		s.Errorf("one refund became %d", len(o.Intents))
	}
}

// refundsAreDue: an order with an unknown refund becomes due until it is settled.
func refundsAreDue(s *subject) {
	k := s.paid("A")
	if _, err := s.intend(k, intent("R1", 10)); err != nil {
		s.Fatal(err)
	}
	due := s.order(k).RefundAt
	if numbers, next := s.due(ledger.TaskRefund, appID, "one", due.Add(-time.Second), 10); len(numbers) > 0 || !next.Equal(due) {
		s.Errorf("before its time: %v, next at %s, want %s", numbers, next, due)
	}
	s.wantDue(ledger.TaskRefund, "another app", "one", due.Add(time.Hour))
	s.wantDue(ledger.TaskRefund, appID, "one", due, "A")
	s.wantDue(ledger.TaskRefund, appID, "two", due)
	later := due.Add(time.Hour)
	s.change(k, func(o *trade.Order) bool { return o.RefundNext(later) })
	s.reopen()
	s.wantDue(ledger.TaskRefund, appID, "two", later.Add(-time.Second))
	s.wantDue(ledger.TaskRefund, appID, "two", later, "A")
	if err := s.Release(s.Context(), ledger.TaskRefund, k, "two"); err != nil {
		s.Fatal(err)
	}
	if o := s.order(k); o.RefundTries != 1 {
		s.Errorf("asked %d times", o.RefundTries)
	}
	// also after the shop has accepted all there is
	s.accept(k, 1)
	s.wantDue(ledger.TaskRefund, appID, "two", later, "A")
	if err := s.Release(s.Context(), ledger.TaskRefund, k, "two"); err != nil {
		s.Fatal(err)
	}
	s.change(k, func(o *trade.Order) bool { return o.FailRefund("R1", "ACQ.TRADE_NOT_ALLOW_REFUND", later) })
	s.wantDue(ledger.TaskRefund, appID, "one", later.Add(time.Hour))
}

// leasing: one order is one owner's at a time, who may prolong.
func leasing(s *subject) {
	k := s.paid("A")
	now := bought.Add(time.Hour)
	want := func(want bool, t ledger.Task, owner string, now time.Time) {
		s.Helper()
		got, err := s.Lease(s.Context(), t, k, owner, now, now.Add(time.Minute))
		if err != nil || got != want {
			s.Errorf("%s to %s at %s: %v, %v", t, owner, now.Format(time.TimeOnly), got, err)
		}
	}
	want(true, ledger.TaskTell, "one", now)
	want(false, ledger.TaskTell, "two", now.Add(59*time.Second))
	want(true, ledger.TaskRefund, "two", now) // another task
	want(true, ledger.TaskTell, "one", now.Add(30*time.Second))
	want(false, ledger.TaskTell, "two", now.Add(61*time.Second)) // it was prolonged
	s.wantDue(ledger.TaskTell, site, "two", now.Add(61*time.Second))
	want(true, ledger.TaskTell, "two", now.Add(91*time.Second))
	for _, owner := range []string{"one", "two"} {
		if err := s.Release(s.Context(), ledger.TaskTell, k, owner); err != nil {
			s.Fatal(err)
		}
		if owner == "one" { // whose lease has ended
			want(false, ledger.TaskTell, "one", now.Add(92*time.Second))
		}
	}
	want(true, ledger.TaskTell, "one", now.Add(93*time.Second))
	if _, err := s.Lease(s.Context(), ledger.TaskTell, order("none"), "one", now, now); !errors.Is(err, ledger.ErrNotFound) {
		s.Errorf("a lease of an unknown order: %v", err)
	}
}
