// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// detection is how long whoever watches over the database takes to see that the
// primary is dead. It is part of the time without service, and not ours.
const detection = time.Second

// TestFailover kills the primary under load and promotes its synchronous standby.
// Nothing that was acknowledged is lost, and no ledger is restarted.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := postgrestest.Start(t)
	standby := primary.Standby(t)
	dsn := postgrestest.DSN("postgres", primary, standby)
	ledgers := []*Ledger{openAt(t, dsn), openAt(t, dsn)}
	for _, l := range ledgers {
		defer l.Close()
	}
	load := newLoad(ledgers)
	until(t, "orders are paid", func() bool { return load.count() >= 200 })
	began := time.Now()
	say := func(what string) { t.Logf("%8.3fs %s", time.Since(began).Seconds(), what) }
	say(fmt.Sprintf("kill -9 of the primary, with %d orders paid and acknowledged", load.count()))
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	<-time.After(detection)
	say("the death is seen, the standby is promoted")
	standby.Promote(t)
	say("the standby takes writes")
	until(t, "orders are paid again", func() bool { return load.since(killed) >= 100 })
	paid, gap := load.stop(t)
	say(fmt.Sprintf("%d orders paid and acknowledged, of them %d after the failover", len(paid), load.since(killed)))
	for _, k := range paid {
		if o, err := ledgers[0].Order(t.Context(), k); err != nil || !o.Paid {
			t.Fatalf("%s was acknowledged as paid and is lost: %+v, %v", k.OutTradeNo, o, err)
		}
	}
	totals, err := ledgers[1].Totals(t.Context(), testApp)
	if err != nil || totals.Paid < trade.Amount(len(paid))*8888 || totals.Undelivered != totals.Paid {
		t.Errorf("totals %+v, %v", totals, err)
	}
	t.Logf("without service for %.2f s, of which %s until the death was seen", gap.Seconds(), detection)
}

// load makes and pays orders until it is stopped, as buyers and Alipay do: what
// fails is tried again.
type load struct {
	ending  chan struct{}
	workers sync.WaitGroup

	mu    sync.Mutex
	paid  []trade.Key
	times []time.Time // of the acknowledgements
	errs  []error     // that are none of an unavailable ledger
}

func newLoad(ledgers []*Ledger) *load {
	w := &load{ending: make(chan struct{})}
	for n := range 8 {
		l := ledgers[n%len(ledgers)]
		w.workers.Go(func() {
			for i := 0; !w.ended(); i++ {
				k := trade.Key{AppID: testApp, OutTradeNo: fmt.Sprintf("L%d-%d", n, i)}
				if !w.insist(func() error { _, err := l.Attempt(context.Background(), k, terms(time.Now())); return err }) ||
					!w.insist(func() error { _, err := l.Record(context.Background(), notice(k)); return err }) {
					return
				}
				w.mu.Lock()
				w.paid, w.times = append(w.paid, k), append(w.times, time.Now())
				w.mu.Unlock()
			}
		})
	}
	return w
}

// insist tries until it succeeds; false if the load is stopped before.
func (w *load) insist(try func() error) bool {
	for {
		err := try()
		if err == nil {
			return true
		}
		if !errors.Is(err, ledger.ErrUnavailable) {
			w.mu.Lock()
			w.errs = append(w.errs, err)
			w.mu.Unlock()
			return false
		}
		select {
		case <-w.ending:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (w *load) ended() bool {
	select {
	case <-w.ending:
		return true
	default:
		return false
	}
}

func (w *load) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.paid)
}

func (w *load) since(t time.Time) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.times {
		if at.After(t) {
			n++
		}
	}
	return n
}

// stop ends the load and returns what was acknowledged, and the longest time in
// which nothing was.
func (w *load) stop(t *testing.T) (paid []trade.Key, gap time.Duration) {
	t.Helper()
	close(w.ending)
	w.workers.Wait()
	if err := errors.Join(w.errs...); err != nil {
		t.Error(err)
	}
	for i := 1; i < len(w.times); i++ {
		gap = max(gap, w.times[i].Sub(w.times[i-1]))
	}
	return w.paid, gap
}
