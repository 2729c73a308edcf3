// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// eventRecord is an event as stored, under its id.
type eventRecord struct {
	trade.Event // without ID and OutTradeNo, which id and order give
	id          uint64
	order       uint64 // the order's id
	evidence    int    // which of the order's evidence caused it, counted from 1
	telling            // how it went to the shop, once that is over
	alias       string // the id that it has from another ledger; "" for one of this ledger's
}

// telling is a ledger.Telling as stored with its event.
type telling struct {
	acceptedAt   time.Time // zero until then
	refusals     int       // before
	refusedSince time.Time
	refusal      string
}

// roomToAccept keeps the place that acceptedAt will take, if the shop accepts
// within two minutes, so that it rewrites a page without making it longer.
var roomToAccept [3]byte

func appendEvent(b []byte, r *eventRecord, n *names) []byte {
	b = appendUint(b, 1, r.id-r.order)
	b = appendName(b, 2, string(r.Type), n)
	b = appendUint(b, 3, uint64(r.Sequence))
	b = appendName(b, 4, string(r.Status), n)
	b = appendUint(b, 5, uint64(r.Refunded))
	b = appendName(b, 6, string(r.Source), n)
	b = appendTime(b, 7, r.At, r.id)
	if r.Direct {
		b = appendUint(b, 8, 1)
	}
	b = appendUint(b, 9, uint64(r.evidence))
	b = appendUint(b, 10, uint64(r.refusals))
	b = appendTime(b, 11, r.refusedSince, r.id)
	b = appendText(b, 12, r.refusal)
	b = appendText(b, 15, r.alias)
	if r.acceptedAt.IsZero() {
		return appendBytes(b, 14, roomToAccept[:])
	}
	return appendTime(b, 13, r.acceptedAt, r.id)
}

// decodeEvent copies everything out of data.
func decodeEvent(data []byte, id uint64, n *names) (eventRecord, error) {
	r := eventRecord{id: id, order: id}
	f := fields{rest: data}
	for f.next() {
		switch f.num {
		case 1:
			r.order = id - f.value
		case 2:
			r.Type = trade.EventType(f.name(n))
		case 3:
			r.Sequence = int(f.value)
		case 4:
			r.Status = trade.Status(f.name(n))
		case 5:
			r.Refunded = trade.Amount(f.value)
		case 6:
			r.Source = trade.Source(f.name(n))
		case 7:
			r.At = f.time(id)
		case 8:
			r.Direct = f.value != 0
		case 9:
			r.evidence = int(f.value)
		case 10:
			r.refusals = int(f.value)
		case 11:
			r.refusedSince = f.time(id)
		case 12:
			r.refusal = f.text()
		case 13:
			r.acceptedAt = f.time(id)
		case 15:
			r.alias = f.text()
		}
	}
	return r, f.failed
}

// heldRecord is a held item as stored, under its id.
type heldRecord struct {
	trade.Held        // without Evidence, which place gives
	id         uint64 // the record's; Held.ID is the digest
	place      uint64 // of its evidence in the stream
}

func appendHeld(b []byte, r *heldRecord, n *names) []byte {
	b = appendText(b, 1, r.ID)
	b = appendName(b, 2, string(r.Reason), n)
	b = appendTime(b, 3, r.At, r.id)
	b = appendUint(b, 4, r.place)
	d := &r.Decision
	b = appendName(b, 5, string(d.Word), n)
	b = appendTime(b, 6, d.At, r.id)
	b = appendName(b, 7, d.PublicURL, n)
	b = appendText(b, 8, d.RequestNo)
	b = appendName(b, 9, string(d.Outcome), n)
	return appendText(b, 10, d.Failure)
}

// decodeHeld copies everything out of data.
func decodeHeld(data []byte, id uint64, n *names) (heldRecord, error) {
	r := heldRecord{id: id}
	f := fields{rest: data}
	for f.next() {
		switch f.num {
		case 1:
			r.ID = f.text()
		case 2:
			r.Reason = trade.Reason(f.name(n))
		case 3:
			r.At = f.time(id)
		case 4:
			r.place = f.value
		case 5:
			r.Decision.Word = trade.Decide(f.name(n))
		case 6:
			r.Decision.At = f.time(id)
		case 7:
			r.Decision.PublicURL = f.name(n)
		case 8:
			r.Decision.RequestNo = f.text()
		case 9:
			r.Decision.Outcome = trade.RefundOutcome(f.name(n))
		case 10:
			r.Decision.Failure = f.text()
		}
	}
	return r, f.failed
}
