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

type marks struct{ m map[orderKey]mark }

func newMarks() *marks { return &marks{m: make(map[orderKey]mark)} }

// mark says that the shop has accepted events up to and with a sequence, and
// when. Those up to a lower one it has accepted before. Marks are never changed.
type mark struct {
	sequence int
	at       time.Time
	before   *mark // nil, or one with a lower sequence
}

// over is m upon those in below, which came earlier; what below says already is
// left out.
func (m mark) over(below mark) mark {
	switch {
	case below.sequence == 0:
		return m
	case m.sequence <= below.sequence:
		return below
	case m.before != nil:
		below = m.before.over(below)
	}
	first := below // a copy, so that below need not live on
	m.before = &first
	return m
}

// steps are the marks in m that raise an order from what it has accepted, the
// earliest first.
func (m *mark) steps(accepted int) []mark {
	if m == nil || m.sequence <= accepted {
		return nil
	}
	return append(m.before.steps(accepted), *m)
}

func (a *accepts) init(delay time.Duration, wake chan<- struct{}) {
	a.delay, a.wake = delay, wake
	a.fresh, a.writing = newMarks(), newMarks()
}

// add notes a mark and sees to it that it is written in time.
func (a *accepts) add(k orderKey, sequence int, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	have := a.fresh.m[k]
	if sequence <= have.sequence {
		return
	}
	a.fresh.m[k] = mark{sequence: sequence, at: micros(at)}.over(have)
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
func (a *accepts) take() map[orderKey]mark {
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
	for k, m := range a.writing.m {
		a.fresh.m[k] = a.fresh.m[k].over(m)
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
	o.Accept(max(v.fresh.m[k].sequence, v.writing.m[k].sequence))
}

// of is what apply would apply to an order.
func (v overlay) of(k orderKey) mark {
	v.accepts.mu.Lock()
	defer v.accepts.mu.Unlock()
	return v.fresh.m[k].over(v.writing.m[k])
}

// Accept implements ledger.Ledger. A sequence above the order's counts as the
// order's, one below what is accepted changes nothing.
func (l *Ledger) Accept(ctx context.Context, k trade.Key, sequence int, at time.Time) error {
	o, err := l.Order(ctx, k)
	if err != nil {
		return err
	}
	if sequence = min(sequence, o.Sequence); sequence > o.Accepted {
		l.accepts.add(k, sequence, at)
	}
	return nil
}
