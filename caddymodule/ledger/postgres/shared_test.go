// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// several opens n ledgers on one database, as so many processes do.
func several(t testing.TB, n int) (*database, []*Ledger) {
	t.Helper()
	d := newDatabase(t)
	list := []*Ledger{d.ledger}
	for range n - 1 {
		l := openAt(t, d.dsn())
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
		list = append(list, l)
	}
	return d, list
}

// checkJournal reads the journal in pages and checks that each order's events are
// there once, in sequence.
func checkJournal(t testing.TB, l *Ledger, orders, each int) {
	t.Helper()
	last := make(map[trade.Key]int)
	n := 0
	for after := ""; ; {
		list, err := l.Events(context.Background(), after, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, e := range list {
			if e.Event.Sequence != last[e.Key]+1 {
				t.Fatalf("event %d of %s comes after %d", e.Event.Sequence, e.Key.OutTradeNo, last[e.Key])
			}
			last[e.Key]++
			n++
		}
		after = list[len(list)-1].Event.ID
	}
	if len(last) != orders || n != orders*each {
		t.Fatalf("%d events of %d orders, want %d of %d", n, len(last), orders*each, orders)
	}
}

// TestManyProcesses: the same statements reach three processes in any order, at
// the same time; each event is caused once, and each order's sequence has no gap.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	_, ledgers := several(t, 3)
	const orders = 12
	life := func(k trade.Key) []trade.Evidence {
		return []trade.Evidence{notice(k), refundNotice(k, 100), refundNotice(k, 250), notice(k), refundNotice(k, 600)}
	}
	var caused atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, 1000)
	for p, l := range ledgers {
		for i := range orders {
			wg.Go(func() {
				k := numbered(i)
				if _, err := l.Attempt(context.Background(), k, terms(time.Now())); err != nil && !errors.Is(err, trade.ErrPaid) {
					errs <- err
					return
				}
				list := life(k)
				rand.New(rand.NewPCG(uint64(p), uint64(i))).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
				for _, e := range list {
					out, err := l.Record(context.Background(), e)
					if err != nil {
						errs <- err
						return
					}
					caused.Add(int64(len(out.Events)))
				}
			})
		}
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	n := int(caused.Load())
	var inJournal int
	for i := range orders {
		o, err := ledgers[i%3].Order(t.Context(), numbered(i))
		if err != nil || o.Refunded() != 600 || !o.Paid {
			t.Fatalf("%+v, %v", o, err)
		}
		inJournal += o.Sequence
	}
	if n != inJournal {
		t.Errorf("%d events were told as caused, and the orders have %d", n, inJournal)
	}
	totals, err := ledgers[1].Totals(t.Context(), testApp)
	if err != nil || totals.Paid != orders*8888 || totals.Refunded != orders*600 || totals.RefundedTold != totals.Refunded ||
		totals.Accepted != 0 || totals.Undelivered != totals.Paid || totals.UndeliveredEvents != n {
		t.Errorf("totals %+v, %v", totals, err)
	}
}

