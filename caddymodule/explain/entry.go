// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package explain turns what a ledger keeps about one order into a timeline, for
// programs as JSON and for people in words. It is pure: the same history always
// reads the same.
package explain

import (
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Report is all that can be told about one order.
type Report struct {
	OutTradeNo     string       `json:"out_trade_no"`
	Status         trade.Status `json:"status"`
	TradeNo        string       `json:"trade_no,omitempty"`
	PublicURL      string       `json:"public_url,omitempty"`
	TotalAmount    trade.Amount `json:"total_amount"`
	RefundedAmount trade.Amount `json:"refunded_amount"`

	Timeline []Entry `json:"timeline"` // what has happened, oldest first
	Next     []Entry `json:"next"`     // what is going to happen, or is waited for
}

// Entry is one thing that happened to an order, or is going to. Which fields are
// set depends on its kind.
type Entry struct {
	At   time.Time `json:"at,omitzero"` // zero if the time is not kept, or is up to a person
	Kind Kind      `json:"kind"`

	Amount   trade.Amount `json:"amount,omitempty"`
	Refund   trade.Amount `json:"refund_amount,omitempty"`   // by one refund, where no sum was stated
	Refunded trade.Amount `json:"refunded_amount,omitempty"` // in all

	Channel   string    `json:"channel,omitempty"`
	ExpiresAt time.Time `json:"time_expire,omitzero"`

	Source  trade.Source `json:"source,omitempty"`
	Status  trade.Status `json:"status,omitempty"`
	TradeNo string       `json:"trade_no,omitempty"`
	PaidAt  time.Time    `json:"paid_at,omitzero"`

	Event    trade.EventType `json:"event,omitempty"`
	EventID  string          `json:"event_id,omitempty"`
	Sequence int             `json:"sequence,omitempty"`

	RequestNo string `json:"out_request_no,omitempty"`

	HeldID   string       `json:"held_id,omitempty"`
	Decision trade.Decide `json:"decision,omitempty"`

	Count  int    `json:"count,omitempty"`  // how often it has happened
	Reason string `json:"reason,omitempty"` // why: a refusal, a sub_code, a word about what is held

	key time.Time // where it belongs in the timeline; At, unless that is not kept
}

// Kind says what an entry is about.
type Kind string

// The kinds of the timeline, in the order in which entries of one moment stand.
const (
	KindCreated         Kind = "created"          // the order came into the ledger
	KindSent            Kind = "sent"             // the buyer was sent to the cashier, Count times with these terms
	KindRefundAsked     Kind = "refund_asked"     // the merchant wants a refund
	KindHeld            Kind = "held"             // a signed statement does not fit the order
	KindDecided         Kind = "decided"          // a person has decided about it
	KindStatement       Kind = "statement"        // a verified statement of Alipay has changed the order
	KindEvent           Kind = "event"            // the shop has to be told of an event
	KindRefundSucceeded Kind = "refund_succeeded" // a refund that was asked for
	KindRefundFailed    Kind = "refund_failed"
	KindRefused         Kind = "refused"  // the shop has not accepted an event, Count times since
	KindAccepted        Kind = "accepted" // the shop has accepted an event
)

// The kinds of what comes next.
const (
	KindTell         Kind = "tell"         // the shop is told of an event
	KindDead         Kind = "dead"         // an event was given up; only a person has it told again
	KindAsk          Kind = "ask"          // Alipay is asked about the order
	KindAskRefund    Kind = "ask_refund"   // Alipay is asked about a refund
	KindDecide       Kind = "decide"       // a held statement waits for a person
	KindContradicted Kind = "contradicted" // nothing more is told until that is done
)

var ranks = func() map[Kind]int {
	ranks := make(map[Kind]int)
	for i, k := range []Kind{
		KindCreated, KindSent, KindRefundAsked, KindHeld, KindDecided, KindStatement, KindEvent,
		KindRefundSucceeded, KindRefundFailed, KindRefused, KindAccepted,
	} {
		ranks[k] = i
	}
	return ranks
}()
