// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade

import (
	"errors"
	"slices"
	"time"
)

// Refund is one refund that Alipay has stated.
type Refund struct {
	RequestNo string // out_request_no, "" if no statement named it
	Sum       Amount // refunded in total up to and with this refund
	Amount    Amount // of this refund alone; 0 if no statement named it
	At        time.Time
}

// RefundOutcome says how a refund that was asked for has ended.
type RefundOutcome string

// The outcomes. An unknown refund may have moved money: it counts in the sum,
// and Alipay is asked until it is known.
const (
	RefundUnknown   RefundOutcome = "unknown"
	RefundSucceeded RefundOutcome = "succeeded"
	RefundFailed    RefundOutcome = "failed"
)

// RefundIntent is a refund that the merchant wants, recorded before Alipay is
// called. Alipay takes a repeated out_request_no with the same amount for the
// same refund (alipay.trade.refund, document 02ekfs), and so does an order.
type RefundIntent struct {
	RequestNo string // out_request_no, unique within the order
	Amount    Amount
	Reason    string // refund_reason, for the buyer's bill
	At        time.Time
	Outcome   RefundOutcome
	SettledAt time.Time // when the outcome became known; zero while it is not
	Failure   string    // of a failed one: Alipay's sub_code
}

// Reasons why a refund is not asked of Alipay.
var (
	ErrNotPaid        = errors.New("the order is not paid; there is nothing to refund")
	ErrFinished       = errors.New("the trade is finished; Alipay refunds it no more")
	ErrRefundConflict = errors.New("this out_request_no already stands for a refund of another amount")
	ErrRefundSum      = errors.New("the refunds of this order would exceed what was paid")
	ErrTooManyRefunds = errors.New("the order has as many refunds as one order can have")
)

// maxIntents bounds the refunds that one order can have.
const maxIntents = 200

// Intend records that the merchant wants a refund. One that is known already
// (the same number, the same amount) changes nothing, unless it has failed: then
// it is to be tried again. Otherwise it fails with one of the errors above,
// ErrContradicted among them, and the order is unchanged.
func (o *Order) Intend(i RefundIntent) (changed bool, err error) {
	known := o.Intent(i.RequestNo)
	switch {
	case known != nil && known.Amount != i.Amount:
		return false, ErrRefundConflict
	case known != nil && known.Outcome != RefundFailed:
		return false, nil
	case o.Contradicted:
		return false, ErrContradicted
	case !o.Paid:
		return false, ErrNotPaid
	case o.Finished:
		return false, ErrFinished
	case o.Refunded()+o.undecided()+i.Amount > o.Total && !o.refundNamed(i.RequestNo):
		return false, ErrRefundSum
	case known == nil && len(o.Intents) >= maxIntents:
		return false, ErrTooManyRefunds
	}
	if o.UnknownRefund() == nil { // else that one has its turn, and its date, first
		o.RefundAt, o.RefundTries = i.At.Add(refundGrace), 0
	}
	i.Outcome, i.SettledAt, i.Failure = RefundUnknown, time.Time{}, ""
	o.Intents = slices.DeleteFunc(slices.Clone(o.Intents), func(have RefundIntent) bool { return have.RequestNo == i.RequestNo })
	o.Intents = append(o.Intents, i)
	o.UpdatedAt = later(o.UpdatedAt, i.At)
	return true, nil
}

// FailRefund notes that Alipay has refused a refund, and why (its sub_code). It
// reports false, and does nothing, if the refund is not unknown.
func (o *Order) FailRefund(requestNo, failure string, at time.Time) bool {
	known := o.Intent(requestNo)
	if known == nil || known.Outcome != RefundUnknown {
		return false
	}
	o.Intents = slices.Clone(o.Intents)
	i := o.Intent(requestNo)
	i.Outcome, i.SettledAt, i.Failure = RefundFailed, at, failure
	o.UpdatedAt = later(o.UpdatedAt, at)
	o.planRefunds(at)
	return true
}

// RefundNext notes that the oldest unknown refund is about to be sent, or that its
// outcome is still unknown, and when Alipay is to be asked about it next. It
// reports false if no refund is unknown.
func (o *Order) RefundNext(next time.Time) bool {
	if o.UnknownRefund() == nil {
		return false
	}
	o.RefundTries++
	o.RefundAt = next
	return true
}

// RefundFrom is the earliest time at which another refund of the order may be sent:
// Alipay asks for a pause after the one before (document 02ekfs).
func (o *Order) RefundFrom() time.Time {
	var last time.Time
	for i := range o.Intents {
		if settled := o.Intents[i].SettledAt; !settled.IsZero() {
			last = later(last, settled.Add(refundGap))
		}
	}
	return last
}

