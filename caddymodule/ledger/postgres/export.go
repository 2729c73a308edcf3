// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// export is a transaction that sees the ledger as it was when it began.
type export struct {
	ledger *Ledger
	tx     pgx.Tx
}

// Export implements ledger.Copyable. While it is open, the database cannot tidy up
// what is changed meanwhile.
func (l *Ledger) Export(ctx context.Context) (ledger.Export, error) {
	l.settleMarks(ctx)
	if err := l.usable(ctx); err != nil {
		return nil, err
	}
	tx, err := l.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, failed(ctx, "beginning to read", err)
	}
	// it may stand idle while the other side writes
	if _, err := tx.Exec(ctx, sqlSettings, "0", "0", "0"); err != nil {
		return nil, failed(ctx, "beginning to read", err)
	}
	return &export{ledger: l, tx: tx}, nil
}

// Close implements ledger.Export.
func (x *export) Close() error { return x.tx.Rollback(context.Background()) }

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

// Len implements ledger.Export.
func (x *export) Len(ctx context.Context) (int, error) {
	list, err := exported(ctx, x, pgx.RowTo[int], sqlExportLen)
	if err != nil {
		return 0, err
	}
	return list[0], nil
}

// Orders implements ledger.Export.
func (x *export) Orders(ctx context.Context, after uint64, limit int) ([]ledger.OrderRecord, error) {
	orders, err := exported(ctx, x, scanWhole, sqlExportOrders, int64(after), limit)
	if err != nil {
		return nil, err
	}
	list, byID, ids := make([]ledger.OrderRecord, len(orders)), make(map[int64]*ledger.OrderRecord, len(orders)), make([]int64, len(orders))
	for i := range orders {
		r := &orders[i]
		list[i] = ledger.OrderRecord{Position: uint64(r.position), Order: r.Order}
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
func addEvidence(to map[int64]*ledger.OrderRecord) pgx.RowToFunc[struct{}] {
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
func (x *export) addEvent(to map[int64]*ledger.OrderRecord) pgx.RowToFunc[struct{}] {
	return func(row pgx.CollectableRow) (none struct{}, err error) {
		var order, position int64
		var evidence int
		e, err := scanEvent(row, []any{&order, &position, &evidence})
		if err != nil {
			return none, err
		}
		r := to[order]
		x.ledger.name(&e, order, r.Order.OutTradeNo)
		r.Events = append(r.Events, ledger.EventRecord{Position: uint64(position), Event: e, Evidence: evidence})
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

// Held implements ledger.Export.
func (x *export) Held(ctx context.Context, after uint64, limit int) ([]ledger.HeldRecord, error) {
	return exported(ctx, x, func(row pgx.CollectableRow) (ledger.HeldRecord, error) {
		h, err := scanHeld(row)
		return ledger.HeldRecord{Position: uint64(h.position), Held: h.Held}, err
	}, sqlHeld, int64(after), limit)
}

// Settings implements ledger.Export.
func (x *export) Settings(ctx context.Context) (map[string][]byte, error) {
	all := make(map[string][]byte)
	_, err := exported(ctx, x, func(row pgx.CollectableRow) (none struct{}, err error) {
		var name string
		var value []byte
		if err := row.Scan(&name, &value); err != nil {
			return none, fmt.Errorf("a setting: %w", err)
		}
		all[uncolumn(name)] = value
		return none, nil
	}, sqlExportSettings)
	return all, err
}

var _ ledger.Copyable = (*Ledger)(nil)
