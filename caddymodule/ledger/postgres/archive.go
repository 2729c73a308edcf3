// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// archiveTask is the lease of whoever archives, under an id that no order has. It
// works through a pooler, unlike an advisory lock of a session.
const archiveTask = "archive"

// LeaseArchive implements ledger.Archivable.
func (l *Ledger) LeaseArchive(ctx context.Context, owner string, now, until time.Time) (bool, error) {
	if err := l.usable(ctx); err != nil {
		return false, err
	}
	n, err := l.forgetful(ctx, sqlLeaseOne, archiveTask, int64(0), owner, micros(until), micros(now))
	if err != nil {
		return false, failed(ctx, "leasing", err)
	}
	return n == 1, nil
}

// Whole implements ledger.Archivable.
func (l *Ledger) Whole(ctx context.Context, k trade.Key) (w ledger.Whole, err error) {
	if err := l.usable(ctx); err != nil {
		return w, err
	}
	call, cancel := l.bounded(ctx)
	defer cancel()
	err = l.onceMore(call, func() error {
		return pgx.BeginTxFunc(call, l.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			_, w, err = l.whole(call, tx, k)
			return err
		})
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return w, ledger.ErrNotFound
	}
	if err != nil {
		return ledger.Whole{}, failed(ctx, "reading an order", err)
	}
	return w, nil
}

// whole reads all that is kept about an order, and its id.
func (l *Ledger) whole(ctx context.Context, tx pgx.Tx, k trade.Key) (id int64, w ledger.Whole, err error) {
	x := &export{ledger: l, tx: tx}
	app, number := column(k.AppID), column(k.OutTradeNo)
	found, err := exported(ctx, x, scanWhole, sqlWholeOrder, app, number)
	if err != nil {
		return 0, w, err
	}
	if len(found) == 0 {
		return 0, w, ledger.ErrNotFound
	}
	r := &found[0]
	w.Record = ledger.Record{Position: uint64(r.position), Order: r.Order}
	for _, t := range r.tellings {
		if t.Sequence <= r.Accepted {
			w.Record.Tellings = append(w.Record.Tellings, t)
		}
	}
	if w.Record.Evidence, err = exported(ctx, x, scanStatement(k), sqlWholeEvidence, r.id); err != nil {
		return 0, w, err
	}
	if w.Record.Events, err = exported(ctx, x, l.scanRecordEvent(r), sqlWholeEvents, r.id); err != nil {
		return 0, w, err
	}
	held, err := exported(ctx, x, scanHeld, sqlHeldOf, app, number)
	for i := range held {
		w.Held = append(w.Held, ledger.HeldRecord{Position: uint64(held[i].position), Held: held[i].Held})
	}
	return r.id, w, err
}

func scanStatement(k trade.Key) pgx.RowToFunc[trade.Evidence] {
	return func(row pgx.CollectableRow) (e trade.Evidence, err error) {
		var factsJSON, raw []byte
		var contentType *string
		if err := row.Scan(&factsJSON, &raw, &contentType); err != nil {
			return e, err
		}
		e, err = decodeEvidence(factsJSON, raw, contentType)
		e.AppID, e.OutTradeNo = k.AppID, k.OutTradeNo
		return e, err
	}
}

func (l *Ledger) scanRecordEvent(r *orderRecord) pgx.RowToFunc[ledger.RecordEvent] {
	return func(row pgx.CollectableRow) (ledger.RecordEvent, error) {
		var position int64
		var evidence int
		e, err := scanEvent(row, nil, &position, &evidence)
		l.name(&e, r.id, r.OutTradeNo)
		return ledger.RecordEvent{Event: e, Position: uint64(position), Evidence: evidence}, err
	}
}

// Remove implements ledger.Archivable. It locks the orders before it looks: whoever
// changes one meanwhile was there before, and is seen, or finds no order any more.
func (l *Ledger) Remove(ctx context.Context, list []ledger.Exported) (removed int, err error) {
	if len(list) > ledger.MaxRemove {
		return 0, fmt.Errorf("at most %d orders are removed at once, not %d", ledger.MaxRemove, len(list))
	}
	if err := l.usable(ctx); err != nil {
		return 0, err
	}
	var gone []trade.Key
	for range maxTries {
		if gone, err = l.tryRemove(ctx, list); err == nil || ctx.Err() != nil || !again(err) {
			break
		}
	}
	if err != nil {
		return 0, failed(ctx, "deleting", err)
	}
	l.known.forget(gone)
	return len(gone), nil
}

// removeTimeout bounds a transaction that deletes.
const removeTimeout = time.Minute

func (l *Ledger) tryRemove(ctx context.Context, list []ledger.Exported) (gone []trade.Key, err error) {
	call, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	var apps, numbers []string
	for i := range list {
		apps, numbers = append(apps, column(list[i].Key.AppID)), append(numbers, column(list[i].Key.OutTradeNo))
	}
	return gone, pgx.BeginFunc(call, l.pool, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		l.current.Load().queueSettings(b)
		b.Queue(l.schema.sql(sqlLockOrders), apps, numbers)
		if err := tx.SendBatch(call, b).Close(); err != nil {
			return err
		}
		var ids []int64
		var digests []string
		gone = nil
		for i := range list {
			id, w, err := l.whole(call, tx, list[i].Key)
			if errors.Is(err, ledger.ErrNotFound) {
				continue
			}
			same, err2 := w.Is(&list[i])
			if err := errors.Join(err, err2); err != nil {
				return err
			}
			if !same || w.Unfinished() != ledger.KeepsNothing {
				continue
			}
			ids, gone = append(ids, id), append(gone, list[i].Key)
			for j := range w.Held {
				digests = append(digests, column(w.Held[j].Held.ID))
			}
		}
		return tx.SendBatch(call, l.erasing(ids, digests)).Close()
	})
}

// erasing deletes all that is kept about orders; their sums stay in totals.
func (l *Ledger) erasing(ids []int64, digests []string) *pgx.Batch {
	b := &pgx.Batch{}
	if len(ids) == 0 {
		return b
	}
	for _, sql := range []string{sqlEraseImported, sqlEraseEvents, sqlEraseEvidence, sqlEraseAgenda, sqlEraseLeases, sqlEraseOrders} {
		b.Queue(l.schema.sql(sql), ids)
	}
	b.Queue(l.schema.sql(sqlEraseHeld), digests)
	return b
}

// forget is told of orders that were deleted.
func (m *known) forget(keys []trade.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		delete(m.sequences, k)
	}
}

var _ ledger.Archivable = (*Ledger)(nil)
