// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// orderRecord is an order with what the ledger keeps beside it.
type orderRecord struct {
	trade.Order
	id           int64
	position     int64 // only in listings
	paidSequence int   // of the trade.paid event; 0 if there is none
	evidences    int   // how many statements have changed it
	tellings     []ledger.Telling
}

// scanOrder reads orderColumns, and into more what follows them.
func scanOrder(row pgx.CollectableRow, more ...any) (r orderRecord, err error) {
	var bodyJSON, agendaJSON []byte
	var total int64
	err = row.Scan(append([]any{
		&r.id, &r.AppID, &r.OutTradeNo, &r.TradeNo, &total, &r.Sequence, &r.Accepted,
		&r.paidSequence, &r.evidences, &r.CreatedAt, &r.UpdatedAt, &bodyJSON, &agendaJSON,
	}, more...)...)
	if err != nil {
		return r, err
	}
	r.AppID, r.OutTradeNo, r.TradeNo = uncolumn(r.AppID), uncolumn(r.OutTradeNo), uncolumn(r.TradeNo)
	r.Total, r.CreatedAt, r.UpdatedAt = trade.Amount(total), micros(r.CreatedAt), micros(r.UpdatedAt)
	var b body
	if err := decode("order", bodyJSON, &b); err != nil {
		return r, err
	}
	b.fill(&r.Order)
	r.Agenda, err = decodeAgenda(agendaJSON)
	return r, err
}

func decodeAgenda(data []byte) (trade.Agenda, error) {
	if string(data) == "{}" {
		return trade.Agenda{}, nil
	}
	var a agenda
	err := decode("agenda", data, &a)
	return a.agenda(), err
}

func scanPlain(row pgx.CollectableRow) (orderRecord, error) { return scanOrder(row) }

func scanWithTellings(row pgx.CollectableRow) (orderRecord, error) {
	var data []byte
	r, err := scanOrder(row, &data)
	if err != nil {
		return r, err
	}
	r.tellings, err = decodeTellings(data)
	return r, err
}

func decodeTellings(data []byte) (out []ledger.Telling, err error) {
	if data == nil {
		return nil, nil
	}
	var list []telling
	err = decode("list of tellings", data, &list)
	for i := range list {
		out = append(out, list[i].telling())
	}
	return out, err
}

func scanListed(row pgx.CollectableRow) (orderRecord, error) {
	var position int64
	r, err := scanOrder(row, &position)
	r.position = position
	return r, err
}

// scanEvent reads eventColumns, and into more what follows them. The event has an id
// only if that is another ledger's (see name).
func scanEvent(row pgx.CollectableRow, before []any, more ...any) (e trade.Event, err error) {
	var refunded int64
	columns := append(before, &e.Sequence, &e.Type, &e.Status, &refunded, &e.Source, &e.At, &e.Direct, &e.ID)
	err = row.Scan(append(columns, more...)...)
	e.Status, e.Source = trade.Status(uncolumn(string(e.Status))), trade.Source(uncolumn(string(e.Source)))
	e.Refunded, e.At = trade.Amount(refunded), micros(e.At)
	return e, err
}

// heldRecord is a held item with its place in the listing.
type heldRecord struct {
	trade.Held
	position int64
}

func scanHeld(row pgx.CollectableRow) (r heldRecord, err error) {
	var factsJSON, decisionJSON, raw []byte
	var contentType *string
	err = row.Scan(&r.ID, &r.position, &r.Reason, &r.At, &factsJSON, &raw, &contentType, &decisionJSON)
	if err != nil {
		return r, err
	}
	r.At = micros(r.At)
	if r.Evidence, err = decodeEvidence(factsJSON, raw, contentType); err != nil || decisionJSON == nil {
		return r, err
	}
	var d decision
	err = decode("decision", decisionJSON, &d)
	r.Decision = d.decision()
	return r, err
}

func decodeEvidence(factsJSON, raw []byte, contentType *string) (trade.Evidence, error) {
	var f facts
	if err := decode("statement", factsJSON, &f); err != nil {
		return trade.Evidence{}, err
	}
	e := f.evidence()
	e.Raw = raw
	if contentType != nil {
		e.ContentType = uncolumn(*contentType)
	}
	return e, nil
}

