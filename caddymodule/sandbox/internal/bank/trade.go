// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bank

import (
	"time"
)

// Status is a trade's state, in Alipay's words.
type Status string

// The four states of a trade.
const (
	WaitBuyerPay Status = "WAIT_BUYER_PAY"
	Success      Status = "TRADE_SUCCESS"
	Finished     Status = "TRADE_FINISHED"
	Closed       Status = "TRADE_CLOSED"
)

// Order is what a merchant asks to be paid.
type Order struct {
	OutTradeNo     string
	Total          Fen
	Subject        string
	Body           string
	GoodsDetail    string // JSON, verbatim
	PassbackParams string
	ProductCode    string
	SellerID       string
	NotifyURL      string // empty: no notices
	Expire         time.Time
}

// sameAs says whether another request may take over the trade: Alipay reuses
// it when the order's data are equal and answers CONTEXT_INCONSISTENT else.
func (o Order) sameAs(other Order) bool {
	return o.Total == other.Total && o.Subject == other.Subject && o.Body == other.Body &&
		o.GoodsDetail == other.GoodsDetail && o.SellerID == other.SellerID
}

// Trade is an order that a buyer has opened.
type Trade struct {
	Order
	TradeNo  string
	Status   Status
	Buyer    *Buyer // who logged in last, or paid
	Created  time.Time
	Paid     time.Time // zero: never paid
	Closed   time.Time
	Finished time.Time
	Refunded Fen // the sum of all refunds
	Refunds  []Refund
}

// Open creates the trade of an order when a buyer logs in to the cashier, or
// takes the existing one. It fails when the order's time is over, when the
// trade is paid or closed, or when the number stands for another order.
func (b *Book) Open(order Order, buyer *Buyer, now time.Time) (*Trade, error) {
	trade, err := b.Usable(order, now)
	if err != nil {
		return nil, err
	}
	if trade == nil {
		trade = &Trade{Order: order, Status: WaitBuyerPay, Created: now, TradeNo: b.tradeNo(now)}
		b.byOutNo[order.OutTradeNo] = trade
		b.byTradeNo[trade.TradeNo] = trade
	}
	trade.Buyer = buyer
	return trade, nil
}

// Usable tells whether an order can still be paid, and returns its trade if
// there is one.
func (b *Book) Usable(order Order, now time.Time) (*Trade, error) {
	trade := b.byOutNo[order.OutTradeNo]
	if trade == nil {
		if !now.Before(order.Expire) {
			return nil, ErrExpired
		}
		return nil, nil
	}
	b.expire(trade, now)
	switch {
	case trade.Status == Success || trade.Status == Finished || !trade.Paid.IsZero():
		return trade, ErrHasSuccess
	case trade.Status == Closed:
		return trade, ErrHasClose
	case !trade.sameAs(order):
		return trade, ErrInconsistent
	}
	return trade, nil
}

// Pay moves the buyer's money. Paying a paid trade again is ErrHasSuccess.
func (b *Book) Pay(trade *Trade, buyer *Buyer, now time.Time) error {
	b.expire(trade, now)
	switch trade.Status {
	case Success, Finished:
		return ErrHasSuccess
	case Closed:
		return ErrHasClose
	}
	return b.settle(trade, buyer, now)
}

// PayClosed pays although the trade was closed unpaid: the race that real
// gateways lose now and then.
func (b *Book) PayClosed(trade *Trade, buyer *Buyer, now time.Time) error {
	if !trade.Paid.IsZero() {
		return ErrHasSuccess
	}
	return b.settle(trade, buyer, now)
}

func (b *Book) settle(trade *Trade, buyer *Buyer, now time.Time) error {
	if buyer.Blocked {
		return ErrBuyerForbidden
	}
	if buyer.Balance < trade.Total {
		return ErrBuyerBalance
	}
	buyer.Balance -= trade.Total
	b.Seller += trade.Total
	trade.Buyer, trade.Status, trade.Paid = buyer, Success, now
	return nil
}

// Close ends an unpaid trade.
func (b *Book) Close(trade *Trade, now time.Time) error {
	b.expire(trade, now)
	if trade.Status != WaitBuyerPay {
		return ErrStatus
	}
	trade.Status, trade.Closed = Closed, now
	return nil
}

// Finish ends the time in which a paid trade can be refunded.
func (b *Book) Finish(trade *Trade, now time.Time) error {
	if trade.Status != Success {
		return ErrStatus
	}
	trade.Status, trade.Finished = Finished, now
	return nil
}

// Expire closes the trade if its time is over and it is unpaid. It reports
// whether it did.
func (b *Book) Expire(trade *Trade, now time.Time) bool { return b.expire(trade, now) }

func (b *Book) expire(trade *Trade, now time.Time) bool {
	if trade.Status != WaitBuyerPay || now.Before(trade.Expire) {
		return false
	}
	trade.Status, trade.Closed = Closed, trade.Expire
	return true
}
