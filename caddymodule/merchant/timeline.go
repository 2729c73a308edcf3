// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"github.com/caddy-alipay/caddy-alipay/caddymodule/explain"
)

// showTimeline tells an order's history as a timeline.
func (a *API) showTimeline(c *call) (reply, error) {
	o, err := a.order(c)
	if err != nil {
		return reply{}, err
	}
	h, err := a.Ledger.History(c.Context(), o.Key())
	if err != nil {
		return reply{}, err
	}
	return ok(explain.Order(h))
}

// Totals are sums and counts over the account's orders.
type Totals struct {
	Paid         string `json:"paid_amount"`
	Refunded     string `json:"refunded_amount"`
	RefundedTold string `json:"refunded_amount_told"` // the same by the events about refunds
	Accepted     string `json:"accepted_amount"`      // of what was paid, by the events that a shop has accepted
	Undelivered  string `json:"undelivered_amount"`   // by those that none has accepted yet

	UndeliveredEvents int      `json:"undelivered_events"` // dead ones included
	DeadEvents        int      `json:"dead_events"`
	UndeliveredSince  *instant `json:"undelivered_since,omitempty"`

	HeldItems int      `json:"held_items"`
	HeldSince *instant `json:"held_since,omitempty"`
	HeldPaid  string   `json:"held_amount"`

	UnknownRefunds int `json:"unknown_refunds"`
}

func (a *API) showTotals(c *call) (reply, error) {
	if _, err := c.query(); err != nil {
		return reply{}, err
	}
	t, err := a.Ledger.Totals(c.Context(), a.Gateway.AppID())
	if err != nil {
		return reply{}, err
	}
	return ok(Totals{
		Paid: t.Paid.String(), Refunded: t.Refunded.String(), RefundedTold: t.RefundedTold.String(),
		Accepted: t.Accepted.String(), Undelivered: t.Undelivered.String(),
		UndeliveredEvents: t.UndeliveredEvents, DeadEvents: t.DeadEvents, UndeliveredSince: at(t.UndeliveredSince),
		HeldItems: t.HeldItems, HeldSince: at(t.HeldSince), HeldPaid: t.HeldPaid.String(),
		UnknownRefunds: t.Unknown,
	})
}
