// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

var growthOrders = flag.Int("growth", 10_000, "orders that TestGrowth writes; from 100000 on it logs timings too")

// maxBytesPerOrder is what an order may cost beyond the raw notice.
const maxBytesPerOrder = 400

// TestGrowth fills a ledger with orders of random numbers, each sent to the
// cashier, paid by a notice some hundred orders later, and accepted.
func TestGrowth(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "growth.db")
	l, err := Open(path, Options{AcceptDelay: time.Hour}) // the committer sleeps: commit goes past it
	if err != nil {
		t.Fatal(err)
	}
	l.db.NoSync = true // growth is measured, not durability
	g := growth{t: t, l: l, now: time.Date(2026, 3, 14, 9, 0, 0, 0, trade.Zone), shuffled: rand.New(rand.NewPCG(1, 2))}
	const batch = 512
	for g.attempted < *growthOrders {
		g.attempt(batch)
		if g.attempted >= 4*batch {
			g.pay(batch)
		}
		if *growthOrders >= 100_000 && g.attempted%(*growthOrders/10) < batch {
			g.report()
		}
	}
	for len(g.open) > 0 {
		g.pay(min(batch, len(g.open)))
	}
	used, shares := g.pages()
	perOrder := float64(used)/float64(g.paid) - float64(len(benchRaw))
	t.Logf("%d orders: %.0f bytes each beyond the notice; %s; the file has %d MB", g.paid, perOrder, shares, g.size()>>20)
	if perOrder > maxBytesPerOrder {
		t.Errorf("an order takes %.0f bytes beyond its notice, at most %d are allowed", perOrder, maxBytesPerOrder)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	opening := median(9, func() {
		l, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("opening and closing it takes %s", opening)
	checkFile(t, path)
}

// median is how long f takes in the middle of an odd number of rounds.
func median(rounds int, f func()) time.Duration {
	took := make([]time.Duration, rounds)
	for i := range took {
		start := time.Now()
		f()
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[rounds/2]
}

type growth struct {
	t               testing.TB
	l               *Ledger
	now             time.Time
	shuffled        *rand.Rand
	attempted, paid int
	open            []int // attempted and not paid
}

func (g *growth) commit(n int, run func(g *group, i int) error) {
	calls := make([]*call, n)
	for i := range calls {
		calls[i] = &call{ctx: g.t.Context(), done: make(chan struct{}), run: func(grp *group) error { return run(grp, i) }}
	}
	g.l.commitGroup(calls)
	for _, c := range calls {
		if c.err != nil {
			g.t.Fatal(c.err)
		}
	}
}

func (g *growth) key(i int) trade.Key {
	return trade.Key{AppID: benchApp, OutTradeNo: benchNumber(i)}
}

func (g *growth) attempt(n int) {
	from := g.attempted
	g.commit(n, func(grp *group, i int) error {
		g.now = g.now.Add(7919 * time.Microsecond)
		_, err := grp.attempt(g.key(from+i), benchAttempt(g.now))
		return err
	})
	for i := range n {
		g.open = append(g.open, from+i)
	}
	g.attempted += n
}

// pay pays n of the older half of the open orders, in any order.
func (g *growth) pay(n int) {
	half := g.open[:max(n, len(g.open)/2)]
	g.shuffled.Shuffle(len(half), func(i, j int) { half[i], half[j] = half[j], half[i] })
	paid := slices.Clone(g.open[:n])
	g.open = g.open[n:]
	g.commit(n, func(grp *group, i int) error {
		g.now = g.now.Add(time.Millisecond)
		e := benchNotice(g.key(paid[i]).OutTradeNo, g.paid+i, g.now)
		_, err := grp.record(&e)
		return err
	})
	for _, i := range paid {
		g.l.accepts.add(g.key(i), 1, g.now)
	}
	g.paid += n
}

func (g *growth) size() (size int64) {
	err := g.l.db.View(func(tx *bbolt.Tx) error {
		size = tx.Size()
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return size
}

// pages is what all buckets take, and what each takes of an order. Free pages,
// which every commit leaves for the next one, do not grow with the orders.
func (g *growth) pages() (used int, shares string) {
	var parts []string
	err := g.l.db.View(func(tx *bbolt.Tx) error {
		for _, name := range allBuckets {
			s := tx.Bucket(name).Stats()
			pages := (s.BranchPageN + s.BranchOverflowN + s.LeafPageN + s.LeafOverflowN) * pageSize
			used += pages
			if pages >= g.paid {
				parts = append(parts, fmt.Sprintf("%s %d (%d %% full, depth %d)", name, pages/g.paid, 100*s.LeafInuse/max(1, s.LeafAlloc), s.Depth))
			}
		}
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return used, strings.Join(parts, ", ")
}

// report times durable groups at the present size: the median of some.
func (g *growth) report() {
	g.l.db.NoSync = false
	if err := g.l.db.Sync(); err != nil { // what filling it left to write is no group's
		g.t.Fatal(err)
	}
	defer func() { g.l.db.NoSync = true }()
	var parts []string
	for _, n := range []int{1, 64, 512} {
		const rounds = 15
		var attempts, payments []time.Duration
		before := cpuTime()
		for range rounds {
			start := time.Now()
			g.attempt(n)
			middle := time.Now()
			g.pay(n)
			attempts, payments = append(attempts, middle.Sub(start)), append(payments, time.Since(middle))
		}
		cpu := (cpuTime() - before) / rounds
		slices.Sort(attempts)
		slices.Sort(payments)
		parts = append(parts, fmt.Sprintf("%d: %s and %s, cpu of both %s", n, attempts[rounds/2], payments[rounds/2], cpu))
	}
	start := time.Now()
	const reads = 2000
	for range reads {
		err := g.l.view(g.t.Context(), func(v *view) error {
			_, _, err := v.order(g.key(g.shuffled.IntN(g.paid)))
			return err
		})
		if err != nil {
			g.t.Fatal(err)
		}
	}
	g.t.Logf("%d orders, %d MB; attempts and payments by %s; a read %s; %d MB of anonymous memory",
		g.attempted, g.size()>>20, strings.Join(parts, ", "), time.Since(start)/reads, anonymousMB())
}
