// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade

import "time"

// EventType names what happened to an order, in the shop's terms.
type EventType string

// The events. A full refund is refund.succeeded; trade.closed is for orders
// that ended unpaid.
const (
	EventPaid     EventType = "trade.paid"
	EventFinished EventType = "trade.finished"
	EventClosed   EventType = "trade.closed"
	EventRefund   EventType = "refund.succeeded"
)

// Event is one thing the shop has to be told. Status, Refunded and Source are
// the order's at the event, so that a later Sequence never tells an older state.
type Event struct {
	ID         string // given by the ledger, the same at every delivery
	Type       EventType
	OutTradeNo string
	Sequence   int // 1, 2, 3… within the order
	Status     Status
	Refunded   Amount
	Source     Source
	At         time.Time // when the evidence was received

	// Direct: the evidence that caused it states this very event, so its
	// original may be shown to the shop. An implied event has none.
	Direct bool
}
