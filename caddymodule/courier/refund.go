// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	// refundPatience bounds how long a caller of Refund waits for the outcome: a
	// turn or two, and a call that hangs.
	refundPatience = 20 * time.Second
	// refundSent is when a refund is looked at again whose sender died while he
	// sent it; it is longer than a call takes.
	refundSent = 30 * time.Second
	// refundDoubt is how long a refusal that no document lists leaves a refund unknown.
	refundDoubt = time.Hour
	// turnPause is how long a caller waits before it looks again whether another
	// process has done with the order's refunds.
	turnPause = 250 * time.Millisecond
)

// turn is this process's turn to send refunds of one order. An order has at most
// one; a lease keeps other processes out.
type turn struct {
	done      chan struct{}
	elsewhere bool // another process has the lease
	failed    bool // the ledger could not be read or written
}

// Refund records that the merchant wants a refund, and has it sent to Alipay in
// its turn: refunds of one order go one after the other. It returns the order once
// the refund's outcome is known, or is not to be had within a call or two; then
// the courier goes on by itself. Its errors are those of trade.Order.Intend and of
// the ledger, and nothing has been recorded then. ctx bounds the waiting only.
func (c *Courier) Refund(ctx context.Context, g *gateway.Gateway, k trade.Key, i trade.RefundIntent) (trade.Order, error) {
	i.At = c.now()
	o, err := c.ledger.Change(ctx, k, func(o *trade.Order) (bool, error) {
		changed, err := o.Intend(i)
		return err == nil && hurry(o, &i) || changed, err
	})
	if err != nil {
		return o, err
	}
	c.refunders.expect(o.RefundAt)
	return c.awaitRefund(ctx, g, o, i.RequestNo), nil
}

// hurry brings the next look at an unknown refund forward if it is asked for again,
// and Alipay may be asked already.
func hurry(o *trade.Order, i *trade.RefundIntent) bool {
	oldest := o.UnknownRefund()
	if oldest == nil || oldest.RequestNo != i.RequestNo || o.RefundTries < 2 || !o.RefundAt.After(i.At) || i.At.Before(refundAskable(o)) {
		return false
	}
	o.RefundAt = i.At
	return true
}

// awaitRefund returns the order as it stands when a refund's outcome is known, or
// nothing is being done about it any more.
func (c *Courier) awaitRefund(ctx context.Context, g *gateway.Gateway, o trade.Order, requestNo string) trade.Order {
	k := o.Key()
	ctx, cancel := context.WithTimeout(ctx, refundPatience)
	defer cancel()
	for o.Intent(requestNo).Outcome == trade.RefundUnknown {
		t := c.refundTurn(g, k, c.refundable(&o))
		switch {
		case t != nil:
			select {
			case <-t.done:
			case <-ctx.Done():
				return o
			}
		case o.RefundTries != 1: // 1: another process is sending it, or has died
			return o
		}
		if (t == nil || t.elsewhere) && !c.sleep(ctx, c.now().Add(turnPause), nil) {
			return o
		}
		now, err := c.ledger.Order(ctx, k)
		if err != nil || t != nil && t.failed {
			return o // it is recorded; more cannot be said
		}
		o = now
	}
	return o
}

// refundable reports whether there is anything to do now about an order's oldest
// unknown refund: it was never sent, or the time has come to ask about it.
func (c *Courier) refundable(o *trade.Order) bool {
	return o.UnknownRefund() != nil && (o.RefundTries == 0 || !o.RefundAt.After(c.now()))
}

// refundTurn joins this process's turn at an order's refunds. If there is none it
// begins one, or returns nil.
func (c *Courier) refundTurn(g *gateway.Gateway, k trade.Key, begin bool) *turn {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.turns[k]
	if t == nil && begin {
		t = &turn{done: make(chan struct{})}
		c.turns[k] = t
		c.background.Go(func() { c.takeTurn(context.Background(), g, k, t) })
	}
	return t
}

// takeTurn does what is to be done about an order's oldest unknown refund, unless
// another process has the order.
func (c *Courier) takeTurn(ctx context.Context, g *gateway.Gateway, k trade.Key, t *turn) {
	defer func() {
		if p := recover(); p != nil {
			t.failed = true
			c.trouble("cannot refund", k, fmt.Errorf("refunding panicked: %v", p))
		}
		c.mu.Lock()
		delete(c.turns, k)
		c.mu.Unlock()
		close(t.done)
	}()
	now := c.now()
	leased, err := c.ledger.Lease(ctx, ledger.TaskRefund, k, c.owner, now, now.Add(leaseFor))
	if err == nil && leased {
		err = c.refundOldest(ctx, g, k)
	}
	if t.elsewhere = !leased; leased && err == nil {
		err = c.ledger.Release(ctx, ledger.TaskRefund, k, c.owner)
	}
	if err != nil { // the lease ends by itself, and is the pause before the next try
		t.failed = true
		c.trouble("cannot refund", k, err)
	}
}

