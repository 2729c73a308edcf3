// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"slices"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Order is an order as the API shows it. Amounts are yuan with two decimals, times
// RFC 3339 in Alipay's zone; a time that is not known is left out.
type Order struct {
	OutTradeNo     string   `json:"out_trade_no"`
	TradeNo        string   `json:"trade_no"`
	Status         string   `json:"status"` // in Alipay's words, "" if nothing is proved
	TotalAmount    string   `json:"total_amount"`
	RefundedAmount string   `json:"refunded_amount"`
	BuyerID        string   `json:"buyer_id"`
	SellerID       string   `json:"seller_id"`
	PaidAt         *instant `json:"paid_at,omitempty"`
	ClosedAt       *instant `json:"closed_at,omitempty"`
	PublicURL      string   `json:"public_url"`
	Refunds        []Refund `json:"refunds"`

	AppID     string   `json:"app_id"`
	Source    string   `json:"source"` // what has proved the status
	CreatedAt *instant `json:"created_at"`
	UpdatedAt *instant `json:"updated_at"`
	ExpiresAt *instant `json:"expires_at,omitempty"`
	// Sequence is the last event's, Accepted that of the last one that the shop has
	// accepted.
	Sequence int `json:"sequence"`
	Accepted int `json:"accepted"`
	// Contradicted: statements exclude each other; nothing is told until a person
	// has decided.
	Contradicted bool `json:"contradicted"`

	// Held is the statement that the call brought and that does not fit the order.
	Held *Held `json:"held,omitempty"`
}

// Refund is one refund of an order: one that was asked for here, or one that
// Alipay has stated.
type Refund struct {
	OutTradeNo   string   `json:"out_trade_no,omitempty"`
	OutRequestNo string   `json:"out_request_no"` // "" if no statement named it
	RefundAmount string   `json:"refund_amount"`
	Outcome      string   `json:"outcome"`
	RefundReason string   `json:"refund_reason,omitempty"`
	SubCode      string   `json:"sub_code,omitempty"` // why Alipay has refused it
	RequestedAt  *instant `json:"requested_at,omitempty"`
	SettledAt    *instant `json:"settled_at,omitempty"`
	// RefundedAmount is the order's sum of refunds, in answers about one refund.
	RefundedAmount string `json:"refunded_amount,omitempty"`
}

// instant is a point in time, written in Alipay's zone.
type instant time.Time

// MarshalText writes RFC 3339.
func (i instant) MarshalText() ([]byte, error) {
	return []byte(time.Time(i).In(trade.Zone).Format(time.RFC3339Nano)), nil
}

func at(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	i := instant(t)
	return &i
}

func orderView(o *trade.Order) Order {
	return Order{
		OutTradeNo: o.OutTradeNo, TradeNo: o.TradeNo, Status: string(o.Status()),
		TotalAmount: o.Total.String(), RefundedAmount: o.Refunded().String(),
		BuyerID: o.BuyerID, SellerID: o.SellerID, PaidAt: at(o.PaidAt), ClosedAt: at(o.ClosedAt),
		PublicURL: o.PublicURL(), Refunds: refundViews(o),
		AppID: o.AppID, Source: string(o.Source), CreatedAt: at(o.CreatedAt), UpdatedAt: at(o.UpdatedAt),
		ExpiresAt: at(o.Latest().ExpiresAt),
		Sequence:  o.Sequence, Accepted: o.Accepted, Contradicted: o.Contradicted,
	}
}

// refundViews are the refunds that Alipay has stated, in their order, and then
// those that were asked for and are not, or not yet, among them.
func refundViews(o *trade.Order) []Refund {
	views := make([]Refund, 0, len(o.Refunds)+len(o.Intents))
	var before trade.Amount
	for i := range o.Refunds {
		stated := &o.Refunds[i]
		view := Refund{
			OutRequestNo: stated.RequestNo, RefundAmount: (stated.Sum - before).String(),
			Outcome: string(trade.RefundSucceeded), SettledAt: at(stated.At),
		}
		before = stated.Sum
		if intent := o.Intent(stated.RequestNo); stated.RequestNo != "" && intent != nil && intent.Outcome == trade.RefundSucceeded {
			view = intentView(intent)
		}
		views = append(views, view)
	}
	for i := range o.Intents {
		if o.Intents[i].Outcome != trade.RefundSucceeded {
			views = append(views, intentView(&o.Intents[i]))
		}
	}
	return views
}

func intentView(i *trade.RefundIntent) Refund {
	return Refund{
		OutRequestNo: i.RequestNo, RefundAmount: i.Amount.String(), Outcome: string(i.Outcome),
		RefundReason: i.Reason, SubCode: i.Failure, RequestedAt: at(i.At), SettledAt: at(i.SettledAt),
	}
}

// refundView finds one refund of an order.
func refundView(o *trade.Order, requestNo string) (Refund, bool) {
	for _, v := range slices.Backward(refundViews(o)) { // what was asked for here, before what somebody else did under its number
		if v.OutRequestNo == requestNo && requestNo != "" {
			v.OutTradeNo, v.RefundedAmount = o.OutTradeNo, o.Refunded().String()
			return v, true
		}
	}
	return Refund{}, false
}
