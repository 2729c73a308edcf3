// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bank

import "time"

// Refund is one refund of a trade. Its number is unique within the trade.
type Refund struct {
	RequestNo string
	Amount    Fen
	Reason    string
	At        time.Time
	Total     Fen // the trade's sum of refunds after this one
}

// CheckRefund tells what would become of a refund. requestNo may be empty for a
// full refund only and then is the trade's own number. The same number with
// the same amount is the same refund: known is true then, and plan is it.
func (b *Book) CheckRefund(trade *Trade, ask Refund, now time.Time) (plan Refund, known bool, err error) {
	if ask.RequestNo == "" {
		if ask.Amount != trade.Total && !trade.Paid.IsZero() {
			return Refund{}, false, ErrRefundFee
		}
		ask.RequestNo = trade.OutTradeNo
	}
	if earlier, ok := trade.FindRefund(ask.RequestNo); ok {
		if earlier.Amount != ask.Amount {
			return Refund{}, false, ErrDiscordantRepeat
		}
		return earlier, true, nil
	}
	b.expire(trade, now)
	switch trade.Status {
	case WaitBuyerPay:
		return Refund{}, false, ErrStatus
	case Closed:
		return Refund{}, false, ErrHasClose
	case Finished:
		return Refund{}, false, ErrHasFinished
	}
	if trade.Refunded+ask.Amount > trade.Total {
		return Refund{}, false, ErrRefundTooMuch
	}
	if b.Seller < ask.Amount {
		return Refund{}, false, ErrSellerBalance
	}
	return ask, false, nil
}

// Refund moves money back, unless CheckRefund objects or knows the refund:
// moved is false then. A refund that reaches the total closes the trade.
func (b *Book) Refund(trade *Trade, ask Refund, now time.Time) (done Refund, moved bool, err error) {
	done, known, err := b.CheckRefund(trade, ask, now)
	if err != nil || known {
		return done, false, err
	}
	b.Seller -= done.Amount
	trade.Buyer.Balance += done.Amount
	trade.Refunded += done.Amount
	done.At, done.Total = now, trade.Refunded
	trade.Refunds = append(trade.Refunds, done)
	if trade.Refunded == trade.Total {
		trade.Status, trade.Closed = Closed, now
	}
	return done, true, nil
}

// FindRefund looks a refund up by its number.
func (t *Trade) FindRefund(requestNo string) (Refund, bool) {
	for _, refund := range t.Refunds {
		if refund.RequestNo == requestNo {
			return refund, true
		}
	}
	return Refund{}, false
}
