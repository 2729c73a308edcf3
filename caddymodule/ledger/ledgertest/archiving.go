// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/archive"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// archivingTests are about orders that move to files.
func archivingTests() []test {
	return []test{
		{"finished orders are archived", archiving},
		{"archiving that fails at any step", archivingFails},
		{"what changes is not deleted", archivingChanged},
		{"evidence about an archived order", archivedEvidence},
		{"one archives at a time", archivingAlone},
		{"archiving what another ledger told", archivingForeign},
		{"archiving any ledger", archivingAny},
	}
}

// archiveBefore is after all orders of a test but those of later.
var archiveBefore = bought.AddDate(0, 2, 0)

func (s *subject) store() archive.Store {
	s.Helper()
	store, ok := archive.Of(s.Ledger)
	if !ok {
		s.Skip("this ledger cannot be archived")
	}
	return store
}

func (s *subject) pass(folder string) archive.Pass {
	s.Helper()
	return archive.Pass{Store: s.store(), Folder: folder, Before: archiveBefore, Owner: "one", Now: func() time.Time { return decidedAt }}
}

func (s *subject) archive(folder string) archive.Report {
	s.Helper()
	r, err := s.pass(folder).Run(s.Context())
	if err != nil {
		s.Fatalf("archiving: %v", err)
	}
	return r
}

// archived are the orders in all files of a folder, each once. Those in several
// files have to be the same.
func (s *subject) archived(folder string) map[trade.Key]ledger.Whole {
	s.Helper()
	all := map[trade.Key]ledger.Whole{}
	files, err := filepath.Glob(filepath.Join(folder, "*.jsonl.gz"))
	if err != nil {
		s.Fatal(err)
	}
	for _, f := range files {
		if _, err := archive.Read(f, func(w *ledger.Whole, _ []byte) error {
			k := w.Record.Order.Key()
			if other, twice := all[k]; twice {
				same(s, "an order in two files", *w, other)
			}
			all[k] = *w
			return nil
		}); err != nil {
			s.Fatalf("%s: %v", f, err)
		}
	}
	return all
}

// without is everything without some orders.
func (all everything) without(gone map[trade.Key]ledger.Whole) (rest everything) {
	rest.Totals, rest.Setting = all.Totals, all.Setting
	for i := range all.Orders {
		if _, ok := gone[all.Orders[i].Key()]; !ok {
			rest.Orders = append(rest.Orders, all.Orders[i])
			rest.Undelivered = append(rest.Undelivered, all.Undelivered[i])
			rest.Histories = append(rest.Histories, all.Histories[i])
		}
	}
	in := func(k trade.Key) bool { _, ok := gone[k]; return ok }
	rest.Events = slices.DeleteFunc(slices.Clone(all.Events), func(j ledger.JournalEntry) bool { return in(j.Key) })
	rest.Held = slices.DeleteFunc(slices.Clone(all.Held), func(h trade.Held) bool {
		return in(trade.Key{AppID: h.Evidence.AppID, OutTradeNo: h.Evidence.OutTradeNo})
	})
	return rest
}

// wantArchived: what was before is what is in the files and in the ledger now, and
// nothing is in neither.
func (s *subject) wantArchived(before everything, folder string) map[trade.Key]ledger.Whole {
	s.Helper()
	files := s.archived(folder)
	gone := maps.Clone(files)
	maps.DeleteFunc(gone, func(k trade.Key, _ ledger.Whole) bool {
		_, err := s.Order(s.Context(), k)
		return !errors.Is(err, ledger.ErrNotFound)
	})
	same(s, "everything that is not archived", s.everything(), before.without(gone))
	for i := range before.Histories {
		h := &before.Histories[i]
		w, ok := files[h.Order.Key()]
		if !ok {
			continue
		}
		same(s, "an archived order", w.Record.Order, h.Order)
		same(s, "its tellings", w.Record.Tellings, h.Tellings)
		var events []trade.Event
		for _, e := range w.Record.Events {
			events = append(events, e.Event)
		}
		same(s, "its events", events, h.Events)
		if len(w.Record.Evidence) != len(h.Evidence) || len(w.Held) != len(h.Held) {
			s.Fatalf("%d statements and %d held of %d and %d", len(w.Record.Evidence), len(w.Held), len(h.Evidence), len(h.Held))
		}
		for _, e := range w.Record.Evidence {
			if len(e.Raw) == 0 && len(w.Held) == 0 { // else a held item may have it
				s.Fatalf("a statement about %v without its message", h.Order.Key())
			}
		}
	}
	if t := before.Totals; t.Paid != t.Accepted+t.Undelivered || t.Refunded != t.RefundedTold {
		s.Fatalf("totals do not add up: %+v", t)
	}
	return gone
}

