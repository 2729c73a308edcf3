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

// ErrElsewhere: another process has been delivering the order's events for so long
// that this one has stopped waiting.
var ErrElsewhere = errors.New("another process is delivering this order's events")

const (
	// elsewhereFor is how long a delivery waits for another process's, and
	// elsewhereEvery how often it looks.
	elsewhereFor   = 10 * time.Second
	elsewhereEvery = 100 * time.Millisecond
	// tellMargin is how long a delivery among processes is one's own beyond the
	// shop's time-out: what a process that dies leaves, another takes over then.
	tellMargin = 5 * time.Second
)

// share has the courier hear of what other processes change, if the ledger is one
// that several use.
func (c *Courier) share() {
	s, ok := c.ledger.(ledger.Shared)
	if c.shared = ok; ok {
		c.unshare = s.Watch(c.changed)
	}
}

// changed wakes whoever waits for what another process has changed.
func (c *Courier) changed(change ledger.Change) {
	c.mu.Lock()
	everything := change == ledger.Change{}
	for url, l := range c.lanes {
		if everything || url == change.PublicURL {
			l.poke()
		}
	}
	c.mu.Unlock()
	if !everything {
		c.announce(change.Key)
		return
	}
	poke(c.askers.wake)
	poke(c.refunders.wake)
}

// alone makes an order's events this process's to deliver, so that they stay in
// sequence among all processes too. It waits for another one that is at it.
func (c *Courier) alone(ctx context.Context, o *trade.Order) error {
	if !c.shared {
		return nil
	}
	k, lasts := o.Key(), c.tellLease(o.PublicURL())
	for until := time.Now().Add(elsewhereFor); ; c.wait(ctx, elsewhereEvery) {
		now := c.now()
		leased, err := c.ledger.Lease(ctx, ledger.TaskTell, k, c.owner, now, now.Add(lasts))
		switch {
		case err != nil || leased:
			return err
		case time.Now().After(until) || ctx.Err() != nil:
			return ErrElsewhere
		}
	}
}

// stillAlone prolongs what alone has begun, before another event is told.
func (c *Courier) stillAlone(ctx context.Context, o *trade.Order) error {
	if !c.shared {
		return nil
	}
	now := c.now()
	leased, err := c.ledger.Lease(ctx, ledger.TaskTell, o.Key(), c.owner, now, now.Add(c.tellLease(o.PublicURL())))
	if err == nil && !leased {
		err = ErrElsewhere
	}
	return err
}

// tellLease is how long an order of a site is leased to be told of one event.
func (c *Courier) tellLease(publicURL string) time.Duration {
	if s, _, err := c.site(publicURL); c.shared && err == nil {
		return s.Timeout + tellMargin
	}
	return leaseFor
}

// giveBack ends what alone has begun, after a flight that ended with err.
func (c *Courier) giveBack(ctx context.Context, k trade.Key, err error) {
	switch {
	case err == nil, errors.Is(err, shop.ErrRefused), errors.Is(err, ErrWithheld), errors.Is(err, ErrNoSite):
		if err := c.ledger.Release(ctx, ledger.TaskTell, k, c.owner); err != nil {
			c.trouble("cannot give a lease back", k, err)
		}
	}
	// else the lease ends by itself, and is the pause before the next try
}
