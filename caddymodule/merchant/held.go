// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"errors"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Held is a signed statement that does not fit its order, as the API shows it.
type Held struct {
	ID             string    `json:"id"`
	OutTradeNo     string    `json:"out_trade_no"`
	Reason         string    `json:"reason"`
	TradeNo        string    `json:"trade_no"`
	Status         string    `json:"status"` // as stated
	TotalAmount    string    `json:"total_amount"`
	RefundedAmount string    `json:"refunded_amount"`
	BuyerID        string    `json:"buyer_id"`
	SellerID       string    `json:"seller_id"`
	Source         string    `json:"source"`
	PaidAt         *instant  `json:"paid_at,omitempty"`
	HeldAt         *instant  `json:"held_at"`
	Decision       *Decision `json:"decision,omitempty"`
}

// Decision is what a person has decided about a held statement.
type Decision struct {
	Decision  string   `json:"decision"` // accept, refund or dismiss
	DecidedAt *instant `json:"decided_at"`
	PublicURL string   `json:"public_url,omitempty"`

	// Of a refund only.
	OutRequestNo string `json:"out_request_no,omitempty"`
	Outcome      string `json:"outcome,omitempty"`
	SubCode      string `json:"sub_code,omitempty"`
}

func heldView(h *trade.Held) Held {
	e := &h.Evidence
	view := Held{
		ID: h.ID, OutTradeNo: e.OutTradeNo, Reason: string(h.Reason), TradeNo: e.TradeNo, Status: string(e.Status),
		TotalAmount: e.Total.String(), RefundedAmount: e.Refunded.String(), BuyerID: e.BuyerID, SellerID: e.SellerID,
		Source: string(e.Source), PaidAt: at(e.PaidAt), HeldAt: at(h.At),
	}
	if d := &h.Decision; d.Word != trade.DecideNone {
		view.Decision = &Decision{
			Decision: string(d.Word), DecidedAt: at(d.At), PublicURL: d.PublicURL,
			OutRequestNo: d.RequestNo, Outcome: string(d.Outcome), SubCode: d.Failure,
		}
	}
	return view
}

func (a *API) listHeld(c *call) (reply, error) {
	v, err := c.query("decided", "cursor", "limit")
	if err != nil {
		return reply{}, err
	}
	q := ledger.HeldQuery{AppID: a.Gateway.AppID(), Cursor: v.Get("cursor")}
	if q.Limit, err = limit(v); err != nil {
		return reply{}, err
	}
	switch v.Get("decided") {
	case "", "false":
	case "true":
		q.Decided = true
	default:
		return reply{}, problem(invalidParameter, "decided is neither true nor false")
	}
	page, err := a.Ledger.Held(c.Context(), q)
	if err != nil {
		return reply{}, err
	}
	list := struct {
		Held []Held `json:"held"`
		Next string `json:"next_cursor"`
	}{make([]Held, len(page.Held)), page.Next}
	for i := range page.Held {
		list.Held[i] = heldView(&page.Held[i])
	}
	return ok(list)
}

// heldItem reads the held statement that the path names.
func (a *API) heldItem(c *call) (trade.Held, error) {
	if _, err := c.query(); err != nil {
		return trade.Held{}, err
	}
	item, err := a.Ledger.HeldItem(c.Context(), c.args["id"])
	if errors.Is(err, ledger.ErrNotFound) || err == nil && item.Evidence.AppID != a.Gateway.AppID() {
		return item, problem(heldNotFound, "nothing with this id is held, or ever was")
	}
	return item, err
}

func (a *API) showHeld(c *call) (reply, error) {
	item, err := a.heldItem(c)
	if err != nil {
		return reply{}, err
	}
	return ok(heldView(&item))
}

// acceptHeld has a statement folded in, in spite of its reason, and told.
func (a *API) acceptHeld(c *call) (reply, error) {
	b, err := c.body("public_url")
	if err != nil {
		return reply{}, err
	}
	d := trade.Decision{Word: trade.DecideAccept, PublicURL: strings.TrimRight(b.text("public_url"), "/")}
	switch {
	case b.fault != nil:
		return reply{}, b.fault
	case d.PublicURL != "" && !a.Courier.HasSite(d.PublicURL):
		return reply{}, problem(unknownSite, "public_url is not that of a site that is configured here, so its shop could not be told")
	}
	return a.decide(c, d)
}

func (a *API) dismissHeld(c *call) (reply, error) {
	if _, err := c.body(); err != nil {
		return reply{}, err
	}
	return a.decide(c, trade.Decision{Word: trade.DecideDismiss})
}

// refundHeld gives back in full what a statement's buyer has paid.
func (a *API) refundHeld(c *call) (reply, error) {
	if _, err := c.body(); err != nil {
		return reply{}, err
	}
	return a.decide(c, trade.Decision{Word: trade.DecideRefund})
}

func (a *API) decide(c *call, d trade.Decision) (reply, error) {
	item, err := a.heldItem(c)
	if err != nil {
		return reply{}, err
	}
	done, err := a.Courier.Settle(c.Context(), a.Gateway, item.ID, d)
	if err != nil {
		return reply{}, err
	}
	a.Logger.Info("a person has decided about a held statement", zap.String("out_trade_no", item.Evidence.OutTradeNo),
		zap.String("held", item.ID), zap.String("decision", string(d.Word)))
	view := heldView(&done.Item)
	switch done.Item.Decision.Outcome {
	case trade.RefundUnknown:
		return reply{http.StatusAccepted, view}, nil
	case trade.RefundFailed:
		return reply{}, refused(&Refund{
			OutTradeNo: view.OutTradeNo, OutRequestNo: view.Decision.OutRequestNo, RefundAmount: view.TotalAmount,
			Outcome: view.Decision.Outcome, SubCode: view.Decision.SubCode,
		})
	}
	return ok(view)
}
