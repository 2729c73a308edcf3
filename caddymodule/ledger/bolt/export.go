// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// export is a read transaction.
type export struct {
	view  *view
	marks overlay
}

// Export implements ledger.Copyable. While it is open, the file grows instead of
// using freed pages again, and a write that makes it grow far waits.
func (l *Ledger) Export(ctx context.Context) (ledger.Export, error) {
	if ctx.Err() != nil {
		return nil, leaving(ctx)
	}
	marks := l.accepts.at()
	tx, err := l.db.Begin(false)
	if err != nil {
		return nil, unavailable("reading", err)
	}
	return &export{view: &view{ledger: l, tx: tx}, marks: marks}, nil
}

// Close implements ledger.Export.
func (x *export) Close() error { return x.view.tx.Rollback() }

// Len implements ledger.Export.
func (x *export) Len(context.Context) (int, error) {
	return x.view.tx.Bucket(bucketOrders).Stats().KeyN, nil
}

// Orders implements ledger.Export.
func (x *export) Orders(ctx context.Context, after uint64, limit int) (list []ledger.OrderRecord, err error) {
	for id := range x.view.allIDs(bucketOrders, after+1) {
		if len(list) == limit {
			break
		}
		if ctx.Err() != nil {
			return nil, leaving(ctx)
		}
		r, err := x.view.orderAt(id)
		if err != nil {
			return nil, err
		}
		record, err := x.record(&r)
		if err != nil {
			return nil, err
		}
		list = append(list, record)
	}
	return list, nil
}

func (x *export) record(r *orderRecord) (out ledger.OrderRecord, err error) {
	out.Position = r.id
	if out.Evidence, err = x.evidence(r); err != nil {
		return out, err
	}
	events := make([]eventRecord, len(r.events))
	for i, id := range r.events {
		if events[i], err = x.view.event(id); err != nil {
			return out, err
		}
		out.Events = append(out.Events, ledger.EventRecord{
			Position: id, Event: x.view.public(&events[i], r.OutTradeNo), Evidence: events[i].evidence,
		})
	}
	for _, t := range tellings(&r.Order, events, x.marks.of(r.Key())) {
		if !t.AcceptedAt.IsZero() {
			out.Tellings = append(out.Tellings, t)
		}
	}
	out.Order = r.Order // with the marks, which tellings has applied
	return out, nil
}

func (x *export) evidence(r *orderRecord) (list []trade.Evidence, err error) {
	for _, place := range r.evidence {
		e, err := x.view.evidence(place)
		if err != nil {
			return nil, err
		}
		e.AppID, e.OutTradeNo = r.AppID, r.OutTradeNo
		list = append(list, e)
	}
	return list, nil
}

// Held implements ledger.Export.
func (x *export) Held(ctx context.Context, after uint64, limit int) (list []ledger.HeldRecord, err error) {
	for id := range x.view.allIDs(bucketHeld, after+1) {
		if len(list) == limit {
			break
		}
		if ctx.Err() != nil {
			return nil, leaving(ctx)
		}
		h, err := x.view.heldAt(id)
		if err != nil {
			return nil, err
		}
		list = append(list, ledger.HeldRecord{Position: id, Held: h.Held})
	}
	return list, nil
}

// Settings implements ledger.Export.
func (x *export) Settings(context.Context) (map[string][]byte, error) {
	all := make(map[string][]byte)
	err := x.view.tx.Bucket(bucketSettings).ForEach(func(name, value []byte) error {
		all[string(name)] = bytes.Clone(value)
		return nil
	})
	return all, err
}

var _ ledger.Copyable = (*Ledger)(nil)
