// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// listener listens for notices, site by site: each has a notify_url of its own
// that may be out of Alipay's reach.
type listener struct {
	waiting atomic.Int32 // sites of which a notice is missing

	mu    sync.Mutex
	sites map[string]*silence // by public_url; those without a missing notice are not in it
	timer *time.Timer         // of the earliest check; nil if there is none
	at    time.Time           // of that check
}

// Silence is a site whose notices have stopped arriving, or are back.
type Silence struct {
	NotifyURL string    // where Alipay has been told to send them
	Since     time.Time // when the first payment became known whose notice is missing
	Payments  int       // that became known by asking since then
}

// listen takes in what was recorded. While no notice is missing, one costs a
// single read of memory.
func (c *Courier) listen(source trade.Source, out *ledger.Outcome) {
	if source == trade.SourceNotify {
		if c.listener.waiting.Load() > 0 {
			c.hear(out.Order.PublicURL())
		}
		return
	}
	for i := range out.Events {
		if out.Events[i].Type == trade.EventPaid {
			c.miss(&out.Order)
		}
	}
}

// miss takes in a payment that was learnt by asking.
func (c *Courier) miss(o *trade.Order) {
	l := &c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sites[o.PublicURL()]
	if s == nil {
		if l.sites == nil {
			l.sites = make(map[string]*silence)
		}
		s = new(silence)
		l.sites[o.PublicURL()] = s
		l.waiting.Store(int32(len(l.sites)))
	}
	if check := s.learnt(o.Key(), c.now()); !check.IsZero() {
		c.checkAt(check)
	}
}

// hear takes in a notice about an order of a site.
func (c *Courier) hear(publicURL string) {
	l := &c.listener
	l.mu.Lock()
	s := l.sites[publicURL]
	if s == nil {
		l.mu.Unlock()
		return
	}
	was := Silence{Since: s.since, Payments: s.payments}
	ended := s.noticed()
	delete(l.sites, publicURL)
	l.waiting.Store(int32(len(l.sites)))
	l.mu.Unlock()
	if f := c.observer.Load().Heard; ended && f != nil {
		was.NotifyURL = c.notifyURL(publicURL)
		f(was)
	}
}

// checkAt has checkSilence run at the given time, or earlier if it is to run
// earlier anyway. The listener's lock is held.
func (c *Courier) checkAt(at time.Time) {
	l := &c.listener
	if l.timer != nil && !l.at.After(at) {
		return
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.at = at
	l.timer = time.AfterFunc(max(at.Sub(c.now()), time.Millisecond), c.checkSilence)
}

// checkSilence tells of the sites whose notices have stopped, once for each
// silence. A notice may have reached another process of this ledger: the order
// then names it as its source.
func (c *Courier) checkSilence() {
	now := c.now()
	l := &c.listener
	l.mu.Lock()
	l.timer = nil
	suspects := map[string][]missing{}
	for url, s := range l.sites {
		if overdue := s.overdue(now); overdue != nil {
			suspects[url] = overdue
		} else if due := s.due(); !due.IsZero() {
			c.checkAt(due)
		}
	}
	l.mu.Unlock()
	for url, overdue := range suspects {
		switch noticed, err := c.noticedElsewhere(overdue); {
		case err != nil:
			l.mu.Lock()
			c.checkAt(now.Add(ledgerRetry))
			l.mu.Unlock()
		case noticed:
			c.hear(url)
		default:
			c.declare(url, now)
		}
	}
}

func (c *Courier) declare(publicURL string, now time.Time) {
	l := &c.listener
	l.mu.Lock()
	s := l.sites[publicURL]
	if s == nil || s.overdue(now) == nil { // a notice came just now
		l.mu.Unlock()
		return
	}
	s.declare()
	is := Silence{NotifyURL: c.notifyURL(publicURL), Since: s.since, Payments: s.payments}
	l.mu.Unlock()
	if f := c.observer.Load().Silent; f != nil {
		f(is)
	}
}

// noticedElsewhere reports whether a notice of one of the payments is in the
// ledger.
func (c *Courier) noticedElsewhere(payments []missing) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), ledgerRetry)
	defer cancel()
	for _, m := range payments {
		o, err := c.ledger.Order(ctx, m.key)
		if err != nil {
			return false, err
		}
		if o.Source == trade.SourceNotify {
			return true, nil
		}
	}
	return false, nil
}

// notifyURL is a site's or, if it has left the configuration, its public_url.
func (c *Courier) notifyURL(publicURL string) string {
	if s, _, err := c.site(publicURL); err == nil {
		return publicURL + s.NotifyPath
	}
	return publicURL
}

// SilentSince is when the first payment became known whose notice is missing, at
// a site whose notices have stopped arriving; zero if they arrive everywhere.
func (c *Courier) SilentSince() (since time.Time) {
	l := &c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sites {
		if s.silent && (since.IsZero() || s.since.Before(since)) {
			since = s.since
		}
	}
	return since
}

// Close ends what is still to be checked, and hears of no other process's changes
// any more. It is for after the last configuration.
func (c *Courier) Close() {
	if c.unshare != nil {
		c.unshare()
	}
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	if c.listener.timer != nil {
		c.listener.timer.Stop()
	}
}
