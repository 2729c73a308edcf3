// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// save writes all that the group has changed and commits, in one round trip. What
// locks the clock comes last, and nothing waits for us while it is locked.
func (g *group) save(ctx context.Context) error {
	b := &pgx.Batch{}
	for _, at := range g.months {
		g.queue(b, sqlMonth, at)
	}
	changed, made := g.touched()
	g.queueEvidence(b)
	whole, advanced := apart(changed)
	if len(whole) > 0 {
		g.queue(b, sqlUpdateOrders, orderRows(whole).args()...)
	}
	if len(advanced) > 0 {
		a := advancedRows(advanced)
		g.queue(b, sqlAdvanceOrders, a.ids, a.accepted, a.updated, a.agendas, a.tellings)
	}
	for _, h := range g.decided {
		g.queue(b, sqlUpdateHeld, h.ID, decisionOf(&h.Decision), h.Waits())
	}
	g.queueAgenda(b, changed, made)
	if len(made) > 0 {
		list := orderRows(made)
		var newest int64
		for _, e := range made {
			newest = max(newest, e.CreatedAt.UnixMicro())
			list.apps, list.outTradeNos = append(list.apps, column(e.AppID)), append(list.outTradeNos, column(e.OutTradeNo))
			list.created = append(list.created, e.CreatedAt)
		}
		args := append([]any{newest, len(made)}, list.args()...)
		g.queue(b, sqlInsertOrders, append(args, list.apps, list.outTradeNos, list.created)...)
	}
	g.queueEvents(b)
	g.queueNewHeld(b)
	g.queueTotals(b, changed, made)
	var tag pgconn.CommandTag
	b.Queue(sqlCommit).Exec(func(t pgconn.CommandTag) error {
		tag = t
		return nil
	})
	if err := g.conn.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	if tag.String() != sqlCommit { // the server says ROLLBACK for one that had failed
		return fmt.Errorf("the transaction ended in %s", tag)
	}
	return nil
}

func (g *group) queue(b *pgx.Batch, constant string, args ...any) {
	b.Queue(g.ledger.schema.sql(constant), args...)
}

// orderArrays are orders as arrays, one for each column.
type orderArrays struct {
	ids                                  []int64
	tradeNos, states                     []string
	totals, refunded                     []int64
	sequences, accepted, paid, evidences []int32
	updated                              []time.Time
	bodies, agendas                      []string
	tellings                             []*string

	// of new orders only
	apps, outTradeNos []string
	created           []time.Time
}

func orderRows(list []*entry) *orderArrays {
	a := new(orderArrays)
	for _, e := range list {
		a.ids = append(a.ids, e.id)
		a.tradeNos, a.states = append(a.tradeNos, column(e.TradeNo)), append(a.states, column(string(e.Status())))
		a.totals, a.refunded = append(a.totals, int64(e.Total)), append(a.refunded, int64(e.Refunded()))
		a.sequences, a.accepted = append(a.sequences, int32(e.Sequence)), append(a.accepted, int32(e.Accepted))
		a.paid, a.evidences = append(a.paid, int32(e.paidSequence)), append(a.evidences, int32(e.evidences))
		a.updated = append(a.updated, e.UpdatedAt)
		a.bodies, a.agendas = append(a.bodies, encode(bodyOf(&e.Order))), append(a.agendas, encodeAgenda(&e.Agenda))
		a.tellings = append(a.tellings, tellingsOf(e.tellings))
	}
	return a
}

// apart tells orders that have to be written whole from those that have only got
// further with the shop.
func apart(changed []*entry) (whole, advanced []*entry) {
	for _, e := range changed {
		if e.whole {
			whole = append(whole, e)
		} else {
			advanced = append(advanced, e)
		}
	}
	return whole, advanced
}

// advancedRows are only the columns of sqlAdvanceOrders.
func advancedRows(list []*entry) *orderArrays {
	a := new(orderArrays)
	for _, e := range list {
		a.ids, a.accepted = append(a.ids, e.id), append(a.accepted, int32(e.Accepted))
		a.updated, a.agendas = append(a.updated, e.UpdatedAt), append(a.agendas, encodeAgenda(&e.Agenda))
		a.tellings = append(a.tellings, tellingsOf(e.tellings))
	}
	return a
}

