// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade

import (
	"errors"
	"slices"
	"time"
)

// Held is a signed statement that does not fit its order. It waits for a person
// and is never told to the shop as paid.
type Held struct {
	ID       string // the evidence's digest: a repeat is the same item
	Reason   Reason
	Evidence Evidence
	At       time.Time
	Decision Decision
}

// Reason says in one word why evidence is held.
type Reason string

// The reasons.
const (
	ReasonUnknownOrder   Reason = "unknown_order"
	ReasonSeller         Reason = "seller_mismatch"
	ReasonAmount         Reason = "amount_mismatch"
	ReasonOlderPrice     Reason = "older_price"
	ReasonPaidAfterClose Reason = "paid_after_closed"
	ReasonClosedAfterPay Reason = "closed_after_paid"
	ReasonSecondTrade    Reason = "second_trade_paid"
	ReasonRefundSum      Reason = "refund_sum_mismatch"
	ReasonContradicted   Reason = "order_contradicted"
	ReasonIncomplete     Reason = "incomplete_statement"
	ReasonForeignTrade   Reason = "trade_of_another_order" // Foreign's; Fold sees one order only
)

// Reasons lists all of them.
func Reasons() []Reason {
	return []Reason{
		ReasonUnknownOrder, ReasonSeller, ReasonAmount, ReasonOlderPrice, ReasonPaidAfterClose, ReasonClosedAfterPay,
		ReasonSecondTrade, ReasonRefundSum, ReasonContradicted, ReasonIncomplete, ReasonForeignTrade,
	}
}

// Decide is what a person can decide about a held statement.
type Decide string

// The decisions.
const (
	DecideNone    Decide = ""        // it waits
	DecideAccept  Decide = "accept"  // it is folded in spite of its reason, and told
	DecideRefund  Decide = "refund"  // its trade is refunded in full at Alipay
	DecideDismiss Decide = "dismiss" // nothing is done about it
)

// Decision is a person's decision about a held statement.
type Decision struct {
	Word Decide
	At   time.Time
	// PublicURL is the site that an order is accepted for that was never sent to
	// the cashier; else it is not used.
	PublicURL string

	// Of a refund only: its out_request_no, its outcome, and Alipay's sub_code if
	// it failed.
	RequestNo string
	Outcome   RefundOutcome
	Failure   string
}

// Begins reports whether money moves because of the decision from now on, in the
// shop's books or at Alipay. Who takes it has to know whose trade it is about.
func (d *Decision) Begins() bool {
	return d.Word == DecideAccept || d.Word == DecideRefund && d.Outcome == RefundUnknown
}

// Reasons why a decision is not taken.
var (
	ErrDecided       = errors.New("this has been decided otherwise already")
	ErrNotAcceptable = errors.New("this statement cannot be accepted: it contradicts what the shop was told; refund or dismiss it")
	ErrOthersFirst   = errors.New("another statement contradicts this order and waits for a decision; decide that one first, then accept this one")
	ErrNoMoney       = errors.New("this statement is about no payment; there is nothing to refund")
	ErrOwnTrade      = errors.New("an order is paid by this trade already; refund that order, and dismiss this")
	ErrNoDecision    = errors.New("a decision is one of accept, refund and dismiss")
	ErrNeedsSite     = errors.New("this order was never sent to the cashier; say for which site's public_url it is accepted")
)

// Decided is what a decision did.
type Decided struct {
	Result
	Item Held // with the decision
	// News is false if the very decision had been taken before.
	News bool
}

// Settle takes a person's decision about a held statement of the order o. To
// decide the same again changes nothing, but for a refund: its outcome may become
// known, and one that failed may be tried again or be decided otherwise. about is
// all that was ever held about the order, h itself included or not: an order that
// the statement has contradicted may be told of again, unless others of its
// contradictions are still undecided, and what a decision about another statement
// gives back is not accepted as paid.
func Settle(o Order, h Held, d Decision, about []Held) (Decided, error) {
	was := h.Decision
	switch d.Word {
	case DecideAccept, DecideRefund, DecideDismiss:
	default:
		return Decided{}, ErrNoDecision
	}
	switch {
	case was.Word == DecideNone, was.Word == DecideRefund && was.Outcome == RefundFailed:
	case was.Word == DecideRefund && d.Word == DecideRefund:
		if was.RequestNo != d.RequestNo && d.Outcome != RefundUnknown {
			return Decided{}, ErrDecided // the outcome of some other refund
		}
		if was.Outcome == d.Outcome || was.Outcome == RefundSucceeded {
			return Decided{Result: Result{Order: o}, Item: h}, nil
		}
	case was.Word == d.Word:
		return Decided{Result: Result{Order: o}, Item: h}, nil
	default:
		return Decided{}, ErrDecided
	}
	if d.Word == DecideRefund && !h.Evidence.proves() {
		return Decided{}, ErrNoMoney
	}
	if d.Word == DecideRefund && d.Outcome == RefundUnknown && o.Paid && o.TradeNo == h.Evidence.TradeNo {
		return Decided{}, ErrOwnTrade
	}
	if d.Word == DecideAccept && slices.ContainsFunc(about, h.givenBackBy) {
		return Decided{}, ErrDecided
	}
	if h.Reason == ReasonForeignTrade && d.Begins() {
		return Decided{}, ErrOwnTrade
	}
	h.Decision = d
	freed := o
	if h.Contradicts() && !slices.ContainsFunc(about, h.contradictedBeside) && (d.Word != DecideRefund || d.Outcome == RefundSucceeded) {
		freed.Contradicted = false
	}
	if d.Word == DecideAccept {
		r, err := accept(freed, h, d)
		return Decided{Result: r, Item: h, News: true}, err
	}
	changed := freed.Contradicted != o.Contradicted
	if changed {
		freed.Revive(d.At)
	}
	if h.Reason == ReasonClosedAfterPay && o.Paid && o.ClosedAt.IsZero() {
		freed.overrule(earliest(h.Evidence.ClosedAt, d.At))
		changed = true
	}
	if changed {
		freed.UpdatedAt = later(o.UpdatedAt, d.At)
	}
	return Decided{Result: Result{Order: freed, Changed: changed}, Item: h, News: true}, nil
}

