// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// maxScan bounds how many orders one page may look at for a filter that no index
// serves.
const maxScan = 20_000

func pageLimit(limit int) int {
	if limit <= 0 {
		return ledger.DefaultLimit
	}
	return min(limit, ledger.MaxLimit)
}

// start is the position after which a listing goes on.
func (l *Ledger) start(ctx context.Context, prefix, cursor string) (int64, error) {
	if err := l.usable(ctx); err != nil || cursor == "" {
		return 0, err
	}
	after, ok := l.parseCursor(prefix, cursor)
	if !ok {
		return 0, ledger.ErrCursor
	}
	return after, nil
}

// Orders implements ledger.Ledger.
func (l *Ledger) Orders(ctx context.Context, q ledger.OrderQuery) (page ledger.OrderPage, err error) {
	after, err := l.start(ctx, orderCursor, q.Cursor)
	if err != nil {
		return page, err
	}
	since := micros(q.Since)
	if !since.IsZero() {
		after = max(after, since.UnixMicro()-1) // no order's position is before its creation
	}
	shown := l.accepts.all()
	limit := pageLimit(q.Limit)
	args := []any{after, since, limit + 1}
	constant := sqlOrdersAll
	switch {
	case q.Status != nil && q.AppID != "":
		constant, args = sqlOrdersOfAppInState, append(args, column(q.AppID), column(string(*q.Status)))
	case q.Status != nil:
		constant, args = sqlOrdersInState, append(args, maxScan, column(string(*q.Status)))
	case q.AppID != "":
		constant, args = sqlOrdersOfApp, append(args, maxScan, column(q.AppID))
	}
	list, err := rows(ctx, l, "listing orders", scanListed, constant, args...)
	if err != nil {
		return page, err
	}
	if len(list) > limit {
		list = list[:limit]
		page.Next = l.cursor(orderCursor, list[limit-1].position)
	} else if (q.Status != nil) != (q.AppID != "") {
		if page.Next, err = l.beyondScan(ctx, after); err != nil {
			return ledger.OrderPage{}, err
		}
	}
	for i := range list {
		list[i].Accept(shown[list[i].Key()])
		page.Orders = append(page.Orders, list[i].Order)
	}
	return page, nil
}

// beyondScan is where a listing goes on that has looked at as many orders as it
// may; "" if it has seen them all.
func (l *Ledger) beyondScan(ctx context.Context, after int64) (string, error) {
	type place struct {
		looked int
		last   int64
	}
	p, err := row(ctx, l, "listing orders", func(row pgx.CollectableRow) (p place, err error) {
		return p, row.Scan(&p.looked, &p.last)
	}, sqlLooked, after, maxScan)
	if err != nil || p.looked < maxScan {
		return "", err
	}
	return l.cursor(orderCursor, p.last), nil
}

// Events implements ledger.Ledger.
func (l *Ledger) Events(ctx context.Context, after string, limit int) ([]ledger.JournalEntry, error) {
	if err := l.usable(ctx); err != nil {
		return nil, err
	}
	var order int64
	var sequence int
	if after != "" {
		var err error
		if order, sequence, err = l.eventOf(ctx, after); err != nil {
			return nil, err
		}
		if _, err := l.Event(ctx, after); err != nil {
			return nil, err
		}
	}
	shown := l.accepts.all()
	return rows(ctx, l, "listing events", func(row pgx.CollectableRow) (ledger.JournalEntry, error) {
		return l.scanJournal(row, shown)
	}, sqlEvents, order, sequence, pageLimit(limit))
}

func (l *Ledger) scanJournal(row pgx.CollectableRow, shown map[trade.Key]int) (j ledger.JournalEntry, err error) {
	var o trade.Order
	var agendaJSON []byte
	var contradicted *bool
	var order int64
	j.Event, err = scanEvent(row, []any{&o.AppID, &o.OutTradeNo, &o.Accepted, &o.Sequence, &agendaJSON, &contradicted, &order})
	if err != nil {
		return j, err
	}
	o.AppID, o.OutTradeNo = uncolumn(o.AppID), uncolumn(o.OutTradeNo)
	o.Contradicted = contradicted != nil && *contradicted
	if o.Agenda, err = decodeAgenda(agendaJSON); err != nil {
		return j, err
	}
	o.Accept(shown[o.Key()])
	j.Key = o.Key()
	l.name(&j.Event, order, o.OutTradeNo)
	j.Accepted = j.Event.Sequence <= o.Accepted
	j.Dead = !j.Accepted && o.Dead()
	return j, nil
}

// Held implements ledger.Ledger.
func (l *Ledger) Held(ctx context.Context, q ledger.HeldQuery) (page ledger.HeldPage, err error) {
	after, err := l.start(ctx, heldCursor, q.Cursor)
	if err != nil {
		return page, err
	}
	limit := pageLimit(q.Limit)
	args := []any{after, limit + 1}
	constant := sqlHeldWaiting
	switch {
	case q.AppID != "" && q.Decided:
		constant, args = sqlHeldOfApp, append(args, column(q.AppID))
	case q.AppID != "":
		constant, args = sqlHeldWaitingOfApp, append(args, column(q.AppID))
	case q.Decided:
		constant = sqlHeld
	}
	list, err := rows(ctx, l, "listing what is held", scanHeld, constant, args...)
	if err != nil {
		return page, err
	}
	if len(list) > limit {
		list = list[:limit]
		page.Next = l.cursor(heldCursor, list[limit-1].position)
	}
	for i := range list {
		page.Held = append(page.Held, list[i].Held)
	}
	return page, nil
}

// HeldItem implements ledger.Ledger.
func (l *Ledger) HeldItem(ctx context.Context, id string) (trade.Held, error) {
	h, err := row(ctx, l, "reading what is held", scanHeld, sqlHeldItem, column(id))
	return h.Held, err
}
