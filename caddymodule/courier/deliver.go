// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/internal/failpoint"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/tracing"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// flight is one run of deliveries of one order. An order has at most one, so
// that its events stay in sequence and nobody delivers what is on its way.
type flight struct {
	done     chan struct{} // closed when it is known how it went
	over     chan struct{} // closed when the next one may begin
	accepted int           // what the shop has accepted when the flight ended
	err      error
}

// Deliver tells the shop of everything it has not accepted of the order in out,
// in sequence, and returns nil once all up to out's own events is accepted. It
// joins a delivery of the same order that is under way. ctx bounds the waiting;
// a delivery once begun is bounded by the shop's time-out alone. A refusal is
// noted with the date of the next try, which the courier then makes by itself.
func (c *Courier) Deliver(ctx context.Context, out *ledger.Outcome, evidence *trade.Evidence) error {
	known := deliveries(out, evidence)
	for out.Order.Accepted < out.Order.Sequence {
		f, mine := c.board(out.Order.Key())
		if mine {
			c.fly(context.WithoutCancel(ctx), f, &out.Order, known)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if f.err != nil {
			return f.err
		}
		out.Order.Accepted = max(out.Order.Accepted, f.accepted)
		known = nil // what another flight left over is read from the ledger
		if out.Order.Undelivered() {
			select {
			case <-f.over:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// Kick begins to deliver in the background what Deliver would.
func (c *Courier) Kick(out ledger.Outcome, evidence trade.Evidence) {
	if !out.Order.Undelivered() {
		return
	}
	c.background.Go(func() {
		// what the shop refuses is on the agenda, and the observer was told
		_ = c.Deliver(context.Background(), &out, &evidence)
	})
}

// deliveries are the events of out, if they are all that the shop has not
// accepted; nil if the ledger has to be read.
func deliveries(out *ledger.Outcome, e *trade.Evidence) []ledger.Delivery {
	if len(out.Events) == 0 || out.Events[0].Sequence != out.Order.Accepted+1 {
		return nil
	}
	ds := make([]ledger.Delivery, len(out.Events))
	for i, ev := range out.Events {
		ds[i] = ledger.Delivery{Order: out.Order, Event: ev}
		if ev.Direct {
			ds[i].Original, ds[i].ContentType = e.Raw, e.ContentType
		}
	}
	return ds
}

// board returns the order's flight, and whether the caller has to fly it.
func (c *Courier) board(k trade.Key) (f *flight, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f = c.flights[k]; f != nil {
		return f, false
	}
	f = &flight{done: make(chan struct{}), over: make(chan struct{})}
	c.flights[k] = f
	return f, true
}

// land ends a flight: first its passengers learn how it went, then the order is
// given back to other processes, and only then may it fly again.
func (c *Courier) land(ctx context.Context, f *flight, k trade.Key) {
	close(f.done)
	over := func() {
		c.mu.Lock()
		delete(c.flights, k)
		c.mu.Unlock()
		close(f.over)
	}
	if !c.shared {
		over()
		return
	}
	c.background.Go(func() {
		defer over()
		c.giveBack(ctx, k, f.err)
	})
}

func (c *Courier) fly(ctx context.Context, f *flight, o *trade.Order, known []ledger.Delivery) {
	k := o.Key()
	defer func() {
		if p := recover(); p != nil {
			f.err = fmt.Errorf("delivering panicked: %v", p)
		}
		c.land(ctx, f, k)
	}()
	if f.err = c.alone(ctx, o); f.err != nil {
		return
	}
	c.mu.Lock()
	f.accepted = max(o.Accepted, c.recent.accepted[k])
	c.mu.Unlock()
	if known == nil || c.shared { // another process may have delivered some of them
		if known, f.err = c.ledger.Undelivered(ctx, k); f.err != nil {
			return
		}
		if len(known) == 0 { // another flight has delivered it all
			f.accepted = o.Sequence
			return
		}
	}
	for i := range known {
		if known[i].Event.Sequence <= f.accepted {
			continue
		}
		if i > 0 {
			if f.err = c.stillAlone(ctx, o); f.err != nil {
				return
			}
		}
		if f.err = c.tell(ctx, &known[i]); f.err != nil {
			return
		}
		f.accepted = known[i].Event.Sequence
	}
}

// tell makes one delivery and notes how it went.
func (c *Courier) tell(ctx context.Context, d *ledger.Delivery) error {
	if d.Order.Contradicted {
		return ErrWithheld
	}
	l, ended, err := c.call(ctx, d)
	if err != nil {
		return c.refused(ctx, l, d, err)
	}
	failpoint.Reach(failpoint.Told)
	k := d.Order.Key()
	if err := c.ledger.Accept(ctx, k, d.Event.Sequence, ended); err != nil {
		return err
	}
	failpoint.Reach(failpoint.Accepted)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent.add(k, d.Event.Sequence)
	return nil
}

// call makes one delivery through the order's site and tells the gate and the
// observer of it. The lane is nil if there is no such site.
func (c *Courier) call(ctx context.Context, d *ledger.Delivery) (l *lane, ended time.Time, err error) {
	s, l, err := c.site(d.Order.PublicURL())
	if err != nil {
		return nil, ended, err
	}
	failpoint.Reach(failpoint.Telling)
	began := c.now()
	ctx, span := tracing.StartCall(ctx, "alipay.deliver")
	err = s.Deliver(ctx, d)
	span.End(d.Order.OutTradeNo, delivered(err), err == nil)
	ended = c.now()
	if closed := l.gate.report(err == nil, ended); closed {
		l.poke() // the shop is back: what waits may go
	}
	if f := c.observer.Load().Told; f != nil {
		f(d, ended.Sub(began), err)
	}
	return l, ended, err
}

// delivered says in one word how a delivery ended.
func delivered(err error) string {
	if err != nil {
		return "refused"
	}
	return "accepted"
}

// refused sets the date of the next try. It returns the refusal: that the date
// could not be noted adds nothing for the caller, for the order then keeps an
// earlier one.
func (c *Courier) refused(ctx context.Context, l *lane, d *ledger.Delivery, refusal error) error {
	if !errors.Is(refusal, shop.ErrRefused) {
		return refusal
	}
	k, now := d.Order.Key(), c.now()
	if d.Event.Sequence != d.Order.Accepted+1 {
		d.Order.Refusals = 0 // those were of an earlier event, accepted since
	}
	why, next := refusal.Error(), nextTelling(&d.Order, now)
	if _, err := c.ledger.Change(ctx, k, func(o *trade.Order) (bool, error) {
		return o.Refuse(d.Event.Sequence, why, now, next), nil
	}); err != nil {
		c.trouble("cannot note a refusal", k, err)
	}
	l.poke()
	return refusal
}