// mixed is a ledger with orders of all kinds; it returns those that are finished.
func (s *subject) mixed() []trade.Key {
	s.Helper()
	s.filled()
	paid, closed, refundedInFull := order("F1"), order("F2"), order("F3")
	for _, k := range []trade.Key{paid, closed, refundedInFull} {
		s.attempt(k)
	}
	s.record(says(paid, trade.StatusSuccess))
	s.decide(s.record(says(paid, trade.StatusSuccess, total(1), tradeNo("T9"))).Held.ID, deciding(trade.DecideDismiss))
	s.record(says(closed, trade.StatusClosed))
	s.record(says(refundedInFull, trade.StatusClosed, refunded(8888, "R")))
	later := order("F4")
	s.attempt(later, func(a *trade.Attempt) { a.At = archiveBefore; a.ExpiresAt = archiveBefore.Add(time.Hour) })
	s.record(says(later, trade.StatusSuccess))
	for _, k := range []trade.Key{paid, closed, refundedInFull, later} {
		s.accept(k, 9)
	}
	s.reopen() // what was accepted is stored
	return []trade.Key{paid, closed, refundedInFull}
}

func archiving(s *subject) {
	finished, folder := s.mixed(), s.TempDir()
	before := s.everything()
	r := s.archive(folder)
	gone := s.wantArchived(before, folder)
	for _, k := range finished {
		if _, ok := gone[k]; !ok {
			s.Errorf("%v is not archived; kept: %v", k, r.Kept)
		}
	}
	if r.Archived != len(gone) || len(r.Files) != 1 || r.Files[0] != "alipay-2026-03.jsonl.gz" {
		s.Errorf("reported %+v for %d orders", r, len(gone))
	}
	for _, why := range []ledger.Keeps{ledger.KeepsUndelivered, ledger.KeepsOpen} {
		if r.Kept[why] == 0 {
			s.Errorf("none is kept as %s: %v", why, r.Kept)
		}
	}
	s.reopen()
	s.wantArchived(before, folder)
	if again := s.archive(folder); again.Archived != 0 || len(again.Files) != 0 {
		s.Errorf("archived again: %+v", again)
	}
}

func archivingFails(s *subject) {
	s.mixed()
	folder, broken := s.TempDir(), errors.New("broken")
	before := s.everything()
	for _, at := range archive.Steps() {
		p := s.pass(folder)
		p.Step = func(step string) error {
			if step == at {
				return broken
			}
			return nil
		}
		if _, err := p.Run(s.Context()); !errors.Is(err, broken) {
			s.Fatalf("failing at %s: %v", at, err)
		}
		s.reopen()
		s.wantArchived(before, folder)
	}
	s.archive(folder)
	s.wantArchived(before, folder)
}

// archivingChanged: an order of which something becomes known after it was exported
// stays, whether or not that is folded into it.
func archivingChanged(s *subject) {
	keys, folder := s.mixed(), s.TempDir()
	p := s.pass(folder)
	p.Step = func(step string) error {
		if step == "synced" {
			s.record(says(keys[0], trade.StatusSuccess, total(2), tradeNo("T8"))) // held
			s.record(says(keys[1], trade.StatusSuccess))                          // a contradiction
		}
		return nil
	}
	r, err := p.Run(s.Context())
	if err != nil || r.Kept[ledger.KeepsChanged] != 2 {
		s.Fatalf("kept %v: %v", r.Kept, err)
	}
	for _, k := range keys[:2] {
		if h := s.history(k); len(h.Held) == 0 {
			s.Errorf("%v has nothing held", k)
		}
	}
	if _, err := s.Order(s.Context(), keys[2]); !errors.Is(err, ledger.ErrNotFound) {
		s.Errorf("the unchanged order: %v", err)
	}
}

// archivedEvidence: what comes about an archived order is held as for any order that
// is not known, and an order that is bought anew has events with ids of their own.
func archivedEvidence(s *subject) {
	k, folder := s.mixed()[0], s.TempDir()
	old := s.history(k)
	s.archive(folder)
	out := s.record(says(k, trade.StatusFinished))
	if out.Held == nil || out.Held.Reason != trade.ReasonUnknownOrder || out.Repeat {
		s.Fatalf("evidence about an archived order: %+v", out)
	}
	if _, err := s.OrderByTradeNo(s.Context(), appID, old.Order.TradeNo); !errors.Is(err, ledger.ErrNotFound) {
		s.Errorf("by its trade number: %v", err)
	}
	if _, err := s.Event(s.Context(), old.Events[0].ID); !errors.Is(err, ledger.ErrNotFound) {
		s.Errorf("its event: %v", err)
	}
	// the very statement that was dismissed is news again
	if out := s.record(says(k, trade.StatusSuccess, total(1), tradeNo("T9"))); out.Repeat || out.Held == nil {
		s.Errorf("what was dismissed: %+v", out)
	}
	s.reopen()
	s.attempt(k)
	if out := s.record(says(k, trade.StatusSuccess)); len(out.Events) != 1 || out.Events[0].ID == old.Events[0].ID {
		s.Errorf("bought anew: %+v", out)
	}
}

