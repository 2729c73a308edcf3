// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// refunders is what the goroutines that settle refunds share, over all
// configurations.
type refunders struct {
	wake chan struct{}
	next atomic.Int64 // when the refunder looks again, in Unix nanoseconds

	held heldRefunds
}

func newRefunders() refunders {
	return refunders{wake: make(chan struct{}, 1), held: newHeldRefunds()}
}

// expect tells when something about a refund is due (zero: nothing is): a
// refunder that would sleep past it is woken.
func (r *refunders) expect(at time.Time) {
	if at.IsZero() || r.next.Load() <= at.UnixNano() { // MaxInt64 while it has no date
		return
	}
	poke(r.wake)
}

func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// refund settles refunds of orders that are due, until ctx ends: those of which
// Alipay has said nothing certain, and those that their process has left.
func (c *Courier) refund(ctx context.Context, g *gateway.Gateway) {
	for {
		c.refunders.next.Store(math.MaxInt64) // what comes in meanwhile wakes
		next := c.refundDue(ctx, g)
		if !next.IsZero() {
			c.refunders.next.Store(next.UnixNano())
		}
		if !c.sleep(ctx, next, c.refunders.wake) {
			return
		}
	}
}

// refundDue does what is due and says when to look again.
func (c *Courier) refundDue(ctx context.Context, g *gateway.Gateway) time.Time {
	now := c.now()
	due, err := c.ledger.Due(ctx, ledger.DueQuery{
		Task: ledger.TaskRefund, Subject: g.AppID(), Owner: c.owner, Now: now, Until: now.Add(leaseFor), Limit: asksAtOnce,
	})
	if err != nil {
		return now.Add(ledgerRetry)
	}
	var round sync.WaitGroup
	for i := range due.Orders {
		k := due.Orders[i].Key()
		if c.askers.budget.Wait(ctx) != nil { // stopped: its leases go back
			_ = c.ledger.Release(context.WithoutCancel(ctx), ledger.TaskRefund, k, c.owner)
			continue
		}
		round.Go(func() { <-c.refundTurn(g, k, true).done })
	}
	round.Wait()
	if len(due.Orders) > 0 { // they have new dates
		return now
	}
	return due.Next
}
