// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// everything is all that a ledger shows.
type everything struct {
	Orders      []trade.Order
	Undelivered [][]ledger.Delivery
	Events      []ledger.JournalEntry
	Held        []trade.Held
	Histories   []ledger.History
	Totals      ledger.Totals
	Setting     string
}

func (s *subject) everything() (all everything) {
	s.Helper()
	all.Orders = s.orders(ledger.OrderQuery{Limit: 3})
	for i := range all.Orders {
		all.Undelivered = append(all.Undelivered, s.undelivered(all.Orders[i].Key()))
		all.Histories = append(all.Histories, s.history(all.Orders[i].Key()))
	}
	totals, err1 := s.Totals(s.Context(), appID)
	setting, err2 := s.Setting(s.Context(), "key")
	if err1 != nil || err2 != nil && !errors.Is(err2, ledger.ErrNotFound) {
		s.Fatal(err1, err2)
	}
	all.Totals, all.Setting = totals, string(setting)
	all.Events, all.Held = s.events(), s.allHeld()
	return all
}

// filled is a ledger with something of each kind.
func (s *subject) filled() {
	s.Helper()
	s.made(0, 5)
	k := s.threeEvents("A1")
	s.accept(k, 2)
	s.accept(s.threeEvents("A2"), 3)
	s.record(says(order("U1"), trade.StatusSuccess))
	s.record(says(k, trade.StatusSuccess, tradeNo("T2")))
	s.attempt(order("A3"))
	s.record(says(order("A3"), trade.StatusClosed, source(trade.SourceQuery)))
	if _, err := s.intend(order("A2"), intent("R9", 5)); err != nil {
		s.Fatal(err)
	}
	dismissed := s.record(says(order("U2"), trade.StatusSuccess)).Held.ID
	s.decide(dismissed, deciding(trade.DecideDismiss))
	if err := s.SetSetting(s.Context(), "key", nil, []byte("value")); err != nil {
		s.Fatal(err)
	}
}

func survivesRestart(s *subject) {
	s.filled()
	for i := range 3 {
		before := s.everything()
		event := s.events()[0].Event.ID
		s.reopen()
		same(s, "everything after a restart", s.everything(), before)
		if _, err := s.Events(s.Context(), event, 1); err != nil {
			s.Fatalf("an event's id after a restart: %v", err)
		}
		k := order(fmt.Sprintf("R%d", i))
		s.attempt(k)
		if out := s.record(says(k, trade.StatusSuccess)); len(out.Events) != 1 {
			s.Fatalf("a payment after a restart: %+v", out)
		}
	}
	ids := map[string]bool{}
	for _, e := range s.events() {
		if ids[e.Event.ID] {
			s.Fatalf("the id %s is given twice", e.Event.ID)
		}
		ids[e.Event.ID] = true
	}
}

// calls are all calls of a ledger, on an order and an event that exist.
func calls(ctx context.Context, l ledger.Ledger, k trade.Key, event string) map[string]error {
	errs := make(map[string]error)
	_, errs["Attempt"] = l.Attempt(ctx, order("new"), terms())
	_, errs["Record"] = l.Record(ctx, says(k, trade.StatusSuccess))
	_, errs["Order"] = l.Order(ctx, k)
	_, errs["OrderByTradeNo"] = l.OrderByTradeNo(ctx, k.AppID, "T")
	_, errs["Orders"] = l.Orders(ctx, ledger.OrderQuery{})
	_, errs["Undelivered"] = l.Undelivered(ctx, k)
	_, errs["Events"] = l.Events(ctx, "", 1)
	_, errs["Held"] = l.Held(ctx, ledger.HeldQuery{Limit: 1})
	_, errs["Change"] = l.Change(ctx, k, func(o *trade.Order) (bool, error) { return o.AskNext(bought), nil })
	_, errs["History"] = l.History(ctx, k)
	_, errs["Due"] = l.Due(ctx, ledger.DueQuery{Task: ledger.TaskAsk, Subject: k.AppID, Owner: "one", Limit: 1})
	_, errs["Lease"] = l.Lease(ctx, ledger.TaskAsk, k, "one", bought, bought)
	errs["Release"] = l.Release(ctx, ledger.TaskAsk, k, "one")
	_, errs["Event"] = l.Event(ctx, event)
	_, errs["HeldItem"] = l.HeldItem(ctx, "id")
	_, errs["Decide"] = l.Decide(ctx, "id", trade.Decision{Word: trade.DecideDismiss})
	_, errs["Setting"] = l.Setting(ctx, "key")
	errs["SetSetting"] = l.SetSetting(ctx, "key", nil, nil)
	_, errs["Totals"] = l.Totals(ctx, k.AppID)
	errs["Accept"] = l.Accept(ctx, k, 1, bought)
	return errs
}

