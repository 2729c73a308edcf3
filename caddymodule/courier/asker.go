// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	// askRate is the budget of background calls to Alipay, per second, which
	// publishes no limit of its own and answers 40005 above it.
	askRate = 5
	// asksAtOnce bounds the background calls under way.
	asksAtOnce = 4
)

// askers is what the goroutines that ask share, over all configurations.
type askers struct {
	budget *rate.Limiter
	wake   chan struct{}
	next   atomic.Int64 // when the asker looks again, in Unix nanoseconds; see Sent
}

func newAskers() askers {
	return askers{budget: rate.NewLimiter(askRate, askRate), wake: make(chan struct{}, 1)}
}

// Inquire begins to ask Alipay, through g, about orders that were sent to the
// cashier and of which nothing settling has been heard, until the function that
// it returns is called. An order that has expired unpaid is closed at Alipay and
// asked about once more. It settles refunds whose outcome is unknown as well.
func (c *Courier) Inquire(g *gateway.Gateway) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	c.background.Go(func() { c.refund(ctx, g) })
	c.background.Go(func() { c.refundHeld(ctx, g) })
	c.background.Go(func() {
		for {
			c.askers.next.Store(math.MaxInt64) // what comes in meanwhile wakes
			next := c.inquire(ctx, g)
			if !next.IsZero() {
				c.askers.next.Store(next.UnixNano())
			}
			if !c.sleep(ctx, next, c.askers.wake) {
				return
			}
		}
	})
	return cancel
}

// Sent tells that a buyer was sent to the cashier, which has put a date on the
// agenda: an asker that would sleep past it is woken.
func (c *Courier) Sent(o *trade.Order) {
	if c.askers.next.Load() <= o.AskAt.UnixNano() { // MaxInt64 while it has no date
		return
	}
	select {
	case c.askers.wake <- struct{}{}:
	default:
	}
}

// inquire asks about what is due and says when to look again.
func (c *Courier) inquire(ctx context.Context, g *gateway.Gateway) time.Time {
	now := c.now()
	due, err := c.ledger.Due(ctx, ledger.DueQuery{
		Task: ledger.TaskAsk, Subject: g.AppID(), Owner: c.owner, Now: now, Until: now.Add(leaseFor), Limit: asksAtOnce,
	})
	if err != nil {
		return now.Add(ledgerRetry)
	}
	var round sync.WaitGroup
	for i := range due.Orders {
		o := &due.Orders[i]
		if c.askers.budget.Wait(ctx) != nil { // stopped: its leases go back
			_ = c.ledger.Release(context.WithoutCancel(ctx), ledger.TaskAsk, o.Key(), c.owner)
			continue
		}
		round.Go(func() { c.inquireOf(context.WithoutCancel(ctx), g, o) })
	}
	round.Wait()
	if len(due.Orders) > 0 { // they have new dates, of which Due did not know
		return now
	}
	return due.Next
}

// inquireOf asks about one order and, unless that settles it, says when to ask
// again.
func (c *Courier) inquireOf(ctx context.Context, g *gateway.Gateway, o *trade.Order) {
	k := o.Key()
	now := c.now()
	_, err := c.Ask(ctx, g, k)
	if expires := o.Latest().ExpiresAt; !expires.IsZero() && now.After(expires) && err == nil {
		err = c.closeExpired(ctx, g, k)
	}
	next := nextAsking(o, now, err != nil)
	if _, err := c.ledger.Change(ctx, k, func(o *trade.Order) (bool, error) { return o.AskNext(next), nil }); err != nil {
		c.trouble("cannot note that Alipay was asked", k, err)
		return // the lease ends by itself
	}
	if err := c.ledger.Release(ctx, ledger.TaskAsk, k, c.owner); err != nil {
		c.trouble("cannot give a lease back", k, err)
	}
}

// closeExpired closes an order at Alipay whose time is over, so that no forgotten
// cashier page takes money for it, and asks what has become of it: a buyer may
// have paid at the last moment.
func (c *Courier) closeExpired(ctx context.Context, g *gateway.Gateway, k trade.Key) error {
	o, err := c.ledger.Order(ctx, k)
	if err != nil || !o.Waiting || o.Paid || o.Closed {
		return err
	}
	if err := g.CloseTrade(ctx, k.OutTradeNo); errors.Is(err, gateway.ErrUnknown) {
		return err
	}
	_, err = c.Ask(ctx, g, k)
	return err
}
