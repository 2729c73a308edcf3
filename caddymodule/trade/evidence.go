// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Evidence is one verified statement of Alipay about one trade, whatever way it
// came. It has been proved to be Alipay's and to be meant for AppID; whether it
// fits the order is for Fold to say.
type Evidence struct {
	Source     Source
	AppID      string
	OutTradeNo string
	TradeNo    string // Alipay's number
	Status     Status
	Total      Amount // total_amount; 0 where the statement has none
	SellerID   string // "" where the statement has none (a query answer)
	BuyerID    string // buyer_id, or buyer_open_id for merchants that get open ids

	// Refunded is the sum refunded so far, this refund included; 0 if the
	// statement speaks of no refund. For TRADE_CLOSED it tells a full refund
	// from an unpaid order's end.
	Refunded Amount
	// RefundAmountMissing: the statement speaks of a refund and names no sum.
	RefundAmountMissing bool
	// RefundAmount is what this one refund moved, for statements that name no sum
	// (alipay.trade.fastpay.refund.query); else 0.
	RefundAmount    Amount
	RefundRequestNo string // out_request_no; out_biz_no in a notify

	PaidAt     time.Time // gmt_payment, send_pay_date
	RefundedAt time.Time // gmt_refund
	ClosedAt   time.Time // gmt_close

	ReceivedAt time.Time // by our clock
	NotifyID   string

	// Raw is the message as received, and ContentType its media type. The shop
	// gets the verified original where an event has one.
	Raw         []byte
	ContentType string
}

// proves reports whether the statement says that the buyer has paid. A refund
// proves the payment that it gives back.
func (e *Evidence) proves() bool {
	return e.Status == StatusSuccess || e.Status == StatusFinished || e.Refunded > 0 || e.RefundAmount > 0 || e.RefundAmountMissing
}

// unpriced reports whether the statement may differ from the order in its total:
// a query's answer about an unpaid trade may be about an older price, and an
// answer to a refund names no total.
func (e *Evidence) unpriced() bool {
	return e.Source == SourceQuery && !e.proves() || e.Source == SourceRefund && e.Total == 0
}

// endsUnpaid reports whether the statement says that the trade was closed and
// never paid.
func (e *Evidence) endsUnpaid() bool { return e.Status == StatusClosed && !e.proves() }

// Digest identifies what is stated, not the message that carried it: a repeated
// notice, or a query answer that says the same, has the same digest.
func (e *Evidence) Digest() string {
	h := sha256.New()
	for _, s := range []string{e.AppID, e.OutTradeNo, e.TradeNo, string(e.Status), e.SellerID, e.RefundRequestNo} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	var sums [16]byte
	binary.BigEndian.PutUint64(sums[:8], uint64(e.Total))
	binary.BigEndian.PutUint64(sums[8:], uint64(e.Refunded))
	h.Write(sums[:])
	if e.RefundAmount != 0 {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(e.RefundAmount)))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
