// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// maxScan bounds how many orders one page may look at, so that a filter that
// finds little costs little (some 50 ms).
const maxScan = 20_000

func pageLimit(limit int) int {
	if limit <= 0 {
		return ledger.DefaultLimit
	}
	return min(limit, ledger.MaxLimit)
}

// Orders implements ledger.Ledger.
func (l *Ledger) Orders(ctx context.Context, q ledger.OrderQuery) (page ledger.OrderPage, err error) {
	since := micros(q.Since)
	from := idAt(since)
	if q.Cursor != "" {
		after, ok := parsePublic(orderCursor, q.Cursor, l.salt)
		if !ok {
			return page, ledger.ErrCursor
		}
		from = max(from, after+1)
	}
	marks := l.accepts.at()
	err = l.view(ctx, func(v *view) error {
		limit, looked, last := pageLimit(q.Limit), 0, uint64(0)
		for id := range v.orderIDs(q.Status, from) {
			if len(page.Orders) == limit || looked == l.maxScan {
				page.Next = public(orderCursor, last, l.salt)
				return nil
			}
			if looked++; looked%256 == 0 && ctx.Err() != nil {
				return leaving(ctx)
			}
			r, err := v.orderAt(id)
			if err != nil {
				return err
			}
			last = id
			if q.AppID != "" && r.AppID != q.AppID || r.CreatedAt.Before(since) {
				continue
			}
			marks.apply(&r.Order)
			page.Orders = append(page.Orders, r.Order)
		}
		return nil
	})
	return page, err
}

// orderIDs walks over the ids of orders, in one state if one is given, from an
// id on.
func (v *view) orderIDs(status *trade.Status, from uint64) iter.Seq[uint64] {
	if status == nil {
		return v.allIDs(bucketOrders, from)
	}
	state, known := stateCodes[*status]
	return func(yield func(uint64) bool) {
		if !known {
			return
		}
		for entry := range v.states().from(stateKey(state, from)) {
			if id, ok := parseID(entry[1:]); entry[0] != state || !ok || !yield(id) {
				return
			}
		}
	}
}

func (v *view) allIDs(bucket []byte, from uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		c := v.tx.Bucket(bucket).Cursor()
		for k, _ := c.Seek(idKey(from)); k != nil; k, _ = c.Next() {
			if id, ok := parseID(k); !ok || !yield(id) {
				return
			}
		}
	}
}

// Events implements ledger.Ledger.
func (l *Ledger) Events(ctx context.Context, after string, limit int) (list []ledger.JournalEntry, err error) {
	marks := l.accepts.at()
	err = l.view(ctx, func(v *view) error {
		from := uint64(0)
		if after != "" {
			var ok bool
			if from, ok = v.eventOf(after); !ok {
				return ledger.ErrNotFound
			}
		}
		c := v.tx.Bucket(bucketEvents).Cursor()
		k, data := c.Seek(idKey(from))
		if after != "" {
			if !bytes.Equal(k, idKey(from)) {
				return ledger.ErrNotFound
			}
			k, data = c.Next()
		}
		for ; k != nil && len(list) < pageLimit(limit); k, data = c.Next() {
			entry, err := v.journalEntry(k, data, marks)
			if err != nil {
				return err
			}
			list = append(list, entry)
		}
		return nil
	})
	return list, err
}

func (v *view) journalEntry(key, data []byte, marks overlay) (ledger.JournalEntry, error) {
	id, ok := parseID(key)
	ev, err := decodeEvent(data, id, v.ledger.names)
	if !ok {
		err = errDamaged
	}
	if err != nil {
		return ledger.JournalEntry{}, unavailable("reading", fmt.Errorf("event %x: %w", key, err))
	}
	r, err := v.orderAt(ev.order)
	if err != nil {
		return ledger.JournalEntry{}, err
	}
	marks.apply(&r.Order)
	accepted := ev.Sequence <= r.Accepted
	return ledger.JournalEntry{
		Key: r.Key(), Event: v.public(&ev, r.OutTradeNo), Accepted: accepted, Dead: !accepted && r.Dead(),
	}, nil
}
