// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// appendEvidence writes a statement as it stands in the stream.
func appendEvidence(b []byte, e *trade.Evidence, n *names) []byte {
	b = appendName(b, 1, string(e.Source), n)
	b = appendName(b, 2, e.AppID, n)
	b = appendText(b, 3, e.OutTradeNo)
	b = appendText(b, 4, e.TradeNo)
	b = appendName(b, 5, string(e.Status), n)
	b = appendUint(b, 6, uint64(e.Total))
	b = appendName(b, 7, e.SellerID, n)
	b = appendText(b, 8, e.BuyerID)
	b = appendUint(b, 9, uint64(e.Refunded))
	if e.RefundAmountMissing {
		b = appendUint(b, 10, 1)
	}
	b = appendText(b, 11, e.RefundRequestNo)
	b = appendTime(b, 12, e.PaidAt, 0)
	b = appendTime(b, 13, e.RefundedAt, 0)
	b = appendTime(b, 14, e.ClosedAt, 0)
	b = appendTime(b, 15, e.ReceivedAt, 0)
	b = appendText(b, 16, e.NotifyID)
	b = appendName(b, 17, e.ContentType, n)
	b = appendBytes(b, 18, e.Raw)
	return appendUint(b, 19, uint64(e.RefundAmount))
}

// decodeEvidence copies everything out of data.
func decodeEvidence(data []byte, n *names) (trade.Evidence, error) {
	var e trade.Evidence
	f := fields{rest: data}
	for f.next() {
		switch f.num {
		case 1:
			e.Source = trade.Source(f.name(n))
		case 2:
			e.AppID = f.name(n)
		case 3:
			e.OutTradeNo = f.text()
		case 4:
			e.TradeNo = f.text()
		case 5:
			e.Status = trade.Status(f.name(n))
		case 6:
			e.Total = trade.Amount(f.value)
		case 7:
			e.SellerID = f.name(n)
		case 8:
			e.BuyerID = f.text()
		case 9:
			e.Refunded = trade.Amount(f.value)
		case 10:
			e.RefundAmountMissing = f.value != 0
		case 11:
			e.RefundRequestNo = f.text()
		case 12:
			e.PaidAt = f.time(0)
		case 13:
			e.RefundedAt = f.time(0)
		case 14:
			e.ClosedAt = f.time(0)
		case 15:
			e.ReceivedAt = f.time(0)
		case 16:
			e.NotifyID = f.text()
		case 17:
			e.ContentType = f.name(n)
		case 18:
			e.Raw = append([]byte(nil), f.bytes...) // nil if empty
		case 19:
			e.RefundAmount = trade.Amount(f.value)
		}
	}
	return e, f.failed
}

// folded is what is kept of a statement that became part of its order: the
// message as received, and of the facts, which are a reading of it, those that
// a timeline shows. A statement without a message is kept whole.
func folded(e *trade.Evidence) trade.Evidence {
	if len(e.Raw) == 0 {
		return *e
	}
	return trade.Evidence{
		Source: e.Source, Status: e.Status, ReceivedAt: e.ReceivedAt,
		Refunded: e.Refunded, RefundAmount: e.RefundAmount, RefundRequestNo: e.RefundRequestNo,
		Raw: e.Raw, ContentType: e.ContentType,
	}
}

// evidenceTimes cuts the times of e to what a record holds, so that what a
// call returns is what a later read returns.
func evidenceTimes(e trade.Evidence) trade.Evidence {
	e.PaidAt, e.RefundedAt, e.ClosedAt = micros(e.PaidAt), micros(e.RefundedAt), micros(e.ClosedAt)
	e.ReceivedAt = micros(e.ReceivedAt)
	return e
}
