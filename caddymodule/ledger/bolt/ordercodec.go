// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// orderRecord is an order as stored, under its id. What the shop has accepted
// is stored elsewhere (undelivered), so that an acceptance rewrites no record.
type orderRecord struct {
	trade.Order
	id       uint64
	events   []uint64 // ids, in sequence: the event of sequence n is at n-1
	evidence []uint64 // places in the stream, in the order of arrival
}

// Bits of an order's flags.
const (
	flagWaiting = 1 << iota
	flagPaid
	flagFinished
	flagClosed
	flagContradicted
)

// appendOrder writes the record. Numbers up to 15 take one byte and are the
// fields that every paid order has.
func appendOrder(b []byte, r *orderRecord, n *names) []byte {
	o := &r.Order
	b = appendName(b, 1, o.AppID, n)
	b = appendDigits(b, 2, o.OutTradeNo)
	b = appendTime(b, 3, o.CreatedAt, r.id)
	b = appendTime(b, 4, o.UpdatedAt, r.id)
	var room [96]byte
	for i := range o.Attempts {
		b = protowire.AppendTag(b, 5, protowire.BytesType)
		b = protowire.AppendBytes(b, appendAttempt(room[:0], &o.Attempts[i], r.id, n))
	}
	b = appendDigits(b, 6, o.TradeNo)
	b = appendUint(b, 7, uint64(o.Total))
	b = appendName(b, 8, o.SellerID, n)
	b = appendDigits(b, 9, o.BuyerID)
	b = appendTime(b, 10, o.PaidAt, r.id)
	b = appendName(b, 11, string(o.Source), n)
	b = appendUint(b, 12, orderFlags(o))
	b = appendUint(b, 13, uint64(o.Sequence))
	b = appendDeltas(b, 14, r.events, r.id)
	b = appendDeltas(b, 15, r.evidence, 0)
	b = appendTime(b, 16, o.ClosedAt, r.id)
	for i := range o.Refunds {
		b = protowire.AppendTag(b, 17, protowire.BytesType)
		b = protowire.AppendBytes(b, appendRefund(room[:0], &o.Refunds[i], r.id))
	}
	for i := range o.Intents {
		b = protowire.AppendTag(b, 19, protowire.BytesType)
		b = protowire.AppendBytes(b, appendIntent(room[:0], &o.Intents[i], r.id, n))
	}
	if len(r.evidence) == 0 {
		b = appendBytes(b, 18, roomToGrow[:])
	}
	return b
}

// roomToGrow keeps the place that an order's payment will take. Records grow
// soon after they were appended; without this, each payment would split a page
// that is full already, and pages would stay half empty.
var roomToGrow [52]byte

func appendAttempt(b []byte, a *trade.Attempt, base uint64, n *names) []byte {
	b = appendUint(b, 1, uint64(a.Total))
	b = appendName(b, 2, a.SellerID, n)
	b = appendName(b, 3, a.PublicURL, n)
	b = appendName(b, 4, a.Channel, n)
	b = appendTime(b, 5, a.At, base)
	b = appendTime(b, 6, a.ExpiresAt, base)
	return appendUint(b, 7, uint64(a.Count))
}

func appendRefund(b []byte, r *trade.Refund, base uint64) []byte {
	b = appendText(b, 1, r.RequestNo)
	b = appendUint(b, 2, uint64(r.Sum))
	b = appendTime(b, 3, r.At, base)
	return appendUint(b, 4, uint64(r.Amount))
}

func appendIntent(b []byte, i *trade.RefundIntent, base uint64, n *names) []byte {
	b = appendText(b, 1, i.RequestNo)
	b = appendUint(b, 2, uint64(i.Amount))
	b = appendText(b, 3, i.Reason)
	b = appendTime(b, 4, i.At, base)
	b = appendName(b, 5, string(i.Outcome), n)
	b = appendTime(b, 6, i.SettledAt, base)
	return appendText(b, 7, i.Failure)
}

