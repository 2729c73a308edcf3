// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// HeldRefundPrefix begins the out_request_no of every refund of a held statement;
// no other refund may begin so.
const HeldRefundPrefix = "held-"

// maxRequestNo is how long Alipay lets an out_request_no be.
const maxRequestNo = 64

// heldRefunds are the refunds of held statements whose outcome is unknown, with
// the date of the next try. They are few, so they live in memory; a process that
// starts reads them from the ledger once.
type heldRefunds struct {
	mu   sync.Mutex
	due  map[string]heldTry // by the item's id
	wake chan struct{}
}

type heldTry struct {
	at    time.Time
	tries int
}

func newHeldRefunds() heldRefunds {
	return heldRefunds{due: make(map[string]heldTry), wake: make(chan struct{}, 1)}
}

// Settle takes a person's decision about a held statement, and begins to tell the
// shop what may be told because of it. A refund is sent to Alipay, and its
// outcome, if there is one within two calls, is part of the answer; while it is
// unknown the courier goes on. To decide the same again tries a refund again whose
// outcome is not known as a success.
func (c *Courier) Settle(ctx context.Context, g *gateway.Gateway, id string, d trade.Decision) (trade.Decided, error) {
	d.At = c.now()
	if d.Word != trade.DecideRefund {
		return c.decide(ctx, id, d)
	}
	item, err := c.ledger.HeldItem(ctx, id)
	if err != nil {
		return trade.Decided{}, err
	}
	if _, err := heldRefund(&item); err != nil {
		return trade.Decided{}, err
	}
	d.RequestNo, d.Outcome = heldRequestNo(id), trade.RefundUnknown
	done, err := c.decide(ctx, id, d)
	if err != nil || done.Item.Decision.Outcome != trade.RefundUnknown {
		return done, err
	}
	ch := c.asking.DoChan(heldKey(id), func() (any, error) {
		return c.settleHeld(context.WithoutCancel(ctx), g, done, done.News)
	})
	select {
	case r := <-ch:
		if after, ok := r.Val.(trade.Decided); ok && r.Err == nil {
			return after, nil
		}
		return done, r.Err
	case <-ctx.Done():
		return done, nil
	}
}

// decide records a decision, wakes whoever waits for the order and begins to tell
// what it caused or set free.
func (c *Courier) decide(ctx context.Context, id string, d trade.Decision) (trade.Decided, error) {
	done, err := c.ledger.Decide(ctx, id, d)
	if err != nil {
		return done, err
	}
	if done.News && done.Order.Exists() {
		if f := c.observer.Load().Recorded; f != nil && len(done.Events) > 0 {
			f(ledger.Outcome{Order: done.Order, Events: done.Events})
		}
		c.announce(done.Order.Key())
		// without its events, so that each is told with its original
		c.Kick(ledger.Outcome{Order: done.Order}, trade.Evidence{})
	}
	return done, nil
}

// settleHeld makes one try to settle the refund of a held statement and notes how
// it went. Whatever leaves it open has it tried again later.
func (c *Courier) settleHeld(ctx context.Context, g *gateway.Gateway, open trade.Decided, first bool) (done trade.Decided, err error) {
	item := &open.Item
	defer func() {
		if err != nil || done.Item.Decision.Outcome == trade.RefundUnknown {
			c.refunders.held.later(item.ID, c.now())
		} else {
			c.refunders.held.forget(item.ID)
		}
	}()
	r, err := heldRefund(item)
	if err != nil {
		return open, err
	}
	e, failure := c.settleRefund(ctx, g, r, item.Decision.At, first)
	d := item.Decision
	if refused, ok := refusedRefund(failure); ok {
		d.Outcome, d.Failure = trade.RefundFailed, refused.SubCode
	} else if failure == nil {
		d.Outcome = trade.RefundSucceeded
	}
	if f := c.observer.Load().Refunded; f != nil {
		f(keyOf(&item.Evidence), &trade.RefundIntent{RequestNo: r.RequestNo, Amount: r.Amount, Outcome: d.Outcome, Failure: d.Failure}, failure)
	}
	if d.Outcome == trade.RefundUnknown {
		return open, nil
	}
	if done, err = c.decide(ctx, item.ID, d); err != nil {
		return open, err
	}
	if o := &done.Order; failure == nil && o.Paid && o.TradeNo == e.TradeNo {
		// the order was accepted as paid by this trade meanwhile
		out, err := c.Record(ctx, e)
		if err != nil {
			return done, err
		}
		c.Kick(out, e)
	}
	return done, nil
}

