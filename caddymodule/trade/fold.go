// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade

import (
	"slices"
	"time"
)

// Result is what one evidence did to one order.
type Result struct {
	Order  Order
	Events []Event // caused now, in sequence
	Held   *Held   // set if the evidence does not fit; it has then not been folded
	// Changed: the order's record differs from before (also without events, or
	// with Held, which may mark the order as contradicted).
	Changed bool
}

// Fold folds evidence into an order's record. It is pure, idempotent and
// insensitive to order: every permutation, with any repetition, of a consistent
// set of evidence ends in the same record and causes each event once. It
// compares for held only what a person has to see; nothing it holds is told.
//
// A zero Order stands for an order that was never sent to the cashier.
func Fold(o Order, e Evidence) Result {
	stated := e
	if e.Refunded == 0 && e.RefundAmount > 0 {
		e.Refunded = o.endsAt(&e)
	}
	if reason := misfit(&o, &e); reason != "" {
		return hold(o, stated, reason, false)
	}
	if ignorable(&o, &e) {
		return Result{Order: o}
	}
	if reason := contradiction(&o, &e); reason != "" {
		return hold(o, stated, reason, true)
	}
	next := learn(o, &e)
	events := caused(&o, &next, &e)
	changed := len(events) > 0 || !sameFacts(&o, &next)
	if !changed {
		return Result{Order: o}
	}
	if o.Contradicted && len(events) > 0 {
		return hold(o, stated, ReasonContradicted, false)
	}
	next.UpdatedAt = later(o.UpdatedAt, e.ReceivedAt)
	next.plan(events, e.ReceivedAt)
	return Result{Order: next, Events: events, Changed: true}
}

// misfit checks the statement against the order's terms: facts that Alipay's
// document on asynchronous notices tells every merchant to check.
func misfit(o *Order, e *Evidence) Reason {
	if !o.Exists() {
		return ReasonUnknownOrder
	}
	if want := o.Latest().SellerID; want != "" && e.SellerID != "" && e.SellerID != want {
		return ReasonSeller
	}
	if e.Total != o.Total && !e.unpriced() {
		if !o.Paid && slices.ContainsFunc(o.Attempts, func(a Attempt) bool { return a.Total == e.Total }) {
			return ReasonOlderPrice
		}
		return ReasonAmount
	}
	switch {
	case !e.Status.Known(), e.TradeNo == "" && e.proves(), e.RefundAmountMissing, e.Status == StatusWait && e.proves():
		return ReasonIncomplete
	case e.Refunded > o.Total, e.Status == StatusClosed && e.Refunded > 0 && e.Refunded != o.Total:
		return ReasonRefundSum
	}
	return ""
}

// ignorable tells statements that say nothing new about money: in a query's answer
// the state of a trade opened at an older price, and the bare TRADE_CLOSED of a
// trade whose full refund is known (not every answer carries send_pay_date); and
// an unpaid end that a person has overruled by accepting the payment.
func ignorable(o *Order, e *Evidence) bool {
	switch {
	case e.proves():
		return false
	case e.endsUnpaid() && o.Paid && !o.ClosedAt.IsZero():
		return true
	case e.Source != SourceQuery:
		return false
	}
	return e.Total != o.Total || e.Status == StatusClosed && o.Paid && o.Status() == StatusClosed
}

func contradiction(o *Order, e *Evidence) Reason {
	switch {
	case e.proves() && o.Closed:
		return ReasonPaidAfterClose
	case e.endsUnpaid() && o.Paid:
		return ReasonClosedAfterPay
	case e.proves() && o.Paid && e.TradeNo != o.TradeNo:
		return ReasonSecondTrade
	}
	return ""
}

// Foreign holds evidence about o whose trade is another order's, which Alipay's
// numbers never are. Ledgers call it in place of Fold when Fold would give the
// order a number that another one has.
func Foreign(o Order, e Evidence) Result { return hold(o, e, ReasonForeignTrade, false) }

func hold(o Order, e Evidence, reason Reason, contradicts bool) Result {
	r := Result{Order: o, Held: &Held{ID: e.Digest(), Reason: reason, Evidence: e, At: e.ReceivedAt}}
	if contradicts && !o.Contradicted {
		r.Order.Contradicted = true
		r.Order.plan(nil, e.ReceivedAt)
		r.Order.UpdatedAt = later(o.UpdatedAt, e.ReceivedAt)
		r.Changed = true
	}
	return r
}

