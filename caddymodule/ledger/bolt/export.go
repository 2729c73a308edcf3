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

// Frozen implements ledger.Copyable. Until it is released, the file grows instead of
// using freed pages again, and a write that makes it grow far waits.
func (l *Ledger) Frozen(ctx context.Context) (ledger.Exporter, func(), error) {
	if ctx.Err() != nil {
		return nil, nil, leaving(ctx)
	}
	marks := l.accepts.at()
	tx, err := l.db.Begin(false)
	if err != nil {
		return nil, nil, unavailable("reading", err)
	}
	x := &export{view: &view{ledger: l, tx: tx}, marks: marks}
	return x, func() { _ = tx.Rollback() }, nil // of a read transaction: it cannot fail
}

// CountOrders implements ledger.Copyable.
func (l *Ledger) CountOrders(ctx context.Context) (n int, err error) {
	err = l.view(ctx, func(v *view) error {
		n = v.tx.Bucket(bucketOrders).Stats().KeyN
		return nil
	})
	return n, err
}

// Export implements ledger.Exporter.
func (x *export) Export(ctx context.Context, after uint64, limit int) (list []ledger.Record, err error) {
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
		record, err := x.view.exported(&r, x.marks.of(r.Key()))
		if err != nil {
			return nil, err
		}
		list = append(list, record)
	}
	return list, nil
}

// exported is all that is kept about an order, with what was accepted and is not on
// disk yet.
func (v *view) exported(r *orderRecord, m mark) (out ledger.Record, err error) {
	out.Position = r.id
	if out.Evidence, err = v.allEvidence(r); err != nil {
		return out, err
	}
	events := make([]eventRecord, len(r.events))
	for i, id := range r.events {
		if events[i], err = v.event(id); err != nil {
			return out, err
		}
		out.Events = append(out.Events, ledger.RecordEvent{
			Event: v.public(&events[i], r.OutTradeNo), Position: id, Evidence: events[i].evidence,
		})
	}
	for _, t := range tellings(&r.Order, events, m) {
		if !t.AcceptedAt.IsZero() {
			out.Tellings = append(out.Tellings, t)
		}
	}
	out.Order = r.Order // with the marks, which tellings has applied
	return out, nil
}

func (v *view) allEvidence(r *orderRecord) (list []trade.Evidence, err error) {
	for _, place := range r.evidence {
		e, err := v.evidence(place)
		if err != nil {
			return nil, err
		}
		e.AppID, e.OutTradeNo = r.AppID, r.OutTradeNo
		list = append(list, e)
	}
	return list, nil
}

// ExportHeld implements ledger.Exporter.
func (x *export) ExportHeld(ctx context.Context, after uint64, limit int) (list []ledger.HeldRecord, err error) {
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

// ExportSettings implements ledger.Exporter.
func (x *export) ExportSettings(context.Context) (all []ledger.NamedSetting, err error) {
	err = x.view.tx.Bucket(bucketSettings).ForEach(func(name, value []byte) error {
		all = append(all, ledger.NamedSetting{Name: string(name), Value: bytes.Clone(value)})
		return nil
	})
	return all, err
}

var _ ledger.Copyable = (*Ledger)(nil)