func orderFlags(o *trade.Order) uint64 {
	var flags uint64
	for i, set := range [...]bool{o.Waiting, o.Paid, o.Finished, o.Closed, o.Contradicted} {
		if set {
			flags |= 1 << i
		}
	}
	return flags
}

// decodeOrder copies everything out of data.
func decodeOrder(data []byte, id uint64, n *names) (orderRecord, error) {
	r := orderRecord{id: id}
	o := &r.Order
	f := fields{rest: data}
	for f.next() {
		switch f.num {
		case 1:
			o.AppID = f.name(n)
		case 2:
			o.OutTradeNo = f.digits()
		case 3:
			o.CreatedAt = f.time(id)
		case 4:
			o.UpdatedAt = f.time(id)
		case 5:
			o.Attempts = append(o.Attempts, decodeAttempt(&f, id, n))
		case 6:
			o.TradeNo = f.digits()
		case 7:
			o.Total = trade.Amount(f.value)
		case 8:
			o.SellerID = f.name(n)
		case 9:
			o.BuyerID = f.digits()
		case 10:
			o.PaidAt = f.time(id)
		case 11:
			o.Source = trade.Source(f.name(n))
		case 12:
			setFlags(o, f.value)
		case 13:
			o.Sequence = int(f.value)
		case 14:
			r.events = f.deltas(id)
		case 15:
			r.evidence = f.deltas(0)
		case 16:
			o.ClosedAt = f.time(id)
		case 17:
			o.Refunds = append(o.Refunds, decodeRefund(&f, id))
		case 19:
			o.Intents = append(o.Intents, decodeIntent(&f, id, n))
		}
	}
	return r, f.failed
}

func decodeAttempt(outer *fields, base uint64, n *names) trade.Attempt {
	var a trade.Attempt
	f := fields{rest: outer.bytes}
	for f.next() {
		switch f.num {
		case 1:
			a.Total = trade.Amount(f.value)
		case 2:
			a.SellerID = f.name(n)
		case 3:
			a.PublicURL = f.name(n)
		case 4:
			a.Channel = f.name(n)
		case 5:
			a.At = f.time(base)
		case 6:
			a.ExpiresAt = f.time(base)
		case 7:
			a.Count = int(f.value)
		}
	}
	if f.failed != nil {
		outer.fail(f.failed)
	}
	return a
}

func decodeRefund(outer *fields, base uint64) trade.Refund {
	var r trade.Refund
	f := fields{rest: outer.bytes}
	for f.next() {
		switch f.num {
		case 1:
			r.RequestNo = f.text()
		case 2:
			r.Sum = trade.Amount(f.value)
		case 3:
			r.At = f.time(base)
		case 4:
			r.Amount = trade.Amount(f.value)
		}
	}
	if f.failed != nil {
		outer.fail(f.failed)
	}
	return r
}

func decodeIntent(outer *fields, base uint64, n *names) trade.RefundIntent {
	var i trade.RefundIntent
	f := fields{rest: outer.bytes}
	for f.next() {
		switch f.num {
		case 1:
			i.RequestNo = f.text()
		case 2:
			i.Amount = trade.Amount(f.value)
		case 3:
			i.Reason = f.text()
		case 4:
			i.At = f.time(base)
		case 5:
			i.Outcome = trade.RefundOutcome(f.name(n))
		case 6:
			i.SettledAt = f.time(base)
		case 7:
			i.Failure = f.text()
		}
	}
	if f.failed != nil {
		outer.fail(f.failed)
	}
	return i
}

func setFlags(o *trade.Order, flags uint64) {
	o.Waiting = flags&flagWaiting != 0
	o.Paid = flags&flagPaid != 0
	o.Finished = flags&flagFinished != 0
	o.Closed = flags&flagClosed != 0
	o.Contradicted = flags&flagContradicted != 0
}
