// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// Totals implements ledger.Ledger. All of it is of one moment.
func (l *Ledger) Totals(ctx context.Context, appID string) (t ledger.Totals, err error) {
	l.settleMarks(ctx)
	if err := l.usable(ctx); err != nil {
		return t, err
	}
	call, cancel := l.bounded(ctx)
	defer cancel()
	err = l.onceMore(call, func() error {
		return pgx.BeginTxFunc(call, l.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			t = ledger.Totals{}
			return tx.SendBatch(call, l.totalsBatch(appID, &t)).Close()
		})
	})
	if err != nil {
		return ledger.Totals{}, failed(ctx, "adding up", err)
	}
	return t, nil
}

func (l *Ledger) totalsBatch(appID string, t *ledger.Totals) *pgx.Batch {
	app, b := column(appID), &pgx.Batch{}
	var undelivered, held *time.Time
	b.Queue(l.schema.sql(sqlTotals), app).QueryRow(func(row pgx.Row) error {
		return row.Scan(&t.Paid, &t.Refunded, &t.RefundedTold, &t.Accepted)
	})
	b.Queue(l.schema.sql(sqlUndeliveredTotals), app).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&t.Undelivered, &t.UndeliveredEvents, &t.DeadEvents, &undelivered)
		t.UndeliveredSince = given(undelivered)
		return err
	})
	b.Queue(l.schema.sql(sqlHeldTotals), app).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&t.HeldItems, &held, &t.HeldPaid)
		t.HeldSince = given(held)
		return err
	})
	b.Queue(l.schema.sql(sqlUnknownTotals), app).QueryRow(func(row pgx.Row) error {
		return row.Scan(&t.Unknown)
	})
	return b
}