// Intent is the intent with the given out_request_no, or nil.
func (o *Order) Intent(requestNo string) *RefundIntent {
	for i := range o.Intents {
		if o.Intents[i].RequestNo == requestNo {
			return &o.Intents[i]
		}
	}
	return nil
}

// UnknownRefund is the oldest refund whose outcome is unknown, or nil. Refunds of
// one order go to Alipay one after the other, in the order of Intents: so the sum
// at which each one ends is known, whichever way its success is learnt.
func (o *Order) UnknownRefund() *RefundIntent {
	for i := range o.Intents {
		if o.Intents[i].Outcome == RefundUnknown {
			return &o.Intents[i]
		}
	}
	return nil
}

// undecided is the sum of the refunds whose outcome is unknown.
func (o *Order) undecided() (sum Amount) {
	for i := range o.Intents {
		if o.Intents[i].Outcome == RefundUnknown {
			sum += o.Intents[i].Amount
		}
	}
	return sum
}

// refundNamed reports whether Alipay has stated a refund with this number: asked
// for again, it moves no money.
func (o *Order) refundNamed(requestNo string) bool {
	return slices.ContainsFunc(o.Refunds, func(r Refund) bool { return r.RequestNo == requestNo && requestNo != "" })
}

// endsAt is the sum at which a refund ends of which only its own amount was
// stated (alipay.trade.fastpay.refund.query names no sum): its amount and what was
// refunded before it. Ours go to Alipay one after the other; others may be made by
// hand. Which ones came before is told by Alipay's clock and, within one second,
// by the amounts: a refund whose sum leaves no room for this one came before it.
// Where that is not certain it is the smaller sum: joinRefund raises it when the
// sum is stated.
func (o *Order) endsAt(e *Evidence) Amount {
	var before Amount
	for _, r := range o.Refunds {
		if r.RequestNo == e.RefundRequestNo || r.RequestNo == "" && r.Sum-before == e.RefundAmount {
			return r.Sum
		}
		before = r.Sum
	}
	before = 0
	for _, r := range o.Refunds {
		earlier := e.RefundedAt.IsZero() || r.At.Truncate(time.Second).Before(e.RefundedAt.Truncate(time.Second))
		noRoom := r.Amount > 0 && r.Sum-before-r.Amount < e.RefundAmount
		if !earlier && !noRoom {
			break
		}
		before = r.Sum
	}
	sum := min(before+e.RefundAmount, o.Total)
	for sum > 1 && slices.ContainsFunc(o.Refunds, func(r Refund) bool { return r.Sum == sum }) {
		sum-- // no two refunds end at one sum
	}
	return sum
}

// joinRefund adds a refund to those known. Its number identifies it and, where no
// number was stated, its sum: each refund moves money, so no two of one trade end
// at the same sum.
func joinRefund(refunds []Refund, r Refund) []Refund {
	refunds = slices.Clone(refunds)
	for _, same := range []func(Refund) bool{
		func(have Refund) bool { return r.RequestNo != "" && have.RequestNo == r.RequestNo },
		func(have Refund) bool { return have.Sum == r.Sum },
	} {
		if i := slices.IndexFunc(refunds, same); i >= 0 {
			r.RequestNo = join(refunds[i].RequestNo, r.RequestNo)
			r.At = earliest(refunds[i].At, r.At)
			r.Sum = max(refunds[i].Sum, r.Sum)
			r.Amount = max(refunds[i].Amount, r.Amount)
			refunds = slices.Delete(refunds, i, i+1)
		}
	}
	i, _ := slices.BinarySearchFunc(refunds, r.Sum, func(have Refund, sum Amount) int { return int(have.Sum - sum) })
	return slices.Insert(refunds, i, r)
}

// discordant is Alipay's word for a number that stands for a refund of another
// amount.
const discordant = "ACQ.DISCORDANT_REPEAT_REQUEST"

// settleIntents notes the success of the refund that a statement names. If the
// statement names another amount, its number was used by somebody else, and the
// refund that was asked for here has not happened.
func (o *Order) settleIntents(e *Evidence) {
	known := o.Intent(e.RefundRequestNo)
	if e.RefundRequestNo == "" || known == nil || known.Outcome == RefundSucceeded {
		return
	}
	o.Intents = slices.Clone(o.Intents)
	i := o.Intent(e.RefundRequestNo)
	i.Outcome, i.SettledAt, i.Failure = RefundSucceeded, e.ReceivedAt, ""
	if e.RefundAmount > 0 && e.RefundAmount != i.Amount {
		i.Outcome, i.Failure = RefundFailed, discordant
	}
	o.planRefunds(e.ReceivedAt)
}