// rows asks for rows in a statement of its own.
func rows[T any](ctx context.Context, l *Ledger, doing string, scan pgx.RowToFunc[T], constant string, args ...any) ([]T, error) {
	if err := l.usable(ctx); err != nil {
		return nil, err
	}
	call, cancel := l.bounded(ctx)
	defer cancel()
	var list []T
	err := l.onceMore(call, func() error {
		r, err := l.pool.Query(call, l.schema.sql(constant), args...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(r, scan)
		return err
	})
	if err != nil {
		return nil, failed(ctx, doing, err)
	}
	return list, nil
}

// row is rows for at most one; ledger.ErrNotFound if there is none.
func row[T any](ctx context.Context, l *Ledger, doing string, scan pgx.RowToFunc[T], constant string, args ...any) (none T, err error) {
	list, err := rows(ctx, l, doing, scan, constant, args...)
	if err != nil {
		return none, err
	}
	if len(list) == 0 {
		return none, ledger.ErrNotFound
	}
	return list[0], nil
}

// onceMore reads again if the connection broke: the pool may hold several that
// have ended with their server.
func (l *Ledger) onceMore(ctx context.Context, read func() error) (err error) {
	for try := range maxTries {
		if err = read(); err == nil || ctx.Err() != nil || l.closed() || !lost(err) {
			return err
		}
		pause(ctx, time.Duration(try)*20*time.Millisecond)
	}
	return err
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// own is a copy of an order that shares nothing with others.
func own(o trade.Order) trade.Order {
	o.Attempts, o.Refunds, o.Intents = slices.Clone(o.Attempts), slices.Clone(o.Refunds), slices.Clone(o.Intents)
	return o
}

// Order implements ledger.Ledger.
func (l *Ledger) Order(ctx context.Context, k trade.Key) (trade.Order, error) {
	shown := l.accepts.shownOf(k)
	r, err := row(ctx, l, "reading an order", scanPlain, sqlOrder, column(k.AppID), column(k.OutTradeNo))
	if err != nil {
		return trade.Order{}, err
	}
	l.known.add(k, r.Sequence)
	r.Accept(shown)
	return r.Order, nil
}

// OrderByTradeNo implements ledger.Ledger.
func (l *Ledger) OrderByTradeNo(ctx context.Context, appID, tradeNo string) (trade.Order, error) {
	shown := l.accepts.all()
	r, err := row(ctx, l, "reading an order", scanPlain, sqlOrderByTradeNo, column(appID), column(tradeNo))
	if err != nil {
		return trade.Order{}, err
	}
	r.Accept(shown[r.Key()])
	return r.Order, nil
}

// maxUndelivered bounds the events that are read of one order at once.
const maxUndelivered = 1000

// Undelivered implements ledger.Ledger.
func (l *Ledger) Undelivered(ctx context.Context, k trade.Key) ([]ledger.Delivery, error) {
	shown := l.accepts.shownOf(k)
	r, err := row(ctx, l, "reading an order", scanPlain, sqlOrder, column(k.AppID), column(k.OutTradeNo))
	if err != nil {
		return nil, err
	}
	r.Accept(shown)
	if !r.Undelivered() {
		return nil, nil
	}
	list, err := rows(ctx, l, "reading events", l.scanDelivery(&r), sqlUndelivered, r.id, r.Accepted, maxUndelivered)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Event.Sequence > r.Sequence { // caused since the order was read
			return list[:i], nil
		}
	}
	return list, nil
}

func (l *Ledger) scanDelivery(r *orderRecord) pgx.RowToFunc[ledger.Delivery] {
	return func(row pgx.CollectableRow) (ledger.Delivery, error) {
		var raw []byte
		var contentType *string
		e, err := scanEvent(row, nil, &raw, &contentType)
		return l.delivery(r, e, raw, contentType), err
	}
}

// delivery is an event with what is needed to tell it. Only a notice is an
// original that the shop can read: answers to our own calls look different.
func (l *Ledger) delivery(r *orderRecord, e trade.Event, raw []byte, contentType *string) ledger.Delivery {
	l.name(&e, r.id, r.OutTradeNo)
	d := ledger.Delivery{Order: own(r.Order), Event: e}
	if e.Direct && e.Source == trade.SourceNotify && len(raw) > 0 {
		d.Original = raw
		if contentType != nil {
			d.ContentType = uncolumn(*contentType)
		}
	}
	return d
}

// Event implements ledger.Ledger.
func (l *Ledger) Event(ctx context.Context, id string) (ledger.Delivery, error) {
	order, sequence, err := l.eventOf(ctx, id)
	if err != nil {
		return ledger.Delivery{}, err
	}
	shown := l.accepts.all()
	return row(ctx, l, "reading an event", func(row pgx.CollectableRow) (ledger.Delivery, error) {
		var e trade.Event
		var refunded int64
		var raw []byte
		var contentType *string
		r, err := scanOrder(row, &e.Sequence, &e.Type, &e.Status, &refunded, &e.Source, &e.At, &e.Direct, &e.ID, &raw, &contentType)
		if err != nil {
			return ledger.Delivery{}, fmt.Errorf("an event: %w", err)
		}
		e.Refunded, e.At = trade.Amount(refunded), micros(e.At)
		e.Status, e.Source = trade.Status(uncolumn(string(e.Status))), trade.Source(uncolumn(string(e.Source)))
		r.Accept(shown[r.Key()])
		return l.delivery(&r, e, raw, contentType), nil
	}, sqlEvent, order, sequence)
}
