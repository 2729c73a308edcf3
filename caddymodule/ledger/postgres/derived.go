// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// work is one row of the agenda.
type work struct {
	subject string
	due     time.Time // zero: there is something, and it may not be done
}

// workOn says for which tasks an order is on the agenda.
func workOn(o *trade.Order) map[ledger.Task]work {
	list := make(map[ledger.Task]work, 3)
	if o.Undelivered() {
		list[ledger.TaskTell] = work{o.PublicURL(), o.TellAt}
	}
	if !o.AskAt.IsZero() {
		list[ledger.TaskAsk] = work{o.AppID, o.AskAt}
	}
	if !o.RefundAt.IsZero() {
		list[ledger.TaskRefund] = work{o.AppID, o.RefundAt}
	}
	return list
}

func (g *group) queueAgenda(b *pgx.Batch, changed, made []*entry) {
	var tasks, subjects, apps, goneTasks []string
	var orders, gone []int64
	var due []*time.Time
	for _, list := range [][]*entry{changed, made} {
		for _, e := range list {
			was, now := workOn(&e.was.Order), workOn(&e.Order)
			for _, t := range []ledger.Task{ledger.TaskAsk, ledger.TaskRefund, ledger.TaskTell} {
				before, had := was[t]
				after, has := now[t]
				switch {
				case has && (!had || before.subject != after.subject || !before.due.Equal(after.due)):
					tasks, orders = append(tasks, string(t)), append(orders, e.id)
					subjects, due = append(subjects, column(after.subject)), append(due, nullable(after.due))
					apps = append(apps, column(e.AppID))
				case had && !has:
					goneTasks, gone = append(goneTasks, string(t)), append(gone, e.id)
				}
			}
		}
	}
	if len(gone) > 0 {
		g.queue(b, sqlDeleteAgenda, goneTasks, gone)
	}
	if len(orders) > 0 {
		g.queue(b, sqlUpsertAgenda, tasks, orders, subjects, due, apps)
	}
}

// sums are what a group adds to one app's totals.
type sums struct{ paid, refunded, refundedTold, accepted int64 }

func (g *group) queueTotals(b *pgx.Batch, changed, made []*entry) {
	byApp := make(map[string]sums)
	for _, list := range [][]*entry{changed, made} {
		for _, e := range list {
			s := byApp[e.AppID]
			now, was := sumsOf(&e.orderRecord), sumsOf(&e.was)
			s.paid, s.refunded, s.accepted = s.paid+now.paid-was.paid, s.refunded+now.refunded-was.refunded, s.accepted+now.accepted-was.accepted
			byApp[e.AppID] = s
		}
	}
	g.addRefundsTold(byApp)
	var apps []string
	var paid, refunded, told, accepted []int64
	for app, s := range byApp {
		if s != (sums{}) {
			apps, paid, refunded = append(apps, column(app)), append(paid, s.paid), append(refunded, s.refunded)
			told, accepted = append(told, s.refundedTold), append(accepted, s.accepted)
		}
	}
	if len(apps) > 0 {
		g.queue(b, sqlAddTotals, apps, writerRow(g.ledger.hub.owner, g.writer), paid, refunded, told, accepted)
	}
}

func sumsOf(r *orderRecord) (s sums) {
	if r.id == 0 {
		return s
	}
	if r.Paid {
		s.paid = int64(r.Total)
	}
	s.refunded = int64(r.Refunded())
	if r.paidSequence > 0 && r.Accepted >= r.paidSequence {
		s.accepted = int64(r.Total)
	}
	return s
}

// addRefundsTold adds what the events about refunds say, each by how much it
// raises the sum of the one before it.
func (g *group) addRefundsTold(byApp map[string]sums) {
	type told struct {
		app string
		sum int64
	}
	byOrder := make(map[int64]*told, len(g.orders))
	for _, e := range g.orders {
		byOrder[e.id] = &told{e.AppID, int64(e.was.Refunded())}
	}
	for i := range g.events {
		ev := &g.events[i]
		if ev.Type != trade.EventRefund {
			continue
		}
		t := byOrder[ev.order]
		s := byApp[t.app]
		s.refundedTold += int64(ev.Refunded) - t.sum
		t.sum = int64(ev.Refunded)
		byApp[t.app] = s
	}
}
