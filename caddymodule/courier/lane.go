// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// lane is the background work for one site. It sleeps until something is due or
// somebody pokes it: an idle shop costs nothing.
type lane struct {
	shops []*shop.Shop // the newest configuration's last; the courier's lock guards it
	gate  gate
	wake  chan struct{}
	stop  context.CancelFunc
}

func newLane() *lane { return &lane{wake: make(chan struct{}, 1)} }

func (l *lane) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// leaseFor is how long a delivery is this process's alone. A process that dies
// leaves its deliveries to others after this.
const leaseFor = 2 * time.Minute

// work delivers what is due for one site until ctx ends. What it has begun goes
// on; Wait waits for it.
func (c *Courier) work(ctx context.Context, publicURL string, l *lane) {
	for {
		again := c.begin(ctx, publicURL, l)
		if !c.sleep(ctx, again, l.wake) {
			return
		}
	}
}

// begin begins as many deliveries as the gate allows and says when to look again
// if nobody pokes (zero: never).
func (c *Courier) begin(ctx context.Context, publicURL string, l *lane) time.Time {
	now := c.now()
	n, again := l.gate.free(now)
	if n == 0 {
		return again
	}
	due, err := c.ledger.Due(ctx, ledger.DueQuery{
		Task: ledger.TaskTell, Subject: publicURL, AppID: c.appID, Owner: c.owner, Now: now, Limit: n,
		Until: now.Add(c.tellLease(publicURL)),
	})
	if err != nil {
		return now.Add(ledgerRetry)
	}
	for i := range due.Orders {
		l.gate.enter()
		c.background.Go(func() {
			defer l.poke()
			defer l.gate.leave()
			c.redeliver(&due.Orders[i])
		})
	}
	return due.Next
}

// ledgerRetry is the pause after the ledger could not say what is due.
const ledgerRetry = 5 * time.Second

// redeliver delivers what one order still owes. A refusal has set its own next
// date; after any other failure the lease is kept, and its end is that date.
func (c *Courier) redeliver(o *trade.Order) {
	ctx, cancel := context.WithTimeout(context.Background(), leaseFor)
	defer cancel()
	out := ledger.Outcome{Order: *o}
	err := c.Deliver(ctx, &out, nil)
	if c.shared && o.Undelivered() && err == nil {
		return // its flight has given it back
	}
	if err == nil || errors.Is(err, shop.ErrRefused) || errors.Is(err, ErrWithheld) {
		err = c.ledger.Release(ctx, ledger.TaskTell, o.Key(), c.owner)
	}
	if err != nil {
		c.trouble("cannot deliver what is due", o.Key(), err)
	}
}

// sleep waits until at (zero: no time), a poke or the end of ctx, which it
// reports as false.
func (c *Courier) sleep(ctx context.Context, at time.Time, wake <-chan struct{}) bool {
	var timer <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(max(at.Sub(c.now()), time.Millisecond))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
