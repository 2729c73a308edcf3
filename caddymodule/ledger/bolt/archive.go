// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// archiveLease is who archives: in memory, for the file has one process.
const archiveLease ledger.Task = "archive"

// Whole implements ledger.Archivable.
func (l *Ledger) Whole(ctx context.Context, k trade.Key) (w ledger.Whole, err error) {
	err = l.view(ctx, func(v *view) error {
		r, found, err := v.order(k)
		if err != nil {
			return err
		}
		if !found {
			return ledger.ErrNotFound
		}
		if err := v.settle(ctx, k); err != nil {
			return err
		}
		w, err = v.whole(&r)
		return err
	})
	return w, err
}

// whole reads all that is kept about an order.
func (v *view) whole(r *orderRecord) (w ledger.Whole, err error) {
	if w.Record, err = v.exported(r, mark{}); err != nil {
		return w, err
	}
	for h, err := range v.heldAbout(r.Key()) {
		if err != nil {
			return w, err
		}
		w.Held = append(w.Held, ledger.HeldRecord{Position: h.id, Held: h.Held})
	}
	return w, nil
}

// LeaseArchive implements ledger.Archivable.
func (l *Ledger) LeaseArchive(ctx context.Context, owner string, now, until time.Time) (bool, error) {
	if ctx.Err() != nil {
		return false, leaving(ctx)
	}
	if l.closed() {
		return false, unavailable("leasing", errClosed)
	}
	taken, _ := l.leases.take(archiveLease, &orderRecord{}, owner, now, until, true)
	return taken, nil
}

// TidyArchive implements ledger.Archivable: the file uses freed pages again.
func (l *Ledger) TidyArchive(context.Context, time.Time) error { return nil }

// Remove implements ledger.Archivable.
func (l *Ledger) Remove(ctx context.Context, list []ledger.Exported) (removed int, err error) {
	if len(list) > ledger.MaxRemove {
		return 0, fmt.Errorf("at most %d orders are removed at once, not %d", ledger.MaxRemove, len(list))
	}
	err = l.submit(ctx, func(g *group) (err error) {
		removed, err = g.remove(list)
		return err
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}

var _ ledger.Archivable = (*Ledger)(nil)