func archivingAlone(s *subject) {
	store, now := s.store(), decidedAt
	lease := func(owner string, now, until time.Time, want bool) {
		s.Helper()
		if ok, err := store.LeaseArchive(s.Context(), owner, now, until); err != nil || ok != want {
			s.Fatalf("%s: %v, %v", owner, ok, err)
		}
	}
	lease("two", now, now.Add(time.Minute), true)
	lease("two", now, now.Add(time.Hour), true)
	if _, err := s.pass(s.TempDir()).Run(s.Context()); !errors.Is(err, archive.ErrElsewhere) {
		s.Fatalf("while another archives: %v", err)
	}
	lease("two", now, now, true)
	s.archive(s.TempDir())
	lease("three", now, now.Add(time.Minute), true)
}

// archivingForeign: an event from another ledger is archived with its own id, which
// then leads nowhere.
func archivingForeign(s *subject) {
	if _, ok := s.Ledger.(ledger.Copyable); !ok {
		s.Skip("this ledger takes nothing over")
	}
	const foreign = "evt_of_another_ledger"
	k, folder := order("E1"), s.TempDir()
	s.attempt(k)
	s.record(says(k, trade.StatusSuccess))
	s.accept(k, 1)
	s.reopen()
	first := s.TempDir()
	s.archive(first)
	c, _ := s.Ledger.(ledger.Copyable)
	r := s.archived(first)[k].Record
	r.Events[0].Event.ID = foreign
	if err := c.Import(s.Context(), ledger.Batch{Orders: []ledger.Record{r}}); err != nil {
		s.Fatal(err)
	}
	if d, err := s.Event(s.Context(), foreign); err != nil || d.Event.ID != foreign {
		s.Fatalf("%+v: %v", d, err)
	}
	s.archive(folder)
	if w := s.archived(folder)[k]; len(w.Record.Events) != 1 || w.Record.Events[0].ID != foreign {
		s.Errorf("archived as %+v", w.Record.Events)
	}
	if _, err := s.Event(s.Context(), foreign); !errors.Is(err, ledger.ErrNotFound) {
		s.Errorf("its id leads to %v", err)
	}
}

// archivingAny: whatever a ledger holds, archive and ledger together are what it was.
func archivingAny(s *subject) {
	seed := rand.Uint64()
	s.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	folder := s.TempDir()
	for round := range 3 {
		for i := range 40 {
			s.randomOrder(r, order(fmt.Sprintf("Y%d-%d", round, i)))
		}
		s.reopen()
		before := s.everything()
		s.archive(folder)
		s.wantArchived(before, folder)
	}
}

// randomOrder has some of what can happen to an order happen.
func (s *subject) randomOrder(r *rand.Rand, k trade.Key) {
	at := bought.AddDate(0, 0, r.IntN(70)-35)
	if r.IntN(8) > 0 {
		s.attempt(k, func(a *trade.Attempt) { a.At, a.ExpiresAt = at, at.Add(time.Hour) })
	}
	for range r.IntN(4) {
		change := []func(*trade.Evidence){func(e *trade.Evidence) { e.ReceivedAt = at.Add(time.Duration(r.IntN(600)) * time.Second) }}
		if r.IntN(3) == 0 {
			sum := trade.Amount(1 + r.IntN(8888))
			change = append(change, refunded(sum, fmt.Sprint("R", sum)))
		}
		if r.IntN(6) == 0 {
			change = append(change, total(7), tradeNo("T"+k.OutTradeNo))
		}
		out := s.record(says(k, []trade.Status{trade.StatusSuccess, trade.StatusClosed, trade.StatusFinished, trade.StatusWait}[r.IntN(4)], change...))
		if out.Held != nil && !out.Repeat && r.IntN(2) == 0 {
			s.decide(out.Held.ID, deciding(trade.DecideDismiss))
		}
	}
	if o, err := s.Order(s.Context(), k); err == nil && r.IntN(3) > 0 {
		s.accept(k, 1+r.IntN(o.Sequence+1))
	}
}