// learn joins the facts of e into o. Every join is commutative: the order in
// which statements arrive leaves no trace.
func learn(o Order, e *Evidence) Order {
	before := standing(o.Paid, o.Closed, o.Waiting)
	switch {
	case e.proves():
		o.Paid = true
		o.Finished = o.Finished || e.Status == StatusFinished
		o.PaidAt = earliest(o.PaidAt, e.PaidAt)
	case e.endsUnpaid():
		o.Closed = true
		o.ClosedAt = earliest(o.ClosedAt, e.ClosedAt)
	default:
		o.Waiting = true
	}
	if e.Refunded > 0 {
		o.Refunds = joinRefund(o.Refunds, Refund{RequestNo: e.RefundRequestNo, Sum: e.Refunded, Amount: e.RefundAmount, At: e.RefundedAt})
		o.settleIntents(e)
	}
	switch mine := standing(e.proves(), e.endsUnpaid(), true); {
	case mine > before: // a stronger statement: its names replace provisional ones
		o.TradeNo, o.Source = e.TradeNo, e.Source
		o.BuyerID, o.SellerID = join(o.BuyerID, e.BuyerID), join(o.SellerID, e.SellerID)
	case mine == before:
		o.TradeNo = join(o.TradeNo, e.TradeNo)
		o.BuyerID, o.SellerID = join(o.BuyerID, e.BuyerID), join(o.SellerID, e.SellerID)
		if e.Source.rank() < o.Source.rank() {
			o.Source = e.Source
		}
	default:
		o.BuyerID, o.SellerID = join(o.BuyerID, e.BuyerID), join(o.SellerID, e.SellerID)
	}
	return o
}

// standing ranks how much a set of facts proves.
func standing(paid, closed, waiting bool) int {
	switch {
	case paid:
		return 3
	case closed:
		return 2
	case waiting:
		return 1
	}
	return 0
}

// caused lists the events between two records, in the order in which the shop
// has to hear of them, and counts them into next.Sequence.
func caused(prev, next *Order, e *Evidence) []Event {
	var events []Event
	add := func(t EventType, s Status, refunded Amount, direct bool) {
		next.Sequence++
		events = append(events, Event{
			Type: t, OutTradeNo: next.OutTradeNo, Sequence: next.Sequence,
			Status: s, Refunded: refunded, Source: e.Source, At: e.ReceivedAt, Direct: direct,
		})
	}
	if next.Paid && !prev.Paid {
		plain := e.Status == StatusSuccess && e.Refunded == 0
		add(EventPaid, StatusSuccess, 0, plain)
	}
	if len(next.Refunds) > len(prev.Refunds) || next.Refunded() > prev.Refunded() {
		add(EventRefund, next.Status(), next.Refunded(), true)
	}
	if next.Finished && !prev.Finished {
		add(EventFinished, next.Status(), next.Refunded(), e.Status == StatusFinished)
	}
	if next.Closed && !prev.Closed {
		add(EventClosed, next.Status(), 0, true)
	}
	return events
}

func sameFacts(a, b *Order) bool {
	return a.TradeNo == b.TradeNo && a.SellerID == b.SellerID && a.BuyerID == b.BuyerID &&
		a.PaidAt.Equal(b.PaidAt) && a.ClosedAt.Equal(b.ClosedAt) && a.Source == b.Source &&
		a.Waiting == b.Waiting && a.Paid == b.Paid && a.Finished == b.Finished && a.Closed == b.Closed &&
		slices.EqualFunc(a.Refunds, b.Refunds, func(x, y Refund) bool {
			return x.RequestNo == y.RequestNo && x.Sum == y.Sum && x.Amount == y.Amount && x.At.Equal(y.At)
		}) &&
		slices.EqualFunc(a.Intents, b.Intents, func(x, y RefundIntent) bool {
			return x.RequestNo == y.RequestNo && x.Outcome == y.Outcome
		})
}

// join picks the one that is known and, of two that differ, the smaller one.
func join(a, b string) string {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