// overrule notes that a person lets the payment stand against an unpaid end: by
// its time that end stays known, so that its next statement is no contradiction.
func (o *Order) overrule(closedAt time.Time) {
	o.ClosedAt, o.Closed = closedAt, false
}

// givenBackBy reports whether another statement's trade is this one's, and was
// decided to be refunded: a notice and a query's answer about one payment are two
// statements.
func (h *Held) givenBackBy(other Held) bool {
	d := &other.Decision
	return other.ID != h.ID && other.Evidence.TradeNo == h.Evidence.TradeNo && d.Word == DecideRefund && d.Outcome != RefundFailed
}

// contradictedBeside reports whether another statement contradicts the order, too,
// and waits.
func (h *Held) contradictedBeside(other Held) bool {
	return other.ID != h.ID && other.Contradicts() && other.Waits()
}

// Contradicts reports whether the statement marks its order as contradicted.
func (h *Held) Contradicts() bool {
	return h.Reason == ReasonPaidAfterClose || h.Reason == ReasonClosedAfterPay || h.Reason == ReasonSecondTrade
}

// Answers reports whether a person's decision has answered e, too, which is about
// the same order: then e is a repeat, whatever it would do to the order now. That
// is the case if it states the very same, and if it goes on about a trade that is
// not the one by which the order o is paid and that a person has decided to refund
// in full, or to leave beside the order: its refund and its end are no news.
func (h *Held) Answers(o *Order, e *Evidence) bool {
	d, mine := &h.Decision, &h.Evidence
	switch {
	case d.Word == DecideNone:
		return false
	case h.ID == e.Digest():
		return true
	case mine.TradeNo == "" || mine.TradeNo != e.TradeNo || o.Paid && o.TradeNo == e.TradeNo:
		return false
	case d.Word == DecideRefund:
		return d.Outcome != RefundFailed
	}
	return d.Word == DecideDismiss && h.Contradicts() && mine.proves()
}

// Waits reports whether the statement waits for a person, or for the outcome of
// the refund that a person has decided on.
func (h *Held) Waits() bool {
	return h.Decision.Word == DecideNone || h.Decision.Word == DecideRefund && h.Decision.Outcome != RefundSucceeded
}

// Pays is what a buyer has paid by the statement; 0 if it is about no payment.
func (h *Held) Pays() Amount {
	if !h.Evidence.proves() {
		return 0
	}
	return h.Evidence.Total
}

// accept folds a held statement in as if the order had been made for it.
func accept(o Order, h Held, d Decision) (Result, error) {
	e := h.Evidence
	if !e.proves() || o.Paid && h.Reason != ReasonContradicted {
		return Result{}, ErrNotAcceptable
	}
	switch h.Reason {
	case ReasonUnknownOrder:
		if !o.Exists() && d.PublicURL == "" {
			return Result{}, ErrNeedsSite
		}
		if !o.Exists() {
			o.AppID, o.OutTradeNo, o.CreatedAt = e.AppID, e.OutTradeNo, d.At
			o.Attempts = []Attempt{{PublicURL: d.PublicURL, Channel: "unknown", Count: 1}}
		}
	case ReasonSeller, ReasonAmount, ReasonOlderPrice, ReasonPaidAfterClose, ReasonContradicted:
	default:
		return Result{}, ErrNotAcceptable
	}
	if h.Reason != ReasonContradicted {
		o.takeTerms(&e, d.At)
	}
	e.ReceivedAt = d.At
	r := Fold(o, e)
	switch {
	case r.Held != nil && o.Contradicted:
		return Result{}, ErrOthersFirst
	case r.Held != nil:
		return Result{}, ErrNotAcceptable
	}
	r.Changed = true
	return r, nil
}

// takeTerms makes those of an accepted payment the terms from now on, or its next
// notice would be held.
func (o *Order) takeTerms(e *Evidence, at time.Time) {
	a := o.Latest()
	o.Attempts = slices.Clone(o.Attempts)
	if a.Total == 0 { // made for this payment
		o.Attempts = nil
	}
	a.Total, a.At = e.Total, at
	if e.SellerID != "" {
		a.SellerID = e.SellerID
	}
	o.Attempts = append(o.Attempts[max(0, len(o.Attempts)-maxAttempts+1):], a)
	o.Total = e.Total
	if o.Closed {
		o.overrule(earliest(o.ClosedAt, at))
	}
}
