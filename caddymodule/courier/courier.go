// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package courier decides when an event is delivered and when Alipay is asked.
// Everything that becomes known goes through Record, everything that is told
// goes through Deliver: there is no second path.
package courier

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

var (
	// ErrNoSite: the order was bought at a site that is not configured here.
	ErrNoSite = errors.New("the order's site is not in this configuration")
	// ErrWithheld: statements about the order contradict each other, so nothing
	// is told until a person has decided.
	ErrWithheld = errors.New("the order is held; its events are not told")
)

// Courier records evidence and delivers events for one account. It outlives
// configurations: sites come and go, what is in flight stays.
type Courier struct {
	ledger ledger.Ledger

	mu       sync.Mutex
	sites    map[string][]*shop.Shop // by public_url, the newest last
	flights  map[trade.Key]*flight
	watchers map[trade.Key][]chan struct{}
	recent   recent

	asking     singleflight.Group
	background sync.WaitGroup
}

// New makes a courier over a ledger.
func New(l ledger.Ledger) *Courier {
	return &Courier{
		ledger:   l,
		sites:    make(map[string][]*shop.Shop),
		flights:  make(map[trade.Key]*flight),
		watchers: make(map[trade.Key][]chan struct{}),
	}
}

// Open makes a site's shop reachable for deliveries, in place of an earlier
// configuration's, until the function that it returns is called.
func (c *Courier) Open(s *shop.Shop) (closeSite func()) {
	url := s.PublicURL.String()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sites[url] = append(c.sites[url], s)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		kept := c.sites[url][:0:0]
		for _, have := range c.sites[url] {
			if have != s {
				kept = append(kept, have)
			}
		}
		if c.sites[url] = kept; len(kept) == 0 {
			delete(c.sites, url)
		}
	}
}

func (c *Courier) site(publicURL string) (*shop.Shop, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sites[publicURL]; len(s) > 0 {
		return s[len(s)-1], nil
	}
	return nil, fmt.Errorf("%w: %s", ErrNoSite, publicURL)
}

// Record folds evidence into the ledger and wakes whoever waits for the order.
func (c *Courier) Record(ctx context.Context, e trade.Evidence) (ledger.Outcome, error) {
	out, err := c.ledger.Record(ctx, e)
	if err == nil && !out.Repeat {
		c.wake(trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo})
	}
	return out, err
}

// Watch returns a channel that is closed when something new is recorded of the
// order, and a function that ends the watch.
func (c *Courier) Watch(k trade.Key) (<-chan struct{}, func()) {
	ch := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers[k] = append(c.watchers[k], ch)
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		kept := c.watchers[k][:0:0]
		for _, have := range c.watchers[k] {
			if have != ch {
				kept = append(kept, have)
			}
		}
		if c.watchers[k] = kept; len(kept) == 0 {
			delete(c.watchers, k)
		}
	}
}

func (c *Courier) wake(k trade.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range c.watchers[k] {
		close(ch)
	}
	delete(c.watchers, k)
}

// Wait returns when every delivery that Kick has begun is over, or ctx is.
func (c *Courier) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		c.background.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
