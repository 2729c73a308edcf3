// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"cmp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// History is how an order came to be as it is.
type History struct {
	Order    Order       `json:"order"`
	Attempts []Attempt   `json:"attempts"`
	Evidence []Statement `json:"evidence"`
	Events   []Told      `json:"events"`
	Held     []Held      `json:"held"`
}

// Attempt is one sending of the buyer to the cashier.
type Attempt struct {
	At          *instant `json:"at"`
	TotalAmount string   `json:"total_amount"`
	Channel     string   `json:"channel"`
	PublicURL   string   `json:"public_url"`
	ExpiresAt   *instant `json:"expires_at,omitempty"`
	Count       int      `json:"count"` // how often, with these terms
}

// Statement is a statement of Alipay's that has changed the order.
type Statement struct {
	ReceivedAt     *instant `json:"received_at"`
	Source         string   `json:"source"`
	Status         string   `json:"status"`
	TradeNo        string   `json:"trade_no"`
	TotalAmount    string   `json:"total_amount"`
	RefundedAmount string   `json:"refunded_amount"`
	OutRequestNo   string   `json:"out_request_no,omitempty"`
	NotifyID       string   `json:"notify_id,omitempty"`
}

// Told is an event and how it went to the shop.
type Told struct {
	Event
	AcceptedAt   *instant `json:"accepted_at,omitempty"`
	Refusals     int      `json:"refusals"`
	RefusedSince *instant `json:"refused_since,omitempty"`
	Refusal      string   `json:"refusal,omitempty"`
	NextAt       *instant `json:"next_at,omitempty"` // when it is told next
}

func (a *API) showHistory(c *call) (reply, error) {
	o, err := a.order(c)
	if err != nil {
		return reply{}, err
	}
	h, err := a.Ledger.History(c.Context(), o.Key())
	if err != nil {
		return reply{}, err
	}
	view := History{
		Order: orderView(&h.Order), Attempts: make([]Attempt, len(h.Order.Attempts)),
		Evidence: make([]Statement, len(h.Evidence)), Events: toldViews(&h), Held: make([]Held, len(h.Held)),
	}
	for i, t := range h.Order.Attempts {
		view.Attempts[i] = Attempt{
			At: at(t.At), TotalAmount: t.Total.String(), Channel: t.Channel, PublicURL: t.PublicURL,
			ExpiresAt: at(t.ExpiresAt), Count: t.Count,
		}
	}
	for i := range h.Evidence {
		view.Evidence[i] = statementView(&h.Evidence[i], &h.Order)
	}
	for i := range h.Held {
		view.Held[i] = heldView(&h.Held[i])
	}
	return ok(view)
}

// statementView shows a statement that became part of its order. Such a one agrees
// with the order about the trade and its amount, so that a ledger need not keep both
// twice.
func statementView(e *trade.Evidence, o *trade.Order) Statement {
	return Statement{
		ReceivedAt: at(e.ReceivedAt), Source: string(e.Source), Status: string(e.Status), TradeNo: cmp.Or(e.TradeNo, o.TradeNo),
		TotalAmount: cmp.Or(e.Total, o.Total).String(), RefundedAmount: max(e.Refunded, e.RefundAmount).String(),
		OutRequestNo: e.RefundRequestNo, NotifyID: e.NotifyID,
	}
}

func toldViews(h *ledger.History) []Told {
	views := make([]Told, len(h.Events))
	for i := range h.Events {
		views[i].Event = deliveryView(&ledger.Delivery{Order: h.Order, Event: h.Events[i]})
		for _, t := range h.Tellings {
			if t.Sequence == h.Events[i].Sequence {
				views[i].AcceptedAt, views[i].Refusals = at(t.AcceptedAt), t.Refusals
				views[i].RefusedSince, views[i].Refusal = at(t.RefusedSince), t.Refusal
			}
		}
		if h.Events[i].Sequence == h.Order.Accepted+1 {
			views[i].NextAt = at(h.Order.TellAt)
		}
	}
	return views
}
