// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"sync"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

type orderKey = trade.Key

// retryDelay is the pause after accepted marks could not be written.
const retryDelay = time.Second

// accepts holds the accepted marks that are not on disk yet. A mark only ever
// raises what an order shows, so it does no harm to apply one twice; that is
// why readers need no lock on the store: they take the marks first (at), then
// begin to read. Marks that were written before at are in what they read, and
// maps that they hold on to stay as they are.
type accepts struct {
	mu      sync.Mutex
	delay   time.Duration
	wake    chan<- struct{}
	timer   *time.Timer
	fresh   *marks // still growing
	writing *marks // part of the group that is being committed; not nil, perhaps empty
}

type marks struct{ m map[orderKey]int }

func newMarks() *marks { return &marks{m: make(map[orderKey]int)} }

func (a *accepts) init(delay time.Duration, wake chan<- struct{}) {
	a.delay, a.wake = delay, wake
	a.fresh, a.writing = newMarks(), newMarks()
}

// add notes a mark and sees to it that it is written in time.
func (a *accepts) add(k orderKey, sequence int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if sequence <= a.fresh.m[k] {
		return
	}
	a.fresh.m[k] = sequence
	if len(a.fresh.m) == 1 {
		a.schedule(a.delay)
	}
}

func (a *accepts) schedule(delay time.Duration) {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = time.AfterFunc(delay, func() {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	})
}

func (a *accepts) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
}

func (a *accepts) waiting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.fresh.m) > 0
}

// take hands the marks to the committer; done or putBack follows.
func (a *accepts) take() map[orderKey]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.fresh.m) > 0 {
		a.writing, a.fresh = a.fresh, newMarks()
	}
	return a.writing.m
}

func (a *accepts) done() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.writing.m) > 0 {
		a.writing = newMarks()
	}
}

func (a *accepts) putBack() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, sequence := range a.writing.m {
		a.fresh.m[k] = max(a.fresh.m[k], sequence)
	}
	a.writing = newMarks()
	if len(a.fresh.m) > 0 {
		a.schedule(retryDelay)
	}
}

// overlay is what a reader has to apply to what it reads.
type overlay struct {
	accepts        *accepts
	fresh, writing *marks
}

// at must be called before the read transaction begins.
func (a *accepts) at() overlay {
	a.mu.Lock()
	defer a.mu.Unlock()
	return overlay{accepts: a, fresh: a.fresh, writing: a.writing}
}

// apply raises the order to what the shop has accepted.
func (v overlay) apply(o *trade.Order) {
	v.accepts.mu.Lock()
	defer v.accepts.mu.Unlock()
	k := o.Key()
	o.Accept(max(v.fresh.m[k], v.writing.m[k]))
}

// Accept implements ledger.Ledger. A sequence above the order's counts as the
// order's, one below what is accepted changes nothing.
func (l *Ledger) Accept(ctx context.Context, k trade.Key, sequence int, _ time.Time) error {
	o, err := l.Order(ctx, k)
	if err != nil {
		return err
	}
	if sequence = min(sequence, o.Sequence); sequence > o.Accepted {
		l.accepts.add(k, sequence)
	}
	return nil
}
