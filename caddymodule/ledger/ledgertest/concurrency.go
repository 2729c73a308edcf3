// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// life is all that Alipay says of an order that is paid and refunded in parts.
func life(k trade.Key) []trade.Evidence {
	return []trade.Evidence{
		says(k, trade.StatusWait),
		says(k, trade.StatusSuccess),
		says(k, trade.StatusSuccess, source(trade.SourceQuery)),
		says(k, trade.StatusSuccess, refunded(1000, "R1")),
		says(k, trade.StatusSuccess, refunded(2500, "R2")),
		says(k, trade.StatusSuccess, refunded(2600, "R3")),
		says(k, trade.StatusFinished, refunded(2600, "R3")),
	}
}

// tellAll records the statements in an order of its own.
func (s *subject) tellAll(set []trade.Evidence, seed uint64) ([]trade.Event, error) {
	set = slices.Clone(set)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(set), func(i, j int) { set[i], set[j] = set[j], set[i] })
	var events []trade.Event
	for _, e := range set {
		out, err := s.Record(s.Context(), e)
		if err != nil {
			return events, err
		}
		events = append(events, out.Events...)
	}
	return events, nil
}

// checkLife checks an order of which all of its life was told: each event once,
// sequences without gaps, the same in the outcomes and in the journal.
func (s *subject) checkLife(k trade.Key, caused []trade.Event) {
	s.Helper()
	slices.SortFunc(caused, func(a, b trade.Event) int { return a.Sequence - b.Sequence })
	counts := map[trade.EventType]int{}
	for i, e := range caused {
		if e.Sequence != i+1 || e.OutTradeNo != k.OutTradeNo {
			s.Fatalf("event %d of %s: %+v", i, k.OutTradeNo, e)
		}
		counts[e.Type]++
	}
	if counts[trade.EventPaid] != 1 || counts[trade.EventRefund] != 3 || counts[trade.EventFinished] != 1 || len(caused) != 5 {
		s.Fatalf("%s: %v", k.OutTradeNo, counts)
	}
	o := s.order(k)
	if o.Sequence != 5 || o.Refunded() != 2600 || !o.Finished || o.Source != trade.SourceNotify || !o.Waiting {
		s.Fatalf("order %+v", o)
	}
	var journal []trade.Event
	for _, e := range s.journalOf(k) {
		journal = append(journal, e.Event)
	}
	same(s, "the journal of "+k.OutTradeNo, journal, caused)
}

func (s *subject) journalOf(k trade.Key) (list []ledger.JournalEntry) {
	s.Helper()
	all, err := allEvents(s.Context(), s.Ledger, ledger.MaxLimit)
	if err != nil {
		s.Fatal(err)
	}
	for _, e := range all {
		if e.Key == k {
			list = append(list, e)
		}
	}
	return list
}

// manyStatements tells one order's life from many sides at once, while the shop
// accepts and others read.
func manyStatements(s *subject) {
	k := order("A1")
	s.attempt(k)
	const tellers = 16
	var mu sync.Mutex
	var caused []trade.Event
	var errs []error
	var wg sync.WaitGroup
	for i := range tellers {
		wg.Go(func() {
			events, err := s.tellAll(life(k), uint64(i))
			mu.Lock()
			defer mu.Unlock()
			caused, errs = append(caused, events...), append(errs, err)
		})
		wg.Go(func() {
			err := s.readAndAccept(k)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		s.Fatal(err)
	}
	s.checkLife(k, caused)
	s.accept(k, 5)
	s.reopen()
	s.wantAccepted(k, 5)
}

// readAndAccept reads the order until it has nothing new a few times, and
// accepts what it finds: what was read never goes back.
func (s *subject) readAndAccept(k trade.Key) error {
	sequence, accepted := 0, 0
	for range 20 {
		o, err := s.Order(s.Context(), k)
		if err != nil {
			return err
		}
		if o.Sequence < sequence || o.Accepted < accepted || o.Accepted > o.Sequence {
			return fmt.Errorf("sequence %d after %d, accepted %d after %d", o.Sequence, sequence, o.Accepted, accepted)
		}
		list, err := s.Undelivered(s.Context(), k)
		if err != nil {
			return err
		}
		for i, d := range list {
			if d.Event.Sequence != d.Order.Accepted+i+1 {
				return fmt.Errorf("undelivered %d of an order accepted up to %d has the sequence %d", i, d.Order.Accepted, d.Event.Sequence)
			}
		}
		sequence, accepted = o.Sequence, max(o.Sequence-1, 0)
		if err := s.Accept(s.Context(), k, accepted, bought); err != nil {
			return err
		}
	}
	return nil
}

func manyOrders(s *subject) {
	const orders = 64
	caused := make([][]trade.Event, orders)
	errs := make([]error, orders)
	var wg sync.WaitGroup
	for i := range orders {
		wg.Go(func() {
			k := order(fmt.Sprintf("A%d", i))
			if _, errs[i] = s.Attempt(s.Context(), k, terms()); errs[i] != nil {
				return
			}
			if caused[i], errs[i] = s.tellAll(life(k), uint64(i)); errs[i] != nil {
				return
			}
			errs[i] = s.Accept(s.Context(), k, 5, bought)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		s.Fatal(err)
	}
	s.reopen()
	for i := range orders {
		s.checkLife(order(fmt.Sprintf("A%d", i)), caused[i])
	}
	if list := s.orders(ledger.OrderQuery{Limit: 10}); len(list) != orders {
		s.Fatalf("%d orders listed", len(list))
	}
}
