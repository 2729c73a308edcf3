// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/internal/failpoint"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// asked is what one query brought.
type asked struct {
	outcome  ledger.Outcome
	evidence trade.Evidence
}

// Ask asks Alipay about one order (alipay.trade.query), records the answer like
// any other evidence and begins to deliver what it caused. However many ask at
// once, Alipay is asked once. An order that no buyer has opened at the cashier is
// not an error: nothing is proved. ctx bounds the waiting, the gateway's own
// time-out the call.
func (c *Courier) Ask(ctx context.Context, g *gateway.Gateway, k trade.Key) (ledger.Outcome, error) {
	return c.askOnce(ctx, k, func(call context.Context) (asked, error) { return c.ask(call, g, k) })
}

// AskUnlessProved is Ask for a buyer who has come back: if a payment has been
// proved by the time it is this caller's turn, Alipay is not asked.
func (c *Courier) AskUnlessProved(ctx context.Context, g *gateway.Gateway, k trade.Key) (ledger.Outcome, error) {
	return c.askOnce(ctx, k, func(call context.Context) (asked, error) {
		if o, err := c.ledger.Order(call, k); err == nil && (o.Paid || o.Contradicted) {
			return asked{outcome: ledger.Outcome{Order: o, Repeat: true}}, nil
		}
		return c.ask(call, g, k)
	})
}

func (c *Courier) askOnce(ctx context.Context, k trade.Key, ask func(context.Context) (asked, error)) (ledger.Outcome, error) {
	ch := c.asking.DoChan(k.AppID+"/"+k.OutTradeNo, func() (any, error) {
		call := context.WithoutCancel(ctx) // others may wait for this answer too
		a, err := ask(call)
		if f := c.observer.Load().Asked; f != nil {
			f(k, &a.outcome, err)
		}
		if err == nil {
			c.Kick(a.outcome, a.evidence)
		}
		return a, err
	})
	select {
	case r := <-ch:
		a, _ := r.Val.(asked)
		return a.outcome, r.Err
	case <-ctx.Done():
		return ledger.Outcome{}, ctx.Err()
	}
}

func (c *Courier) ask(ctx context.Context, g *gateway.Gateway, k trade.Key) (asked, error) {
	e, err := g.Query(ctx, k.OutTradeNo)
	if errors.Is(err, gateway.ErrTradeNotExist) {
		o, err := c.ledger.Order(ctx, k)
		return asked{outcome: ledger.Outcome{Order: o, Repeat: true}}, err
	}
	if err != nil {
		return asked{}, err
	}
	failpoint.Reach(failpoint.Answered)
	out, err := c.Record(ctx, e)
	return asked{outcome: out, evidence: e}, err
}
