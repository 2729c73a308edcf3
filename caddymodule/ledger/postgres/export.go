// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// export is a transaction that sees the ledger as it was when it began.
type export struct {
	ledger *Ledger
	tx     pgx.Tx
}

// Frozen implements ledger.Copyable. Until it is released, the database cannot tidy
// up what is changed meanwhile.
func (l *Ledger) Frozen(ctx context.Context) (ledger.Exporter, func(), error) {
	l.settleMarks(ctx)
	if err := l.usable(ctx); err != nil {
		return nil, nil, err
	}
	tx, err := l.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, nil, failed(ctx, "beginning to read", err)
	}
	release := func() { _ = tx.Rollback(context.Background()) } // nothing was written
	if _, err := tx.Exec(ctx, sqlExporting); err != nil {
		release()
		return nil, nil, failed(ctx, "beginning to read", err)
	}
	return &export{ledger: l, tx: tx}, release, nil
}

// CountOrders implements ledger.Copyable.
func (l *Ledger) CountOrders(ctx context.Context) (int, error) {
	return row(ctx, l, "counting", pgx.RowTo[int], sqlCountOrders)
}

// exported asks within the transaction.
func exported[T any](ctx context.Context, x *export, scan pgx.RowToFunc[T], constant string, args ...any) ([]T, error) {
	rows, err := x.tx.Query(ctx, x.ledger.schema.sql(constant), args...)
	if err != nil {
		return nil, failed(ctx, "reading all", err)
	}
	list, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, failed(ctx, "reading all", err)
	}
	return list, nil
}

// Export implements ledger.Exporter.
func (x *export) Export(ctx context.Context, after uint64, limit int) ([]ledger.Record, error) {
	orders, err := exported(ctx, x, scanWhole, sqlExportOrders, int64(after), limit)
	if err != nil {
		return nil, err
	}
	list, byID, ids := make([]ledger.Record, len(orders)), make(map[int64]*ledger.Record, len(orders)), make([]int64, len(orders))
	for i := range orders {
		r := &orders[i]
		list[i] = ledger.Record{Position: uint64(r.position), Order: r.Order}
		for _, t := range r.tellings {
			if !t.AcceptedAt.IsZero() {
				list[i].Tellings = append(list[i].Tellings, t)
			}
		}
		ids[i], byID[r.id] = r.id, &list[i]
	}
	if _, err := exported(ctx, x, addEvidence(byID), sqlExportEvidence, ids); err != nil {
		return nil, err
	}
	if _, err := exported(ctx, x, x.addEvent(byID), sqlExportEvents, ids); err != nil {
		return nil, err
	}
	return list, nil
}

// addEvidence adds each row to its order's record.
func addEvidence(to map[int64]*ledger.Record) pgx.RowToFunc[struct{}] {
	return func(row pgx.CollectableRow) (none struct{}, err error) {
		var order int64
		var factsJSON, raw []byte
		var contentType *string
		if err := row.Scan(&order, &factsJSON, &raw, &contentType); err != nil {
			return none, err
		}
		e, err := decodeEvidence(factsJSON, raw, contentType)
		r := to[order]
		e.AppID, e.OutTradeNo = r.Order.AppID, r.Order.OutTradeNo
		r.Evidence = append(r.Evidence, e)
		return none, err
	}
}

// addEvent adds each row to its order's record.
func (x *export) addEvent(to map[int64]*ledger.Record) pgx.RowToFunc[struct{}] {
	return func(row pgx.CollectableRow) (none struct{}, err error) {
		var order, position int64
		var evidence int
		e, err := scanEvent(row, []any{&order, &position, &evidence})
		if err != nil {
			return none, err
		}
		r := to[order]
		x.ledger.name(&e, order, r.Order.OutTradeNo)
		r.Events = append(r.Events, ledger.RecordEvent{Event: e, Position: uint64(position), Evidence: evidence})
		return none, nil
	}
}

// scanWhole reads an order with its tellings and its position.
func scanWhole(row pgx.CollectableRow) (orderRecord, error) {
	var data []byte
	var position int64
	r, err := scanOrder(row, &data, &position)
	if err != nil {
		return r, err
	}
	r.position = position
	r.tellings, err = decodeTellings(data)
	return r, err
}

// ExportHeld implements ledger.Exporter.
func (x *export) ExportHeld(ctx context.Context, after uint64, limit int) ([]ledger.HeldRecord, error) {
	return exported(ctx, x, func(row pgx.CollectableRow) (ledger.HeldRecord, error) {
		h, err := scanHeld(row)
		return ledger.HeldRecord{Position: uint64(h.position), Held: h.Held}, err
	}, sqlHeld, int64(after), limit)
}

// ExportSettings implements ledger.Exporter.
func (x *export) ExportSettings(ctx context.Context) ([]ledger.NamedSetting, error) {
	return exported(ctx, x, func(row pgx.CollectableRow) (set ledger.NamedSetting, err error) {
		err = row.Scan(&set.Name, &set.Value)
		set.Name = uncolumn(set.Name)
		return set, err
	}, sqlExportSettings)
}

var _ ledger.Copyable = (*Ledger)(nil)
