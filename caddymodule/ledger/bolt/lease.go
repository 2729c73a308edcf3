// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// leases are held in memory: the file has one process, and a process that dies
// loses them, as it should.
type leases struct {
	mu   sync.Mutex
	held map[leaseKey]lease
	ids  map[named]uint64 // of the orders in held: to give a lease back reads nothing
}

type leaseKey struct {
	task ledger.Task
	id   uint64
}

type lease struct {
	owner string
	until time.Time
}

// named is a leaseKey by the order's name.
type named struct {
	task ledger.Task
	key  trade.Key
}

// take leases an order unless somebody holds it; then it says until when. prolong:
// the owner may hold it already.
func (l *leases) take(t ledger.Task, r *orderRecord, owner string, now, until time.Time, prolong bool) (taken bool, ends time.Time) {
	k := leaseKey{t, r.id}
	l.mu.Lock()
	defer l.mu.Unlock()
	if have, ok := l.held[k]; ok && have.until.After(now) && !(prolong && have.owner == owner) {
		return false, have.until
	}
	if l.held == nil {
		l.held, l.ids = make(map[leaseKey]lease), make(map[named]uint64)
	}
	l.held[k] = lease{owner: owner, until: until}
	l.ids[named{t, r.Key()}] = r.id
	return true, until
}

// taken reports whether somebody holds k, and until when.
func (l *leases) taken(k leaseKey, now time.Time) (ends time.Time, taken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	have, ok := l.held[k]
	return have.until, ok && have.until.After(now)
}

func (l *leases) release(n named, owner string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id, known := l.ids[n]
	if k := (leaseKey{n.task, id}); known && l.held[k].owner == owner {
		delete(l.held, k)
		delete(l.ids, n)
	}
}

// Due implements ledger.Ledger.
func (l *Ledger) Due(ctx context.Context, q ledger.DueQuery) (due ledger.Due, err error) {
	if taskCodes[q.Task] == 0 {
		return ledger.Due{}, fmt.Errorf("there is no task %q", q.Task)
	}
	q.Limit = min(max(q.Limit, 1), ledger.MaxLimit)
	marks := l.accepts.at()
	err = l.view(ctx, func(v *view) error {
		due, err = v.lease(ctx, q, marks)
		return err
	})
	if err != nil {
		for i := range due.Orders {
			err := l.Release(context.WithoutCancel(ctx), q.Task, due.Orders[i].Key(), q.Owner)
			_ = err // the lease then ends by itself
		}
		return ledger.Due{}, err
	}
	return due, nil
}

func (v *view) lease(ctx context.Context, q ledger.DueQuery, marks overlay) (due ledger.Due, err error) {
	ref, _ := v.ledger.names.find(q.Subject)
	prefix := duePrefix(q.Task, ref)
	for key := range v.due().from(prefix) {
		if !bytes.HasPrefix(key, prefix) {
			break
		}
		at, id := parseDue(key)
		if at.After(q.Now) || len(due.Orders) == q.Limit {
			due.Next = sooner(due.Next, at)
			return due, nil
		}
		// to read an order costs most here, and those under way are all at the front
		if ends, taken := v.ledger.leases.taken(leaseKey{q.Task, id}, q.Now); taken {
			due.Next = sooner(due.Next, ends)
			continue
		}
		r, err := v.orderAt(id)
		if err != nil {
			return due, err
		}
		marks.apply(&r.Order)
		if !isFor(&r.Order, q) {
			continue
		}
		taken, ends := v.ledger.leases.take(q.Task, &r, q.Owner, q.Now, q.Until, false)
		if !taken {
			due.Next = sooner(due.Next, ends)
			continue
		}
		due.Orders = append(due.Orders, r.Order)
		if err := v.settle(ctx, r.Key()); err != nil {
			return due, err
		}
	}
	return due, nil
}

// isFor reports whether there is something to do about an order whose key was
// found: what was accepted a moment ago is still listed, and subjects without a
// number of their own share one.
func isFor(o *trade.Order, q ledger.DueQuery) bool {
	if q.AppID != "" && o.AppID != q.AppID {
		return false
	}
	switch q.Task {
	case ledger.TaskAsk:
		return !o.AskAt.IsZero() && o.AppID == q.Subject
	case ledger.TaskRefund:
		return !o.RefundAt.IsZero() && o.AppID == q.Subject
	}
	return o.Undelivered() && !o.TellAt.IsZero() && o.PublicURL() == q.Subject
}

// sooner is the earlier of two times, of which zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Lease implements ledger.Ledger.
func (l *Ledger) Lease(ctx context.Context, t ledger.Task, k trade.Key, owner string, now, until time.Time) (leased bool, err error) {
	if taskCodes[t] == 0 {
		return false, fmt.Errorf("there is no task %q", t)
	}
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
		leased, _ = l.leases.take(t, &r, owner, now, until, true)
		return nil
	})
	return leased, err
}

// Release implements ledger.Ledger.
func (l *Ledger) Release(ctx context.Context, t ledger.Task, k trade.Key, owner string) error {
	if ctx.Err() != nil {
		return leaving(ctx)
	}
	if l.closed() {
		return unavailable("reading", errClosed)
	}
	l.leases.release(named{t, k}, owner)
	return nil
}
