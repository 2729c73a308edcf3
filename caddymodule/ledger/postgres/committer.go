// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/internal/failpoint"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// call is one caller's change, which takes part in some group.
type call struct {
	ctx     context.Context
	key     trade.Key // the order that run works on
	news    bool      // run may make the order
	decides bool      // run decides about what is held
	tradeNo string    // that run may give to the order; "" if none
	run     func(*group) error

	err  error         // run's, or the group's; read it after done
	done chan struct{} // closed when the group has ended
}

// submit has a call take part in a group and returns when that is durable. If its
// context ends before, submit returns its error, and the change may come about
// all the same: every change can be repeated without harm.
func (l *Ledger) submit(c *call) error {
	if err := l.usable(c.ctx); err != nil {
		return err
	}
	c.done = make(chan struct{})
	select {
	case l.queue <- c:
	case <-c.ctx.Done():
		return leaving(c.ctx)
	case <-l.stopped:
		return unavailable("writing", errClosed)
	}
	select {
	case <-c.done:
		return c.err
	case <-c.ctx.Done():
		return leaving(c.ctx)
	case <-l.stopped:
	}
	select {
	case <-c.done: // it took part in the last group
		return c.err
	default:
		return unavailable("writing", errClosed)
	}
}

// write is a writer: it begins a transaction at once when it is idle, and gathers
// whatever arrives while one is running.
func (l *Ledger) write(writer int) {
	for {
		select {
		case c := <-l.queue:
			l.writeGroup(writer, l.gather(c))
		case <-l.wake:
			if l.accepts.waiting() { // else they have ridden along
				l.writeGroup(writer, l.gather(nil))
			}
		case <-l.closing:
			for len(l.queue) > 0 {
				l.writeGroup(writer, l.gather(nil))
			}
			if l.accepts.waiting() {
				l.writeGroup(writer, nil)
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

// writeGroup runs the calls in one transaction and tells each its outcome. What
// one call asks for may be refused by a constraint and take the others with it:
// then each call gets a transaction of its own.
func (l *Ledger) writeGroup(writer int, calls []*call) {
	marks := l.accepts.take(maxGroup)
	err := l.try(writer, calls, marks)
	if err != nil {
		l.accepts.putBack(marks)
	} else {
		l.accepts.done(marks)
	}
	switch {
	case err == nil:
	case isRefused(err) && len(calls) > 1:
		for _, c := range calls {
			if err := l.try(writer, []*call{c}, nil); err != nil {
				c.err = c.failed(err)
			}
		}
	case isReadOnly(err) && l.answerKnown(calls, err):
	default:
		for _, c := range calls {
			c.err = c.failed(err)
		}
	}
	for _, c := range calls {
		close(c.done)
	}
}

// failed is the outcome of a call whose transaction ended with err.
func (c *call) failed(err error) error { return failed(c.ctx, "writing", err) }

// try is transact, again while others are in the way or connections break. Whose the
// trades are that statements name is looked up only if the constraint has found that
// they are another order's: Alipay's never are.
func (l *Ledger) try(writer int, calls []*call, marks map[trade.Key][]mark) (err error) {
	doubted := false
	for try := range maxTries {
		if try > 0 {
			time.Sleep(time.Duration(rand.IntN(10<<try)) * time.Millisecond)
		}
		var answered bool
		answered, err = l.transact(writer, calls, marks, doubted)
		if err == nil || !answered || !again(err) {
			return err
		}
		if sqlState(err) == codeCheck { // perhaps a month's part was taken away
			l.months.forget()
		}
		doubted = doubted || constraint(err) == uniqueTradeNo
	}
	return err
}

// transact is one transaction. answered reports whether there was a connection at
// all. A panic in it, of a call or of the driver, ends the group and not the
// process: all of it is rolled back.
func (l *Ledger) transact(writer int, calls []*call, marks map[trade.Key][]mark, doubted bool) (answered bool, err error) {
	ctx, cancel := l.bounded(context.Background())
	defer cancel()
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	g := newGroup(l, conn, writer)
	g.doubted = doubted
	defer func() {
		if p := recover(); p != nil {
			answered, err = false, fmt.Errorf("panic: %v", p)
		}
		g.end(ctx)
	}()
	if err := g.load(ctx, calls, marks); err != nil {
		return true, err
	}
	g.mark(marks)
	for _, c := range calls {
		c.err = g.runCall(c)
	}
	if !g.changed() {
		return true, nil
	}
	failpoint.Reach(failpoint.Stored)
	began := time.Now()
	err = g.save(ctx)
	l.observed(len(calls), began, err)
	if err == nil {
		failpoint.Reach(failpoint.Synced)
		g.saved()
	}
	return true, err
}

func (g *group) runCall(c *call) error {
	if c.ctx.Err() != nil { // its caller has left
		return leaving(c.ctx)
	}
	return c.run(g)
}

// answerKnown is for a database that can be read and not written, or is full:
// who brings what is known already is told so, the others fail with err. It
// reports false if the database cannot be read either.
func (l *Ledger) answerKnown(calls []*call, err error) bool {
	if sqlState(err) == codeReadOnly {
		l.pool.Reset() // another of the hosts may be the one that takes writes
	}
	ctx, cancel := l.bounded(context.Background())
	defer cancel()
	conn, acquireErr := l.pool.Acquire(ctx)
	if acquireErr != nil {
		return false
	}
	g := newGroup(l, conn, 0)
	defer g.end(ctx)
	g.reading, g.doubted = true, true
	if g.load(ctx, calls, nil) != nil {
		return false
	}
	for _, c := range calls {
		g.restart()
		if c.err = g.runCall(c); g.changed() {
			c.err = c.failed(err)
		}
	}
	return true
}
