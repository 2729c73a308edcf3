// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package courier decides when an event is delivered and when Alipay is asked.
// Everything that becomes known goes through Record, everything that is told
// goes through Deliver: there is no second path.
package courier

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/internal/failpoint"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/tracing"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

var (
	// ErrNoSite: the order was bought at a site that is not configured here.
	ErrNoSite = errors.New("the order's site is not in this configuration")
	// ErrWithheld: statements about the order contradict each other, so nothing
	// is told until a person has decided.
	ErrWithheld = errors.New("the order is held; its events are not told")
)

// Courier records evidence, delivers events and asks Alipay, for one account. It
// outlives configurations: sites come and go, what is in flight stays.
type Courier struct {
	ledger ledger.Ledger
	appID  string
	now    func() time.Time
	owner  string // of leases

	shared  bool // other processes use the ledger too
	unshare func()

	mu       sync.Mutex
	lanes    map[string]*lane // by public_url
	flights  map[trade.Key]*flight
	turns    map[trade.Key]*turn
	watchers map[trade.Key][]chan struct{}
	recent   recent

	asking     singleflight.Group
	askers     askers
	refunders  refunders
	wait       func(context.Context, time.Duration)
	background sync.WaitGroup
	listener   listener
	observers  []*Observer // the newest configuration's last; mu guards it
	observer   atomic.Pointer[Observer]
}

// Observer is told what becomes known, what happens in the background, and of
// deliveries. Its functions may be nil, are called from several goroutines and
// must be quick.
type Observer struct {
	// Recorded: evidence that was news is durable, as are the events that it
	// caused, or it is held.
	Recorded func(out ledger.Outcome)
	// Told: an event was delivered, or was refused with err, after a while.
	Told func(d *ledger.Delivery, took time.Duration, err error)
	// Asked: Alipay was asked about an order, in the background or for a buyer.
	Asked func(k trade.Key, out *ledger.Outcome, err error)
	// Refunded: a try has settled a refund, or left its outcome unknown, as err says.
	Refunded func(k trade.Key, i *trade.RefundIntent, err error)
	// Trouble: the courier itself could not do its work.
	Trouble func(what string, k trade.Key, err error)
	// Silent: notices of a site have stopped arriving; Heard: they are back. Each
	// is called once for each silence.
	Silent, Heard func(s Silence)
}

// New makes a courier over a ledger, for one app's orders. now is the clock; nil
// means time.Now.
func New(l ledger.Ledger, appID string, now func() time.Time) *Courier {
	if now == nil {
		now = failpoint.Now
	}
	c := &Courier{
		ledger:   l,
		appID:    appID,
		now:      now,
		owner:    rand.Text(),
		lanes:    make(map[string]*lane),
		flights:  make(map[trade.Key]*flight),
		turns:    make(map[trade.Key]*turn),
		watchers: make(map[trade.Key][]chan struct{}),
		askers:   newAskers(),

		refunders: newRefunders(),
		wait:      pause,
	}
	c.observer.Store(new(Observer))
	c.share()
	return c
}

// Observe makes o the one that is told from now on, in place of an earlier
// configuration's. The function that it returns takes o back, as when a reload is
// undone: then the earlier one is told again. The last one stays, for requests
// that outlive their configuration.
func (c *Courier) Observe(o *Observer) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observers = append(c.observers, o)
	c.observer.Store(o)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.observers = without(c.observers, o); len(c.observers) > 0 {
			c.observer.Store(c.observers[len(c.observers)-1])
		}
	}
}

func (c *Courier) trouble(what string, k trade.Key, err error) {
	if f := c.observer.Load().Trouble; f != nil {
		f(what, k, err)
	}
}

// Open makes a site's shop the one that its events go to, in place of an earlier
// configuration's, and begins to deliver what is overdue. The function that it
// returns takes the shop back; what is being delivered goes on.
func (c *Courier) Open(s *shop.Shop) (closeSite func()) {
	url := s.PublicURL.String()
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lanes[url]
	if l == nil {
		var ctx context.Context
		l = newLane()
		ctx, l.stop = context.WithCancel(context.Background())
		c.lanes[url] = l
		c.background.Go(func() { c.work(ctx, url, l) })
	}
	l.shops = append(l.shops, s)
	l.poke()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		l.shops = without(l.shops, s)
		if len(l.shops) == 0 && c.lanes[url] == l {
			delete(c.lanes, url)
			l.stop()
		}
	}
}

// site finds the shop of a site and its lane.
func (c *Courier) site(publicURL string) (*shop.Shop, *lane, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.lanes[publicURL]; l != nil {
		return l.shops[len(l.shops)-1], l, nil
	}
	return nil, nil, fmt.Errorf("%w: %s", ErrNoSite, publicURL)
}

// Record folds evidence into the ledger and wakes whoever waits for the order.
func (c *Courier) Record(ctx context.Context, e trade.Evidence) (ledger.Outcome, error) {
	ctx, span := tracing.Start(ctx, "alipay.record")
	out, err := c.ledger.Record(ctx, e)
	span.End(e.OutTradeNo, recorded(&out, err), err == nil)
	if err != nil {
		return out, err
	}
	c.listen(e.Source, &out)
	if !out.Repeat {
		failpoint.Reach(failpoint.Recorded)
		c.announce(keyOf(&e))
		c.refunders.expect(out.Order.RefundAt) // the next refund may have its turn now
		if f := c.observer.Load().Recorded; f != nil {
			f(out)
		}
	}
	return out, nil
}

// recorded says in one word what Record did.
func recorded(out *ledger.Outcome, err error) string {
	switch {
	case err != nil:
		return "failed"
	case out.Held != nil:
		return "held"
	case out.Repeat:
		return "known"
	}
	return "recorded"
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
		if c.watchers[k] = without(c.watchers[k], ch); len(c.watchers[k]) == 0 {
			delete(c.watchers, k)
		}
	}
}

func (c *Courier) announce(k trade.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range c.watchers[k] {
		close(ch)
	}
	delete(c.watchers, k)
}

// pause waits.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Wait returns when all background work is over, or ctx is. It is over only
// after every site and asker was closed.
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

// without is list with one value left out; list itself stays as it is.
func without[T comparable](list []T, value T) []T {
	var kept []T
	for _, have := range list {
		if have != value {
			kept = append(kept, have)
		}
	}
	return kept
}