// afterTheEnd: a request that outlives the last configuration gets an error
// that lets Alipay send its notice again.
func afterTheEnd(s *subject) {
	k := order("A1")
	s.attempt(k)
	other := s.paid("A2")
	ended, event := s.Ledger, s.undelivered(other)[0].Event.ID
	s.reopen()
	for call, err := range calls(s.Context(), ended, k, event) {
		if !errors.Is(err, ledger.ErrUnavailable) {
			s.Errorf("%s after the end: %v", call, err)
		}
	}
	if o := s.order(k); o.Paid {
		s.Fatal("a call after the end has been recorded")
	}
}

// brokenDisk: nothing is claimed while nothing can be written, and no restart is
// needed when that is over.
func brokenDisk(s *subject) {
	s.filled()
	k := order("A9")
	s.attempt(k)
	before := s.everything()
	repair := s.harness.Break(s.T)
	notice, held := says(k, trade.StatusSuccess), says(order("U9"), trade.StatusSuccess)
	for range 3 {
		for _, e := range []trade.Evidence{notice, held} {
			if out, err := s.Record(s.Context(), e); !errors.Is(err, ledger.ErrUnavailable) {
				s.Fatalf("recording on a broken disk: %+v, %v", out, err)
			}
		}
		if _, err := s.Attempt(s.Context(), order("A10"), terms()); !errors.Is(err, ledger.ErrUnavailable) {
			s.Fatalf("an attempt on a broken disk: %v", err)
		}
		s.wantUnavailable(before.Held[0].ID)
		if out, err := s.Record(s.Context(), says(order("A1"), trade.StatusSuccess)); err != nil || !out.Repeat {
			s.Fatalf("a repeat on a broken disk: %+v, %v", out, err)
		}
		same(s, "everything on a broken disk", s.everything(), before)
	}
	// the shop has accepted, whatever the disk does
	s.accept(order("A1"), 3)
	s.wantAccepted(order("A1"), 3)
	repair()
	if out := s.record(notice); len(out.Events) != 1 || out.Repeat {
		s.Fatalf("recording after the repair: %+v", out)
	}
	if out := s.record(held); out.Held == nil || out.Repeat {
		s.Fatalf("holding after the repair: %+v", out)
	}
	s.wantAccepted(order("A1"), 3)
	want := len(before.Events) + 1
	if n := len(s.events()); n != want {
		s.Fatalf("%d events, want %d", n, want)
	}
	s.reopen()
	s.wantAccepted(order("A1"), 3)
	if o := s.order(k); !o.Paid || len(s.undelivered(k)) != 1 || len(s.allHeld()) != len(before.Held)+1 {
		s.Fatalf("after a restart: %+v", o)
	}
}

// wantUnavailable: nothing else can be written either.
func (s *subject) wantUnavailable(held string) {
	s.Helper()
	_, errChange := s.intend(order("A2"), intent("R10", 5))
	_, errDecide := s.Decide(s.Context(), held, deciding(trade.DecideDismiss))
	for call, err := range map[string]error{
		"Change": errChange, "Decide": errDecide, "SetSetting": s.SetSetting(s.Context(), "key", []byte("value"), nil),
	} {
		if !errors.Is(err, ledger.ErrUnavailable) {
			s.Errorf("%s on a broken disk: %v", call, err)
		}
	}
}

func cancelledContext(s *subject) {
	k := order("A1")
	s.attempt(k)
	event := s.undelivered(s.paid("A2"))[0].Event.ID
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for call, err := range calls(ctx, s.Ledger, k, event) {
		if !errors.Is(err, context.Canceled) || errors.Is(err, ledger.ErrUnavailable) {
			s.Errorf("%s with a cancelled context: %v", call, err)
		}
	}
	if o := s.order(k); o.Paid {
		s.Fatal("a call that came too late has been recorded")
	}
	if _, err := s.Order(s.Context(), order("new")); !errors.Is(err, ledger.ErrNotFound) {
		s.Fatalf("an attempt that came too late: %v", err)
	}
}
