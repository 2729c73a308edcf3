// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strconv"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// What people are shown of the server's JSON; programs get the JSON itself.

type orderView struct {
	OutTradeNo     string       `json:"out_trade_no"`
	TradeNo        string       `json:"trade_no"`
	Status         string       `json:"status"`
	TotalAmount    string       `json:"total_amount"`
	RefundedAmount string       `json:"refunded_amount"`
	BuyerID        string       `json:"buyer_id"`
	SellerID       string       `json:"seller_id"`
	PaidAt         time.Time    `json:"paid_at"`
	ClosedAt       time.Time    `json:"closed_at"`
	CreatedAt      time.Time    `json:"created_at"`
	UpdatedAt      time.Time    `json:"updated_at"`
	ExpiresAt      time.Time    `json:"expires_at"`
	PublicURL      string       `json:"public_url"`
	AppID          string       `json:"app_id"`
	Source         string       `json:"source"`
	Sequence       int          `json:"sequence"`
	Accepted       int          `json:"accepted"`
	Contradicted   bool         `json:"contradicted"`
	Refunds        []refundView `json:"refunds"`
	Held           *heldView    `json:"held"`
}

type refundView struct {
	OutRequestNo string    `json:"out_request_no"`
	RefundAmount string    `json:"refund_amount"`
	Outcome      string    `json:"outcome"`
	RefundReason string    `json:"refund_reason"`
	SubCode      string    `json:"sub_code"`
	RequestedAt  time.Time `json:"requested_at"`
	SettledAt    time.Time `json:"settled_at"`
}

type heldView struct {
	ID             string    `json:"id"`
	OutTradeNo     string    `json:"out_trade_no"`
	Reason         string    `json:"reason"`
	TradeNo        string    `json:"trade_no"`
	Status         string    `json:"status"`
	TotalAmount    string    `json:"total_amount"`
	RefundedAmount string    `json:"refunded_amount"`
	BuyerID        string    `json:"buyer_id"`
	SellerID       string    `json:"seller_id"`
	Source         string    `json:"source"`
	PaidAt         time.Time `json:"paid_at"`
	HeldAt         time.Time `json:"held_at"`
	Decision       *struct {
		Decision     string    `json:"decision"`
		DecidedAt    time.Time `json:"decided_at"`
		OutRequestNo string    `json:"out_request_no"`
		Outcome      string    `json:"outcome"`
		SubCode      string    `json:"sub_code"`
	} `json:"decision"`
}

type eventView struct {
	ID             string    `json:"id"`
	Type           string    `json:"type"`
	OutTradeNo     string    `json:"out_trade_no"`
	Sequence       int       `json:"sequence"`
	State          string    `json:"state"`
	Status         string    `json:"status"`
	RefundedAmount string    `json:"refunded_amount"`
	Source         string    `json:"source"`
	At             time.Time `json:"at"`
}

// when is a time in Alipay's zone, as its console shows it; "-" if there is none.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(trade.Zone).Format(trade.TimeLayout)
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// told is how many of an order's events the shop has accepted.
func (o *orderView) told() string {
	if o.Sequence == 0 {
		return "-"
	}
	return strconv.Itoa(o.Accepted) + "/" + strconv.Itoa(o.Sequence)
}
