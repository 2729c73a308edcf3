// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	// poll is how long nobody relies on being woken by another process.
	poll = 5 * time.Second
	// busy is the pause before work that somebody is just changing is looked for
	// again.
	busy = 100 * time.Millisecond
)

func checkTask(t ledger.Task) error {
	switch t {
	case ledger.TaskTell, ledger.TaskAsk, ledger.TaskRefund:
		return nil
	}
	return fmt.Errorf("there is no task %q", t)
}

// Due implements ledger.Ledger. Orders that others are just changing are left out
// (SKIP LOCKED), so that no process waits for another's work.
func (l *Ledger) Due(ctx context.Context, q ledger.DueQuery) (ledger.Due, error) {
	if err := checkTask(q.Task); err != nil {
		return ledger.Due{}, err
	}
	if err := l.usable(ctx); err != nil {
		return ledger.Due{}, err
	}
	q.Limit = min(max(q.Limit, 1), ledger.MaxLimit)
	q.Now, q.Until = micros(q.Now), micros(q.Until)
	shown := l.accepts.all()
	call, cancel := l.bounded(ctx)
	defer cancel()
	leased, next, err := l.lease(call, &q)
	if err != nil {
		return ledger.Due{}, failed(ctx, "leasing", err)
	}
	due := ledger.Due{Next: l.nextLook(&q, next, len(leased))}
	if len(leased) == 0 {
		return due, nil
	}
	orders, err := rows(ctx, l, "reading what is due", scanPlain, sqlOrdersByID, leased)
	if err != nil {
		l.giveBack(ctx, &q, leased)
		return ledger.Due{}, err
	}
	byID := make(map[int64]*orderRecord, len(orders))
	for i := range orders {
		byID[orders[i].id] = &orders[i]
	}
	var over []int64
	for _, id := range leased { // the longest overdue first
		o := byID[id]
		if o != nil {
			o.Accept(shown[o.Key()])
		}
		if o == nil || !isFor(&o.Order, &q) { // what was accepted a moment ago may still be listed
			over = append(over, id)
			continue
		}
		due.Orders = append(due.Orders, o.Order)
	}
	l.giveBack(ctx, &q, over)
	return due, nil
}

// lease takes what is due, in one transaction of one round trip, and says when
// there is more.
func (l *Ledger) lease(ctx context.Context, q *ledger.DueQuery) (ids []int64, next *time.Time, err error) {
	err = l.onceMore(ctx, func() error {
		conn, err := l.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release() // which closes it if it is still in a transaction
		b := &pgx.Batch{}
		b.Queue(sqlBegin)
		b.Queue(sqlForgetful)
		l.current.Load().queueSettings(b)
		subject, app := column(q.Subject), column(q.AppID)
		lease, look := sqlLeaseOfApp, sqlNextOfApp
		switch {
		case app == "" && q.Task == ledger.TaskTell:
			lease, look = sqlLeaseOfAll, sqlNextOfAll
		case app == "": // the subject is an app
			app = subject
		}
		b.Queue(l.schema.sql(lease), q.Task, subject, q.Now, q.Limit, q.Owner, q.Until, app).Query(func(rows pgx.Rows) (err error) {
			ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
			return err
		})
		b.Queue(l.schema.sql(look), q.Task, subject, q.Now, q.Owner, q.Until, app).QueryRow(func(row pgx.Row) error {
			return row.Scan(&next)
		})
		b.Queue(sqlCommit)
		return conn.SendBatch(ctx, b).Close()
	})
	return ids, next, err
}

// nextLook is when there is more to do. Nobody waits longer than poll: who puts
// something on the agenda may be another process, whose word gets lost.
func (l *Ledger) nextLook(q *ledger.DueQuery, next *time.Time, given int) time.Time {
	at := q.Now.Add(poll)
	if next != nil && next.Before(at) {
		at = micros(*next)
	}
	if given < q.Limit && !at.After(q.Now) {
		return q.Now.Add(busy)
	}
	return at
}

// isFor reports whether there is something to do about an order that was listed.
func isFor(o *trade.Order, q *ledger.DueQuery) bool {
	w, ok := workOn(o)[q.Task]
	return ok && !w.due.IsZero() && w.subject == q.Subject && !w.due.After(q.Now)
}

// giveBack ends leases that are of no use; they would end by themselves.
func (l *Ledger) giveBack(ctx context.Context, q *ledger.DueQuery, ids []int64) {
	if len(ids) == 0 {
		return
	}
	_, err := l.forgetful(context.WithoutCancel(ctx), sqlUnlease, q.Task, ids, q.Owner)
	_ = err
}

// Lease implements ledger.Ledger.
func (l *Ledger) Lease(ctx context.Context, t ledger.Task, k trade.Key, owner string, now, until time.Time) (bool, error) {
	if err := checkTask(t); err != nil {
		return false, err
	}
	r, err := row(ctx, l, "reading an order", scanPlain, sqlOrder, column(k.AppID), column(k.OutTradeNo))
	if err != nil {
		return false, err
	}
	n, err := l.forgetful(ctx, sqlLeaseOne, t, r.id, owner, micros(until), micros(now))
	if err != nil {
		return false, failed(ctx, "leasing", err)
	}
	return n == 1, nil
}

// forgetful runs one statement about leases, which need not outlive a crash of
// the server: nobody waits for its disk.
func (l *Ledger) forgetful(ctx context.Context, constant string, args ...any) (affected int64, err error) {
	call, cancel := l.bounded(ctx)
	defer cancel()
	err = l.onceMore(call, func() error {
		b := &pgx.Batch{}
		b.Queue(sqlForgetful)
		b.Queue(l.schema.sql(constant), args...).Exec(func(tag pgconn.CommandTag) error {
			affected = tag.RowsAffected()
			return nil
		})
		return l.pool.SendBatch(call, b).Close()
	})
	return affected, err
}

// Release implements ledger.Ledger. What was accepted is written before: whoever
// gets the order next must not tell it again.
func (l *Ledger) Release(ctx context.Context, t ledger.Task, k trade.Key, owner string) error {
	if err := l.usable(ctx); err != nil {
		return err
	}
	if t == ledger.TaskTell && l.accepts.shownOf(k) > 0 {
		l.settleMarks(ctx)
	}
	_, err := l.forgetful(ctx, sqlRelease, t, column(k.AppID), column(k.OutTradeNo), owner)
	if err != nil {
		return failed(ctx, "releasing", err)
	}
	return nil
}
