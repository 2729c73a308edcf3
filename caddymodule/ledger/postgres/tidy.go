// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// codePrivilege: the role does not own the tables.
const codePrivilege = "42501"

// TidyArchive implements ledger.Archivable: it drops the journal's parts of months
// that are over before the given time and of which no order is left. A role that
// does not own them leaves them, empty, to their owner. Whoever is in the way has the
// month left to the next run.
func (l *Ledger) TidyArchive(ctx context.Context, before time.Time) error {
	parts, err := rows(ctx, l, "looking for empty months", pgx.RowTo[string], sqlParts, l.schema.name)
	if err != nil {
		return err
	}
	for _, part := range parts {
		month, err := time.Parse("evidence_2006_01", part)
		if err != nil || month.AddDate(0, 1, 0).After(before) {
			continue
		}
		switch err := l.dropMonth(ctx, month); sqlState(err) {
		case codePrivilege, codeLockNotAvailable, codeDeadlock:
		default:
			if err != nil {
				return failed(ctx, "dropping a month", err)
			}
		}
	}
	return nil
}

// dropMonth drops the parts of a month, if nothing is in them. They are locked before
// it looks, so that nobody adds anything meanwhile.
func (l *Ledger) dropMonth(ctx context.Context, month time.Time) error {
	call, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	evidence := quoted(l.schema.name) + "." + quoted(month.Format("evidence_2006_01"))
	events := quoted(l.schema.name) + "." + quoted(month.Format("events_2006_01"))
	err := pgx.BeginFunc(call, l.pool, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		l.current.Load().queueSettings(b)
		if err := tx.SendBatch(call, b).Close(); err != nil {
			return err
		}
		var used bool
		first, after := orderID(month, 0), orderID(month.AddDate(0, 1, 0), 0)
		look := func() error {
			return tx.QueryRow(call, l.schema.sql(sqlMonthUsed), first, after).Scan(&used)
		}
		if err := look(); err != nil || used { // most months are, and need no lock
			return err
		}
		if _, err := tx.Exec(call, l.schema.sql(sqlLockJournal)); err != nil {
			return err
		}
		if err := look(); err != nil || used {
			return err
		}
		_, err := tx.Exec(call, `DROP TABLE `+evidence+`, `+events)
		return err
	})
	if err == nil {
		l.months.forget()
	}
	return err
}
