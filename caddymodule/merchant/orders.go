// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// unproved is the word for orders of which nothing is proved, whose status is "".
const unproved = "none"

func (a *API) listOrders(c *call) (reply, error) {
	v, err := c.query("status", "since", "cursor", "limit")
	if err != nil {
		return reply{}, err
	}
	q := ledger.OrderQuery{AppID: a.Gateway.AppID(), Cursor: v.Get("cursor")}
	if q.Limit, err = limit(v); err != nil {
		return reply{}, err
	}
	since, valid := readTime(v.Get("since"))
	if q.Since = since; !valid {
		return reply{}, problem(invalidParameter, "since is not a time such as 2026-03-14T10:20:00+08:00 (a + in a query is written %2B)")
	}
	if word := v.Get("status"); word != "" {
		status := trade.Status(word)
		if word == unproved {
			status = trade.StatusNone
		} else if !status.Known() {
			return reply{}, problem(invalidParameter, "status is none of WAIT_BUYER_PAY, TRADE_SUCCESS, TRADE_FINISHED, TRADE_CLOSED and none")
		}
		q.Status = &status
	}
	page, err := a.Ledger.Orders(c.Context(), q)
	if err != nil {
		return reply{}, err
	}
	list := struct {
		Orders []Order `json:"orders"`
		Next   string  `json:"next_cursor"`
	}{make([]Order, len(page.Orders)), page.Next}
	for i := range page.Orders {
		list.Orders[i] = orderView(&page.Orders[i])
	}
	return ok(list)
}

// order reads the order that the path names.
func (a *API) order(c *call) (trade.Order, error) {
	if _, err := c.query(); err != nil {
		return trade.Order{}, err
	}
	o, err := a.Ledger.Order(c.Context(), a.key(c.args["out_trade_no"]))
	if errors.Is(err, ledger.ErrNotFound) {
		return o, problem(orderNotFound, "no buyer was ever sent to the cashier with this out_trade_no")
	}
	return o, err
}

func (a *API) showOrder(c *call) (reply, error) {
	o, err := a.order(c)
	if err != nil {
		return reply{}, err
	}
	return ok(orderView(&o))
}

// query asks Alipay about an order. That no buyer has opened it at the cashier is
// an answer, too: nothing is proved.
func (a *API) query(c *call) (reply, error) {
	if _, err := c.body(); err != nil {
		return reply{}, err
	}
	o, err := a.order(c)
	if err != nil {
		return reply{}, err
	}
	return a.ask(c.Context(), &o)
}

func (a *API) ask(ctx context.Context, o *trade.Order) (reply, error) {
	out, err := a.Courier.Ask(ctx, a.Gateway, o.Key())
	if err != nil {
		return reply{}, err
	}
	view := orderView(&out.Order)
	if out.Held != nil {
		held := heldView(out.Held)
		view.Held = &held
	}
	return ok(view)
}

// close has Alipay close a trade that its buyer has not paid, and asks what has
// become of it: he may have paid at the last moment.
func (a *API) close(c *call) (reply, error) {
	if _, err := c.body(); err != nil {
		return reply{}, err
	}
	o, err := a.order(c)
	switch {
	case err != nil:
		return reply{}, err
	case o.Contradicted:
		return reply{}, trade.ErrContradicted
	case o.Paid:
		return reply{}, problem(orderPaid, "a paid order is not closed; it can be refunded")
	case o.Closed:
		return ok(orderView(&o))
	}
	refused := a.Gateway.CloseTrade(c.Context(), o.OutTradeNo)
	switch {
	case errors.Is(refused, gateway.ErrUnknown):
		return reply{}, refused
	case errors.Is(refused, gateway.ErrTradeNotExist):
		return reply{}, problem(noTrade, "no buyer has opened the order at the cashier yet, so there is nothing to close; "+
			"the way to the cashier ends by itself when the order expires")
	}
	a.Logger.Info("closing an order was asked for", zap.String("out_trade_no", o.OutTradeNo), zap.Error(refused))
	out, err := a.Courier.Ask(c.Context(), a.Gateway, o.Key())
	switch {
	case err != nil:
		return reply{}, err
	case out.Order.Paid:
		return reply{}, problem(orderPaid, "the buyer has paid meanwhile; the order can be refunded")
	case refused != nil && !out.Order.Closed:
		return reply{}, a.notClosed(refused)
	}
	return ok(orderView(&out.Order))
}

// notClosed makes a problem of Alipay's refusal to close a trade.
func (a *API) notClosed(refused error) error {
	ge, isAnswer := errors.AsType[*gateway.GatewayError](refused)
	if !isAnswer || ge.BeforeBusiness() {
		return refused
	}
	p := problem(closeRefused, fmt.Sprintf("Alipay has not closed the trade: %s", ge.SubCode))
	p.SubCode = ge.SubCode
	return p.because(refused)
}
