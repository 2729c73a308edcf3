// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade

import (
	"errors"
	"slices"
)

// Reasons why an order is not sent to the cashier (again).
var (
	ErrPaid         = errors.New("the order is already paid")
	ErrClosed       = errors.New("the order was closed unpaid; it needs a new out_trade_no")
	ErrContradicted = errors.New("statements about the order contradict each other; a person has to decide")
)

// Attempt records that the buyer is about to be sent to the cashier with the
// terms a. Equal terms only raise the latest attempt's count. It fails with
// ErrPaid, ErrClosed or ErrContradicted, and then the order is unchanged.
func (o Order) Attempt(k Key, a Attempt) (Order, error) {
	switch {
	case o.Contradicted:
		return o, ErrContradicted
	case o.Paid:
		return o, ErrPaid
	case o.Closed:
		return o, ErrClosed
	}
	if !o.Exists() {
		o.AppID, o.OutTradeNo, o.CreatedAt = k.AppID, k.OutTradeNo, a.At
	}
	o.UpdatedAt = a.At
	o.Total = a.Total
	o.AskAt, o.Asked = a.At.Add(askGrace), 0
	o.Attempts = slices.Clone(o.Attempts)
	if last := o.Latest(); o.Exists() && last.sameTerms(a) {
		a.Count = last.Count
		o.Attempts = o.Attempts[:len(o.Attempts)-1]
	}
	a.Count++
	o.Attempts = append(o.Attempts, a)
	if extra := len(o.Attempts) - maxAttempts; extra > 0 {
		o.Attempts = slices.Delete(o.Attempts, 0, extra)
	}
	return o, nil
}

func (a Attempt) sameTerms(b Attempt) bool {
	return a.Total == b.Total && a.SellerID == b.SellerID && a.PublicURL == b.PublicURL
}