// TestJournalMissesNothing: who reads the journal to its end and goes on from
// there sees every event, while three processes write.
func TestJournalMissesNothing(t *testing.T) {
	t.Parallel()
	_, ledgers := several(t, 3)
	const each = 60
	var writing sync.WaitGroup
	for p, l := range ledgers {
		for part := range 4 {
			writing.Go(func() {
				for i := range each / 4 {
					k := numbered(p*each + part*each/4 + i)
					if _, err := l.Attempt(context.Background(), k, terms(time.Now())); err != nil {
						t.Error(err)
						return
					}
					if _, err := l.Record(context.Background(), notice(k)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	over := make(chan struct{})
	go func() {
		writing.Wait()
		close(over)
	}()
	seen := make(map[string]bool)
	after := ""
	for last := false; ; {
		list, err := ledgers[0].Events(t.Context(), after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if seen[e.Event.ID] {
				t.Fatalf("%s is listed twice", e.Event.ID)
			}
			seen[e.Event.ID] = true
			after = e.Event.ID
		}
		if len(list) > 0 {
			continue
		}
		if last {
			break
		}
		select {
		case <-over:
			last = true // once more, to its end
		default:
		}
	}
	if len(seen) != 3*each {
		t.Errorf("%d events are seen, want %d", len(seen), 3*each)
	}
	checkJournal(t, ledgers[1], 3*each, 1)
}

// TestLeasesAmongProcesses: what is due is given to one of five owners, however
// many ask at once, and to another when the owner has died.
func TestLeasesAmongProcesses(t *testing.T) {
	t.Parallel()
	_, ledgers := several(t, 3)
	const orders = 40
	for i := range orders {
		buy(t, ledgers[0], numbered(i))
		pay(t, ledgers[0], numbered(i))
	}
	due := time.Now().Add(time.Minute)
	work := func(now time.Time) map[trade.Key]string {
		var mu sync.Mutex
		given := make(map[trade.Key]string)
		var wg sync.WaitGroup
		for w := range 5 {
			owner, l := fmt.Sprint("owner", w), ledgers[w%3]
			wg.Go(func() {
				for empty := 0; empty < 3; {
					d, err := l.Due(context.Background(), ledger.DueQuery{
						Task: ledger.TaskTell, Subject: testSite, AppID: testApp, Owner: owner, Now: now, Until: now.Add(time.Minute), Limit: 3,
					})
					if err != nil {
						t.Error(err)
						return
					}
					if len(d.Orders) == 0 {
						empty++
					}
					mu.Lock()
					for i := range d.Orders {
						if other := given[d.Orders[i].Key()]; other != "" {
							t.Errorf("%s is given to %s and to %s", d.Orders[i].OutTradeNo, other, owner)
						}
						given[d.Orders[i].Key()] = owner
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		return given
	}
	first := work(due)
	if len(first) != orders {
		t.Errorf("%d orders are given, want %d", len(first), orders)
	}
	if again := work(due.Add(30 * time.Second)); len(again) != 0 {
		t.Errorf("%d orders are given while they are leased", len(again))
	}
	if again := work(due.Add(2 * time.Minute)); len(again) != orders {
		t.Errorf("%d orders are given after their owners' deaths, want %d", len(again), orders)
	}
}

// TestWakeUp: another process hears of an event within a moment, and of nothing
// that it has caused itself.
func TestWakeUp(t *testing.T) {
	t.Parallel()
	_, ledgers := several(t, 2)
	heard := make([]chan ledger.Change, 2)
	for i, l := range ledgers {
		heard[i] = make(chan ledger.Change, 100)
		stop := l.Watch(func(c ledger.Change) { heard[i] <- c })
		defer stop()
	}
	k := numbered(1)
	buy(t, ledgers[0], k)
	// a listener says that it listens, by a change of anything
	until(t, "an event is heard of", func() bool {
		record(t, ledgers[0], refundNotice(k, 1+trade.Amount(rand.IntN(8000))))
		deadline := time.After(200 * time.Millisecond)
		for {
			select {
			case c := <-heard[1]:
				if c == (ledger.Change{Key: k, PublicURL: testSite}) {
					return true
				}
			case <-deadline:
				return false
			}
		}
	})
	for len(heard[0]) > 0 {
		if c := <-heard[0]; c != (ledger.Change{}) {
			t.Errorf("a process hears of its own change: %+v", c)
		}
	}
}

// TestPoll: without a word from anybody, work that another process has left is
// looked for within seconds.
func TestPoll(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	now := time.Now()
	q := ledger.DueQuery{Task: ledger.TaskTell, Subject: testSite, AppID: testApp, Owner: "o", Now: now, Until: now.Add(time.Minute), Limit: 3}
	due, err := d.ledger.Due(t.Context(), q)
	if err != nil || due.Next.IsZero() || due.Next.Sub(now) > 5*time.Second {
		t.Errorf("next at %s, %v", due.Next.Sub(now), err)
	}
}

// TestBusyIsSkipped: an order that somebody is just changing is left out, and
// looked for again in a moment.
func TestBusyIsSkipped(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for i := range 2 {
		buy(t, d.ledger, numbered(i))
		pay(t, d.ledger, numbered(i))
	}
	tx, err := d.ledger.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(t.Context(), `UPDATE alipay.agenda a SET due_at = due_at FROM alipay.orders o WHERE o.id = a.order_id AND o.out_trade_no = $1`,
		numbered(0).OutTradeNo)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(time.Minute)
	due, err := d.ledger.Due(t.Context(), ledger.DueQuery{
		Task: ledger.TaskTell, Subject: testSite, AppID: testApp, Owner: "o", Now: now, Until: now.Add(time.Minute), Limit: 5,
	})
	if err != nil || len(due.Orders) != 1 || due.Orders[0].Key() != numbered(1) {
		t.Fatalf("%d orders are due, %v", len(due.Orders), err)
	}
	if wait := due.Next.Sub(now); wait <= 0 || wait > time.Second {
		t.Errorf("the busy one is looked for in %s", wait)
	}
}