func keyOf(e *trade.Evidence) trade.Key { return trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo} }

// heldKey tells a held statement from an order, among what is asked at Alipay.
func heldKey(id string) string { return "held:" + id }

// heldRequestNo is the number under which the trade of a held statement is
// refunded: always the same one.
func heldRequestNo(id string) string {
	no := HeldRefundPrefix + id
	return no[:min(len(no), maxRequestNo)]
}

// heldRefund is the refund, in full, of the trade that a held statement is about.
func heldRefund(h *trade.Held) (gateway.Refund, error) {
	e := &h.Evidence
	r := gateway.Refund{
		OutTradeNo: e.OutTradeNo, TradeNo: e.TradeNo, RequestNo: heldRequestNo(h.ID),
		Amount: e.Total - e.Refunded, Known: e.Refunded,
	}
	if r.Amount < trade.MinAmount || r.TradeNo == "" {
		return r, trade.ErrNoMoney
	}
	return r, nil
}

// later puts a held refund back: to be tried again after a pause.
func (h *heldRefunds) later(id string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	tries := h.due[id].tries + 1
	h.due[id] = heldTry{at: nextRefund(tries, now), tries: tries}
	poke(h.wake)
}

func (h *heldRefunds) forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.due, id)
}

// earliest is the held refund that is to be tried next; "" if there is none.
func (h *heldRefunds) earliest() (id string, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for have, try := range h.due {
		if id == "" || try.at.Before(at) {
			id, at = have, try.at
		}
	}
	return id, at
}

// refundHeld goes on with the refunds of held statements, until ctx ends.
func (c *Courier) refundHeld(ctx context.Context, g *gateway.Gateway) {
	for c.readHeld(ctx, g) != nil {
		if !c.sleep(ctx, c.now().Add(ledgerRetry), nil) {
			return
		}
	}
	for {
		id, at := c.refunders.held.earliest()
		if id == "" || at.After(c.now()) {
			if !c.sleep(ctx, at, c.refunders.held.wake) {
				return
			}
			continue
		}
		if c.askers.budget.Wait(ctx) != nil {
			return
		}
		c.retryHeld(ctx, g, id)
	}
}

// readHeld puts the held refunds of an earlier process on the list.
func (c *Courier) readHeld(ctx context.Context, g *gateway.Gateway) error {
	q := ledger.HeldQuery{AppID: g.AppID(), Limit: ledger.MaxLimit}
	for {
		page, err := c.ledger.Held(ctx, q)
		if err != nil {
			return err
		}
		c.refunders.held.mu.Lock()
		for i := range page.Held {
			item := &page.Held[i]
			if d := &item.Decision; d.Word == trade.DecideRefund && d.Outcome == trade.RefundUnknown {
				if _, known := c.refunders.held.due[item.ID]; !known {
					c.refunders.held.due[item.ID] = heldTry{at: nextRefund(1, d.At), tries: 1}
				}
			}
		}
		c.refunders.held.mu.Unlock()
		if q.Cursor = page.Next; q.Cursor == "" {
			return nil
		}
	}
}

// retryHeld tries one held refund again.
func (c *Courier) retryHeld(ctx context.Context, g *gateway.Gateway, id string) {
	ctx = context.WithoutCancel(ctx)
	item, err := c.ledger.HeldItem(ctx, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound),
		err == nil && (item.Decision.Word != trade.DecideRefund || item.Decision.Outcome != trade.RefundUnknown):
		c.refunders.held.forget(id) // settled elsewhere
		return
	case err != nil:
		c.refunders.held.later(id, c.now())
	default:
		_, err, _ = c.asking.Do(heldKey(id), func() (any, error) {
			return c.settleHeld(ctx, g, trade.Decided{Item: item}, false)
		})
	}
	if err != nil {
		c.trouble("cannot settle the refund of a held statement", keyOf(&item.Evidence), err)
	}
}