func encodeAgenda(a *trade.Agenda) string {
	if *a == (trade.Agenda{}) {
		return "{}"
	}
	return encode(agendaOf(a))
}

func (a *orderArrays) args() []any {
	return []any{
		a.ids, a.tradeNos, a.states, a.totals, a.refunded, a.sequences, a.accepted, a.paid, a.evidences, a.updated,
		a.bodies, a.agendas, a.tellings,
	}
}

func (g *group) queueEvidence(b *pgx.Batch) {
	if len(g.evidence) == 0 {
		return
	}
	var orders []int64
	var numbers []int32
	var all, contentTypes []string
	var raws [][]byte
	for i := range g.evidence {
		r := &g.evidence[i]
		f := factsOf(&r.evidence)
		f.AppID, f.OutTradeNo = "", "" // the order's
		orders, numbers = append(orders, r.order), append(numbers, int32(r.number))
		all, raws = append(all, encode(f)), append(raws, r.evidence.Raw)
		contentTypes = append(contentTypes, column(r.evidence.ContentType))
	}
	g.queue(b, sqlInsertEvidence, orders, numbers, all, raws, contentTypes)
}

// eventArrays are events as arrays, one for each column.
type eventArrays struct {
	orders, refunded       []int64
	sequences, evidence    []int32
	types, states, sources []string
	at                     []time.Time
	direct                 []bool
}

func eventRows(list []eventRow) *eventArrays {
	a := new(eventArrays)
	for i := range list {
		e := &list[i]
		a.orders, a.sequences, a.refunded = append(a.orders, e.order), append(a.sequences, int32(e.Sequence)), append(a.refunded, int64(e.Refunded))
		a.types, a.states = append(a.types, string(e.Type)), append(a.states, column(string(e.Status)))
		a.sources, a.at = append(a.sources, column(string(e.Source))), append(a.at, e.At)
		a.direct, a.evidence = append(a.direct, e.Direct), append(a.evidence, int32(e.evidence))
	}
	return a
}

func (a *eventArrays) args() []any {
	return []any{a.orders, a.sequences, a.types, a.states, a.refunded, a.sources, a.at, a.direct, a.evidence}
}

func (g *group) queueEvents(b *pgx.Batch) {
	if len(g.events) == 0 {
		return
	}
	var newest int64
	for i := range g.events {
		newest = max(newest, g.events[i].At.UnixMicro())
	}
	g.queue(b, sqlInsertEvents, append([]any{newest, len(g.events)}, eventRows(g.events).args()...)...)
}

func (g *group) queueNewHeld(b *pgx.Batch) {
	if len(g.newHeld) == 0 {
		return
	}
	var newest int64
	for _, h := range g.newHeld {
		newest = max(newest, h.At.UnixMicro())
	}
	g.queue(b, sqlInsertHeld, append([]any{newest, len(g.newHeld)}, heldArgs(g.newHeld)...)...)
}

// heldArgs are held items as arrays, one for each column.
func heldArgs(list []*heldRecord) []any {
	var digests, apps, numbers, tradeNos, reasons, all, contentTypes []string
	var at []time.Time
	var contradicts, waits []bool
	var raws [][]byte
	var decisions []*string
	var pays []int64
	for _, h := range list {
		digests, reasons = append(digests, h.ID), append(reasons, string(h.Reason))
		apps, numbers = append(apps, column(h.Evidence.AppID)), append(numbers, column(h.Evidence.OutTradeNo))
		contradicts, waits = append(contradicts, h.Contradicts()), append(waits, h.Waits())
		all, raws = append(all, encode(factsOf(&h.Evidence))), append(raws, h.Evidence.Raw)
		contentTypes, decisions = append(contentTypes, column(h.Evidence.ContentType)), append(decisions, decisionOf(&h.Decision))
		pays, tradeNos, at = append(pays, int64(h.Pays())), append(tradeNos, column(h.Evidence.TradeNo)), append(at, h.At)
	}
	return []any{digests, apps, numbers, reasons, at, contradicts, waits, all, raws, contentTypes, decisions, pays, tradeNos}
}
