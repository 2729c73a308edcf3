// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade

import (
	"strings"
	"time"
)

// Agenda is what is to be done about an order, and when. Attempt and Fold set the
// first dates, the courier sets the later ones through the ledger. It is no part
// of what is known of the order: two records may differ in it alone.
type Agenda struct {
	// TellAt is when the first event that the shop has not accepted is to be
	// told; zero if there is none that may be told.
	TellAt time.Time
	// Refusals counts how often the shop has not accepted that event, RefusedSince
	// is when it first did not, and Refusal says why it last did not.
	Refusals     int
	RefusedSince time.Time
	Refusal      string // at most maxRefusal bytes

	// AskAt is when Alipay is to be asked about the order; zero if its outcome
	// is known, or can no longer change.
	AskAt time.Time
	// Asked counts the answers since the latest attempt that settled nothing.
	Asked int

	// RefundAt is when Alipay is to be asked about the oldest refund whose outcome
	// is unknown; zero if there is none. RefundTries counts how often it was sent or
	// asked about without an outcome: 0 means that it was never sent.
	RefundAt    time.Time
	RefundTries int
}

const (
	// tellGrace leaves the first delivery of an event to whoever recorded it. If
	// that process dies in between, the courier takes over.
	tellGrace = 5 * time.Second
	// askGrace is how long after a buyer was sent to the cashier Alipay is first
	// asked: before that, the trade hardly ever exists.
	askGrace = 30 * time.Second
	// refundGrace leaves a refund to whoever recorded it. If that process dies
	// before it has noted the outcome, the courier takes over.
	refundGrace = 30 * time.Second
	// refundGap is the least pause between two refunds of one trade.
	refundGap = 3 * time.Second
)

// Dead reports whether events are left that only a person has told again.
func (o *Order) Dead() bool { return o.Undelivered() && o.TellAt.IsZero() && !o.Contradicted }

// Accept notes that the shop has accepted the events up to and with sequence, and
// reports whether that was news. Events that are left keep their date.
func (o *Order) Accept(sequence int) bool {
	if sequence = min(sequence, o.Sequence); sequence <= o.Accepted {
		return false
	}
	o.Accepted = sequence
	o.Refusals, o.RefusedSince, o.Refusal = 0, time.Time{}, ""
	if !o.Undelivered() {
		o.TellAt = time.Time{}
	}
	return true
}

// maxRefusal bounds the reason of a refusal that is kept, in bytes.
const maxRefusal = 200

// Refuse notes that the shop has not accepted the event with the given sequence,
// why, and when it is to be told next (zero: it is dead). It reports false, and
// does nothing, if the event has been accepted since or is not the next one.
func (o *Order) Refuse(sequence int, why string, at, next time.Time) bool {
	if sequence != o.Accepted+1 || sequence > o.Sequence || o.Contradicted {
		return false
	}
	if o.Refusals == 0 {
		o.RefusedSince = at
	}
	o.Refusals++
	o.Refusal = strings.ToValidUTF8(why[:min(len(why), maxRefusal)], "")
	o.TellAt = next
	return true
}

// AskNext notes that asking has settled nothing, and when Alipay is to be asked
// next (zero: no more). It reports false if the order is settled.
func (o *Order) AskNext(next time.Time) bool {
	if o.settled() {
		return false
	}
	o.Asked++
	o.AskAt = next
	return true
}

// settled: Alipay has nothing to tell that would change what the shop was told.
func (o *Order) settled() bool { return o.Paid || o.Closed || o.Contradicted }

// plan sets the first dates after evidence has changed the order.
func (o *Order) plan(events []Event, at time.Time) {
	if o.settled() {
		o.AskAt = time.Time{}
	}
	switch {
	case o.Contradicted:
		o.TellAt = time.Time{}
	case len(events) > 0 && o.TellAt.IsZero(): // also after older events have died: news revives them
		o.TellAt, o.Refusals, o.RefusedSince, o.Refusal = at.Add(tellGrace), 0, time.Time{}, ""
	}
}

// planRefunds sets the date of the next unknown refund after one was settled: as
// soon as Alipay takes it, for it has waited for its turn.
func (o *Order) planRefunds(at time.Time) {
	o.RefundAt, o.RefundTries = time.Time{}, 0
	if o.UnknownRefund() != nil {
		o.RefundAt = at.Add(refundGap)
	}
}

// Revive has the next event told again now, also if the courier has given it up.
// It reports false if there is none that may be told.
func (o *Order) Revive(now time.Time) bool {
	if !o.Undelivered() || o.Contradicted {
		return false
	}
	o.TellAt, o.Refusals, o.RefusedSince, o.Refusal = now, 0, time.Time{}, ""
	return true
}