// refundOldest does what is to be done now about an order's oldest unknown refund,
// if there is anything.
func (c *Courier) refundOldest(ctx context.Context, g *gateway.Gateway, k trade.Key) error {
	o, err := c.ledger.Order(ctx, k)
	if err != nil || !c.refundable(&o) {
		return err
	}
	if pause := o.RefundFrom().Sub(c.now()); pause > 0 {
		c.wait(ctx, pause)
	}
	i, first := *o.UnknownRefund(), o.RefundTries == 0
	if first {
		// That it is sent is noted first: a process that dies here leaves a refund
		// about which Alipay is asked before it is sent again.
		if o, err = c.refundNext(ctx, k, i.RequestNo, c.now().Add(refundSent)); err != nil {
			return err
		}
		if o.Intent(i.RequestNo).Outcome != trade.RefundUnknown {
			return nil // a notice has settled it meanwhile
		}
	}
	e, failure := c.settleRefund(ctx, g, gateway.Refund{
		OutTradeNo: k.OutTradeNo, TradeNo: o.TradeNo, RequestNo: i.RequestNo, Amount: i.Amount, Reason: i.Reason, Known: o.Refunded(),
	}, i.At, first)
	if o, err = c.noteRefund(ctx, &o, i.RequestNo, &e, failure); err != nil {
		return err
	}
	c.refunders.expect(o.RefundAt)
	if f := c.observer.Load().Refunded; f != nil {
		f(k, o.Intent(i.RequestNo), failure)
	}
	return nil
}

// noteRefund records what has become of a refund, and returns the order after it.
func (c *Courier) noteRefund(ctx context.Context, o *trade.Order, requestNo string, e *trade.Evidence, failure error) (trade.Order, error) {
	k := o.Key()
	if failure == nil {
		out, err := c.Record(ctx, *e)
		if err != nil {
			return *o, err
		}
		c.Kick(out, *e)
		if i := out.Order.Intent(requestNo); i != nil && i.Outcome != trade.RefundUnknown {
			return out.Order, nil
		}
		// it is held: the order contradicts itself, and waits for a person
	}
	if refused, ok := refusedRefund(failure); ok {
		after, err := c.ledger.Change(ctx, k, func(o *trade.Order) (bool, error) {
			return o.FailRefund(requestNo, refused.SubCode, c.now()), nil
		})
		if err == nil {
			c.announce(k)
		}
		return after, err
	}
	return c.refundNext(ctx, k, requestNo, nextRefund(o.RefundTries, c.now()))
}

// refundNext sets the date of the next look at a refund, if it is still the
// order's oldest unknown one.
func (c *Courier) refundNext(ctx context.Context, k trade.Key, requestNo string, next time.Time) (trade.Order, error) {
	return c.ledger.Change(ctx, k, func(o *trade.Order) (bool, error) {
		i := o.UnknownRefund()
		return i != nil && i.RequestNo == requestNo && o.RefundNext(next), nil
	})
}

// settleRefund makes one try to have a refund's outcome known. It returns what
// Alipay states of a refund that it has made; a *gateway.GatewayError that
// refusedRefund knows if the refund was refused for good; or any other error if
// the outcome is still unknown.
//
// A refund that was or may have been sent before is asked about first, and sent
// again only if Alipay knows nothing of it: under the same number with the same
// amount, so that it cannot happen twice. A refusal counts only if Alipay then
// knows nothing of the refund either: it may refuse what it has done already. One
// that Alipay's document does not list counts from refundDoubt after the refund was
// asked for: a refund that can never come about must not stand before the others
// of its order for good.
func (c *Courier) settleRefund(ctx context.Context, g *gateway.Gateway, r gateway.Refund, asked time.Time, first bool) (trade.Evidence, error) {
	if !first {
		e, err := g.RefundQuery(ctx, r)
		if !errors.Is(err, gateway.ErrRefundNotExist) {
			return e, undecided(err)
		}
	}
	e, err := g.Refund(ctx, r)
	if unlisted, ok := gateway.UnlistedRefusal(err); ok && !c.now().Before(asked.Add(refundDoubt)) {
		err = unlisted
	}
	refused, ok := refusedRefund(err)
	switch {
	case !ok:
		return e, err
	case refused.BeforeBusiness():
		if !first {
			err = undecided(err)
		}
		return e, err
	}
	known, asking := g.RefundQuery(ctx, r)
	if errors.Is(asking, gateway.ErrRefundNotExist) {
		return e, err
	}
	return known, undecided(asking)
}

// refusedRefund takes the answer out of an error that says that a refund was
// refused.
func refusedRefund(err error) (*gateway.GatewayError, bool) {
	if err == nil || errors.Is(err, gateway.ErrUnknown) {
		return nil, false
	}
	return errors.AsType[*gateway.GatewayError](err)
}

// undecided makes an error one that says nothing about a refund.
func undecided(err error) error {
	if err == nil || errors.Is(err, gateway.ErrUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", gateway.ErrUnknown, err)
}

// AskRefund asks Alipay what has become of one refund, and records what it states.
// It sends nothing. It returns the order after it, as far as it is known, and fails
// with gateway.ErrRefundNotExist if Alipay knows no such refund.
func (c *Courier) AskRefund(ctx context.Context, g *gateway.Gateway, o *trade.Order, requestNo string) (trade.Order, error) {
	r := gateway.Refund{OutTradeNo: o.OutTradeNo, TradeNo: o.TradeNo, RequestNo: requestNo}
	ch := c.asking.DoChan("refund:"+o.AppID+"/"+o.OutTradeNo+"/"+requestNo, func() (any, error) {
		call := context.WithoutCancel(ctx) // others may wait for this answer too
		e, err := g.RefundQuery(call, r)
		if err != nil {
			return *o, err
		}
		out, err := c.Record(call, e)
		if err != nil {
			return *o, err
		}
		c.Kick(out, e)
		return out.Order, nil
	})
	select {
	case done := <-ch:
		after, _ := done.Val.(trade.Order)
		return after, done.Err
	case <-ctx.Done():
		return *o, ctx.Err()
	}
}
