// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/internal/failpoint"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Bounds of what waits. A call that finds the queue full waits for its turn as
// long as its context lets it.
const (
	maxQueue = 1024
	maxGroup = 1024
)

var errClosed = errors.New("it has been closed")

// call is one caller's change, which takes part in some group.
type call struct {
	ctx  context.Context
	run  func(*group) error
	err  error         // run's, or the group's; read it after done
	done chan struct{} // closed when the group has ended
}

// committer is the state of the one goroutine that writes.
type committer struct {
	lastID uint64 // the greatest that was ever given

	arena, stream []byte // buffers of the group before

	// durable is the last transaction that is known to be on disk. bbolt shows a
	// transaction to readers before the last fsync, and keeps showing it when
	// that fails; what they see beyond durable is not to be relied on.
	durable atomic.Int64
	running atomic.Pointer[flight] // the commit that is under way, if any

	observer atomic.Pointer[func(ledger.Commit)] // nil: nobody
}

// flight is a commit under way.
type flight struct {
	tx     int
	orders map[trade.Key]*entry // read only from here on
	done   chan struct{}

	held, settings bool // what it changes beside orders
}

// submit has run take part in the next group and returns when that is durable.
// If ctx ends before, submit returns its error, and the change may come about
// all the same: every change can be repeated without harm.
func (l *Ledger) submit(ctx context.Context, run func(*group) error) error {
	if ctx.Err() != nil {
		return leaving(ctx)
	}
	c := &call{ctx: ctx, run: run, done: make(chan struct{})}
	if l.closed() {
		return unavailable("writing", errClosed)
	}
	select {
	case l.queue <- c:
	case <-ctx.Done():
		return leaving(ctx)
	case <-l.stopped:
		return unavailable("writing", errClosed)
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return leaving(ctx)
	case <-l.stopped:
	}
	select {
	case <-c.done: // it took part in the last group
		return c.err
	default:
		return unavailable("writing", errClosed)
	}
}

// leaving is the error of a caller whose context has ended.
func leaving(ctx context.Context) error {
	return fmt.Errorf("waiting for the ledger: %w", ctx.Err())
}

// run is the committer: it commits at once when idle, and gathers whatever
// arrives while a commit is running.
func (l *Ledger) run() {
	defer close(l.stopped)
	for {
		select {
		case c := <-l.queue:
			l.commitGroup(l.gather(c))
		case <-l.wake:
			if l.accepts.waiting() { // else they have ridden along
				l.commitGroup(l.gather(nil))
			}
		case <-l.closing:
			for len(l.queue) > 0 {
				l.commitGroup(l.gather(nil))
			}
			if l.accepts.waiting() {
				l.commitGroup(nil)
			}
			return
		}
	}
}

// gather takes what waits. It lets the callers that are ready to run hand in
// their calls first; without this, groups of one would make everyone wait for
// as many commits.
func (l *Ledger) gather(first *call) []*call {
	runtime.Gosched()
	runtime.Gosched()
	var calls []*call
	if first != nil {
		calls = append(calls, first)
	}
	for len(calls) < maxGroup {
		select {
		case c := <-l.queue:
			calls = append(calls, c)
			continue
		default:
		}
		break
	}
	return calls
}

// commitGroup runs the calls in one transaction and tells each its outcome. A
// call that fails leaves the others alone; when the transaction fails, so do
// all that took part in it.
func (l *Ledger) commitGroup(calls []*call) {
	marks := l.accepts.take()
	err := l.transact(calls, marks)
	if err != nil {
		l.accepts.putBack()
	} else {
		l.accepts.done()
	}
	for _, c := range calls {
		if err != nil {
			c.err = err
		}
		close(c.done)
	}
}

// transact is one transaction. A panic in it, of a call or of the store, ends
// the group and not the process: all of it is rolled back.
func (l *Ledger) transact(calls []*call, marks map[orderKey]mark) (err error) {
	var tx *bbolt.Tx
	defer func() {
		if p := recover(); p != nil {
			err = unavailable("writing", fmt.Errorf("panic: %v", p))
		}
		if tx != nil {
			_ = tx.Rollback() // it fails, as it should, after a commit
		}
	}()
	if tx, err = l.db.Begin(true); err != nil {
		return unavailable("writing", err)
	}
	g, err := l.begin(tx)
	if err != nil {
		return unavailable("writing", err)
	}
	defer g.end()
	g.mark(marks)
	for _, c := range calls {
		c.err = l.runCall(c, g)
	}
	if g.failed != nil {
		return g.failed
	}
	if before := int64(tx.ID()) - 1; !g.changed() && before <= l.committer.durable.Load() {
		return nil // all of it was known, and is on disk
	}
	if err := g.save(); err != nil {
		return unavailable("writing", err)
	}
	return l.commit(g, len(calls))
}

func (l *Ledger) commit(g *group, calls int) error {
	f := &flight{tx: g.tx.ID(), orders: g.orders, held: len(g.items) > 0, settings: len(g.settings) > 0, done: make(chan struct{})}
	l.committer.running.Store(f)
	durable := false
	defer func() {
		if !durable {
			l.recent.clear() // the file may show this transaction, or not
		}
		l.committer.running.Store(nil)
		close(f.done)
	}()
	failpoint.Reach(failpoint.Stored)
	began := time.Now()
	err := l.opts.Commit(g.tx.Commit)
	if f := l.committer.observer.Load(); f != nil {
		(*f)(ledger.Commit{Calls: calls, Took: time.Since(began), Err: err})
	}
	if err != nil {
		return unavailable("committing", err)
	}
	failpoint.Reach(failpoint.Synced)
	durable = true
	l.committer.durable.Store(int64(f.tx))
	g.saved(f.tx)
	return nil
}

// Observe implements ledger.Observable.
func (l *Ledger) Observe(f func(ledger.Commit)) { l.committer.observer.Store(&f) }

func (l *Ledger) runCall(c *call, g *group) error {
	if c.ctx.Err() != nil { // its caller has left
		return leaving(c.ctx)
	}
	return c.run(g)
}
