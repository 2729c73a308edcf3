// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// importTimeout bounds one batch: it waits for nobody but the disk.
const importTimeout = time.Minute

// Import implements ledger.Copyable.
func (l *Ledger) Import(ctx context.Context, b ledger.Batch) error {
	if err := l.usable(ctx); err != nil {
		return err
	}
	for i := range b.Orders {
		if err := checkKey(b.Orders[i].Order.Key()); err != nil {
			return err
		}
	}
	call, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	conn, err := l.pool.Acquire(call)
	if err != nil {
		return failed(ctx, "importing", err)
	}
	t := &taking{group: newGroup(l, conn, 0)}
	defer t.end(call)
	err = t.take(call, &b)
	switch {
	case errors.Is(err, ledger.ErrPosition):
		return err
	case isRefused(err) && constraint(err) != "":
		return fmt.Errorf("%w (%s)", ledger.ErrPosition, constraint(err))
	case err != nil:
		return failed(ctx, "importing", err)
	}
	l.months.add(t.months)
	return nil
}

// taking is a transaction that imports a batch.
type taking struct {
	*group
	changed, made []*entry
	positions     map[int64]int64 // of new orders, by their ids
	journal       []int64         // positions of the group's events
	last          int64           // the greatest position
}

func (t *taking) take(ctx context.Context, b *ledger.Batch) error {
	if err := t.begin(ctx, b.Orders); err != nil {
		return err
	}
	for i := range b.Orders {
		if err := t.order(&b.Orders[i]); err != nil {
			return err
		}
	}
	q := &pgx.Batch{}
	for _, at := range t.months {
		t.queue(q, sqlMonth, at)
	}
	t.queueEvidence(q)
	if len(t.changed) > 0 {
		t.queue(q, sqlUpdateOrders, orderRows(t.changed).args()...)
	}
	t.queueAgenda(q, t.changed, t.made)
	t.queueMade(q)
	t.queueJournal(q)
	t.queueHeld(q, b.Held)
	t.queueSettings(q, b.Settings)
	t.queueTotals(q, t.changed, t.made)
	t.queue(q, sqlImportClock, t.last)
	var tag pgconn.CommandTag
	q.Queue(sqlCommit).Exec(func(c pgconn.CommandTag) error {
		tag = c
		return nil
	})
	if err := t.conn.SendBatch(ctx, q).Close(); err != nil {
		return err
	}
	if tag.String() != sqlCommit {
		return fmt.Errorf("the transaction ended in %s", tag)
	}
	return nil
}

// begin locks the orders that are there, and takes numbers for those that may be new.
func (t *taking) begin(ctx context.Context, records []ledger.Record) error {
	var apps, numbers []string
	for i := range records {
		k := records[i].Order.Key()
		apps, numbers = append(apps, column(k.AppID)), append(numbers, column(k.OutTradeNo))
	}
	sql, b := t.ledger.schema.sql, &pgx.Batch{}
	b.Queue(sqlBegin)
	b.Queue(sqlSettings, millis(importTimeout), millis(importTimeout), millis(importTimeout))
	b.Queue(sql(sqlImportLock), apps, numbers).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, scanWhole)
		for i := range list {
			t.loaded[list[i].Key()] = list[i]
		}
		return err
	})
	b.Queue(sql(sqlNumbers), len(records)).Query(func(rows pgx.Rows) (err error) {
		t.numbers, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	t.positions = make(map[int64]int64)
	return t.conn.SendBatch(ctx, b).Close()
}

// order stages a record that is new, or a later state of the one here.
func (t *taking) order(r *ledger.Record) error {
	e := t.entry(r.Order.Key())
	if e.id == 0 {
		if err := t.create(e, r.Order.CreatedAt); err != nil {
			return err
		}
		t.made, t.positions[e.id] = append(t.made, e), int64(r.Position)
	} else {
		if e.position != int64(r.Position) || e.evidences > len(r.Evidence) || e.Sequence > len(r.Events) || e.Accepted > r.Order.Accepted {
			return fmt.Errorf("%w: order %q", ledger.ErrPosition, r.Order.OutTradeNo)
		}
		t.changed = append(t.changed, e)
	}
	t.last = max(t.last, int64(r.Position))
	from := e.Sequence
	e.Order, e.dirty, e.whole = own(r.Order), true, true
	e.tellings = slices.Clone(r.Tellings)
	e.refused(&trade.Order{})
	for i := e.evidences; i < len(r.Evidence); i++ {
		t.keep(e, &r.Evidence[i])
	}
	for i := range r.Events {
		in := &r.Events[i]
		if in.Sequence != i+1 {
			return fmt.Errorf("the events of order %q are not in sequence", r.Order.OutTradeNo)
		}
		if in.Type == trade.EventPaid {
			e.paidSequence = in.Sequence
		}
		if i < from {
			continue
		}
		t.events = append(t.events, eventRow{Event: in.Event, order: e.id, evidence: in.Evidence})
		t.journal, t.last = append(t.journal, int64(in.Position)), max(t.last, int64(in.Position))
		t.needMonth(e.id)
	}
	return nil
}

func (t *taking) queueMade(b *pgx.Batch) {
	if len(t.made) == 0 {
		return
	}
	list := orderRows(t.made)
	var positions []int64
	for _, e := range t.made {
		list.apps, list.outTradeNos = append(list.apps, column(e.AppID)), append(list.outTradeNos, column(e.OutTradeNo))
		list.created, positions = append(list.created, e.CreatedAt), append(positions, t.positions[e.id])
	}
	t.queue(b, sqlImportOrder, append(list.args(), list.apps, list.outTradeNos, list.created, positions)...)
}

// queueJournal stores the events at their positions, under the ids that they have.
func (t *taking) queueJournal(b *pgx.Batch) {
	if len(t.events) == 0 {
		return
	}
	a := eventRows(t.events)
	names, foreign := make([]string, len(t.events)), false
	for i := range t.events {
		if e := &t.events[i]; e.ID != t.ledger.eventID(e.order, e.Sequence) {
			names[i], foreign = column(e.ID), true
		}
	}
	t.queue(b, sqlImportEvents, append(a.args(), t.journal, names)...)
	if foreign {
		t.queue(b, sqlImportEventIDs, a.orders, a.sequences, names)
		t.queue(b, sqlImportOldest)
	}
}

func (t *taking) queueHeld(b *pgx.Batch, records []ledger.HeldRecord) {
	if len(records) == 0 {
		return
	}
	var list []*heldRecord
	var positions []int64
	for i := range records {
		list = append(list, &heldRecord{Held: records[i].Held})
		positions, t.last = append(positions, int64(records[i].Position)), max(t.last, int64(records[i].Position))
	}
	t.queue(b, sqlImportHeld, append(heldArgs(list), positions)...)
}

func (t *taking) queueSettings(b *pgx.Batch, settings []ledger.NamedSetting) {
	if len(settings) == 0 {
		return
	}
	var names []string
	var values [][]byte
	for _, set := range settings {
		value := set.Value
		if value == nil {
			value = []byte{}
		}
		names, values = append(names, column(set.Name)), append(values, value)
	}
	t.queue(b, sqlImportSettings, names, values)
}
