// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// group is one transaction, and what the calls that take part in it want to
// change. It costs two round trips: one locks and reads the orders, one writes all
// there is to write and commits. The locks that several processes would wait for
// together (of the clock, above all) are taken and given back within the second,
// on the server's side: no process that hangs can hold them.
type group struct {
	ledger  *Ledger
	conn    *pgxpool.Conn
	writer  int
	reading bool // nothing can be written: take no locks
	doubted bool // a statement may name another order's trade: look them up

	loaded     map[trade.Key]orderRecord
	loadedHeld map[string]heldRecord
	owners     map[trade.Key]trade.Key // orders by app and trade number, of those that calls name
	numbers    []int64                 // for the ids of new orders

	orders map[trade.Key]*entry
	held   map[string]*heldRecord // by digest: as loaded, made or decided

	evidence []evidenceRow
	events   []eventRow
	newHeld  []*heldRecord
	decided  []*heldRecord
	months   map[int]time.Time // whose parts of the journal have to be made
}

// entry is an order in a group.
type entry struct {
	orderRecord
	was   orderRecord // as in the database; its id is 0 if it is not there
	dirty bool        // it has to be written
	whole bool        // also what no accepted mark changes
}

type evidenceRow struct {
	order    int64
	number   int
	evidence trade.Evidence
}

type eventRow struct {
	trade.Event
	order    int64
	evidence int
}

func newGroup(l *Ledger, conn *pgxpool.Conn, writer int) *group {
	g := &group{ledger: l, conn: conn, writer: writer, loaded: make(map[trade.Key]orderRecord), loadedHeld: make(map[string]heldRecord)}
	g.restart()
	return g
}

// restart forgets what calls have changed.
func (g *group) restart() {
	g.orders, g.held = make(map[trade.Key]*entry), make(map[string]*heldRecord)
	g.evidence, g.events, g.newHeld, g.decided = nil, nil, nil, nil
	g.months = make(map[int]time.Time)
}

// end gives the connection back; what was not committed is rolled back.
func (g *group) end(ctx context.Context) {
	if g.conn.Conn().PgConn().TxStatus() != 'I' {
		_, err := g.conn.Exec(ctx, "ROLLBACK")
		_ = err // the pool closes a connection that is still in a transaction
	}
	g.conn.Release()
}

// load begins the transaction, locks the orders and reads them.
func (g *group) load(ctx context.Context, calls []*call, marks map[trade.Key][]mark) error {
	sql := g.ledger.schema.sql
	apps, numbers := keysOf(calls, marks)
	b := &pgx.Batch{}
	lockOrders, scan := sqlLockOrders, scanWithTellings
	if g.reading {
		lockOrders, scan = sqlOrdersByKey, scanPlain
	} else {
		b.Queue(sqlBegin)
		g.ledger.current.Load().queueSettings(b)
		g.queueDecisions(b, calls)
	}
	b.Queue(sql(lockOrders), apps, numbers).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, scan)
		for i := range list {
			g.loaded[list[i].Key()] = list[i]
		}
		return err
	})
	news := 0
	for _, c := range calls {
		if c.news {
			news++
		}
	}
	g.queueHeld(b, sqlHeldAbout, apps, numbers)
	g.queueOwners(b, calls)
	if news > 0 && !g.reading {
		b.Queue(sql(sqlNumbers), news).Query(func(rows pgx.Rows) (err error) {
			g.numbers, err = pgx.CollectRows(rows, pgx.RowTo[int64])
			return err
		})
	}
	return g.conn.SendBatch(ctx, b).Close()
}

// queueDecisions locks all that was held about the orders of which something is
// decided, so that people decide about an order one after the other, in whatever
// process, also about one that is not there yet. It comes before the orders' own
// locks: what is read then is what the decision before has left.
func (g *group) queueDecisions(b *pgx.Batch, calls []*call) {
	decisions := slices.DeleteFunc(slices.Clone(calls), func(c *call) bool { return !c.decides })
	if apps, numbers := keysOf(decisions, nil); len(apps) > 0 {
		g.queueHeld(b, sqlLockHeld, apps, numbers)
	}
}

func (g *group) queueHeld(b *pgx.Batch, constant string, args ...any) {
	b.Queue(g.ledger.schema.sql(constant), args...).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, scanHeld)
		for i := range list {
			g.loadedHeld[list[i].ID] = list[i]
		}
		return err
	})
}

// keysOf are the keys of all orders that a group is about, as columns.
func keysOf(calls []*call, marks map[trade.Key][]mark) (apps, numbers []string) {
	seen := make(map[trade.Key]bool, len(calls)+len(marks))
	add := func(k trade.Key) {
		if !seen[k] {
			seen[k] = true
			apps, numbers = append(apps, column(k.AppID)), append(numbers, column(k.OutTradeNo))
		}
	}
	for _, c := range calls {
		if c.key != (trade.Key{}) {
			add(c.key)
		}
	}
	for k := range marks {
		add(k)
	}
	return apps, numbers
}

// entry is the order of a call; its id is 0 if there is none.
func (g *group) entry(k trade.Key) *entry {
	if e := g.orders[k]; e != nil {
		return e
	}
	r := g.loaded[k]
	e := &entry{orderRecord: r, was: r}
	g.orders[k] = e
	return e
}

// create gives a new order its id.
func (g *group) create(e *entry, at time.Time) error {
	if g.reading {
		e.id = -1 // it will not be written
		return nil
	}
	if len(g.numbers) == 0 {
		return errors.New("no number is left for a new order")
	}
	e.id, g.numbers = orderID(at, g.numbers[0]), g.numbers[1:]
	return nil
}

// mark raises the orders to what the shops have accepted.
func (g *group) mark(marks map[trade.Key][]mark) {
	for k, list := range marks {
		e := g.entry(k)
		for _, m := range list {
			if e.id == 0 {
				continue
			}
			raised := e.Accept(m.sequence)
			noted := e.accepted(m)
			e.dirty = e.dirty || raised || noted
		}
	}
}

// stage takes over what evidence has made of an order. number is the statement's
// among those that have changed the order, 0 if none is known.
func (g *group) stage(e *entry, next trade.Order, events []trade.Event, number int) {
	before := e.Order
	e.Order, e.dirty, e.whole = next, true, true
	for i := range events {
		events[i].ID = g.ledger.eventID(e.id, events[i].Sequence)
		if events[i].Type == trade.EventPaid {
			e.paidSequence = events[i].Sequence
		}
		g.events = append(g.events, eventRow{Event: events[i], order: e.id, evidence: number})
	}
	if len(events) > 0 {
		g.needMonth(e.id)
	}
	e.refused(&before)
}

// keep adds a statement to those that have changed the order.
func (g *group) keep(e *entry, ev *trade.Evidence) (number int) {
	e.evidences++
	g.evidence = append(g.evidence, evidenceRow{order: e.id, number: e.evidences, evidence: *ev})
	g.needMonth(e.id)
	return e.evidences
}

func (g *group) needMonth(order int64) {
	at := createdAround(order)
	if month := monthOf(at); !g.ledger.months.has(month) {
		g.months[month] = at
	}
}

// heldItem is a held item as it is in the database or in this group; nil if there
// is none.
func (g *group) heldItem(digest string) *heldRecord {
	if h := g.held[digest]; h != nil {
		return h
	}
	h, ok := g.loadedHeld[digest]
	if !ok {
		return nil
	}
	g.held[digest] = &h
	return &h
}

// heldAbout are all items that were held about an order, by their digests.
func (g *group) heldAbout(k trade.Key) map[string]*heldRecord {
	list := make(map[string]*heldRecord)
	for digest, h := range g.loadedHeld {
		if keyOf(&h.Held) == k {
			list[digest] = g.heldItem(digest)
		}
	}
	for _, h := range g.newHeld {
		if keyOf(&h.Held) == k {
			list[h.ID] = h
		}
	}
	return list
}

func keyOf(h *trade.Held) trade.Key {
	return trade.Key{AppID: h.Evidence.AppID, OutTradeNo: h.Evidence.OutTradeNo}
}

func (g *group) changed() bool {
	if len(g.newHeld)+len(g.decided) > 0 {
		return true
	}
	for _, e := range g.orders {
		if e.dirty {
			return true
		}
	}
	return false
}

// touched are the orders that have changed, in the order of their ids, so that
// transactions do not lock each other out.
func (g *group) touched() (changed, made []*entry) {
	for _, e := range g.orders {
		switch {
		case !e.dirty:
		case e.was.id == 0:
			made = append(made, e)
		default:
			changed = append(changed, e)
		}
	}
	byID := func(a, b *entry) int { return int(min(max(a.id-b.id, -1), 1)) }
	slices.SortFunc(changed, byID)
	slices.SortFunc(made, byID)
	return changed, made
}

// saved is what follows a commit.
func (g *group) saved() {
	g.ledger.months.add(g.months)
	for k, e := range g.orders {
		if e.id != 0 {
			g.ledger.known.add(k, e.Sequence)
		}
	}
	g.ledger.hub.committed(g)
}

// refused keeps the record of how the next event fares at the shop. An order that is
// told of anew, after a decision, begins at nothing.
func (e *entry) refused(before *trade.Order) {
	switch i, found := e.findTelling(e.Accepted + 1); {
	case e.Refusals > 0 && (e.Refusals != before.Refusals || e.Refusal != before.Refusal):
		t := e.telling(e.Accepted + 1)
		t.Refusals, t.RefusedSince, t.Refusal = e.Refusals, e.RefusedSince, e.Refusal
	case e.Refusals == 0 && before.Refusals > 0 && found: // given up, and begun anew
		e.tellings = slices.Delete(slices.Clone(e.tellings), i, i+1)
	}
}

// accepted notes when the events up to the mark were accepted, and reports
// whether that was news.
func (e *entry) accepted(m mark) (noted bool) {
	for s := min(m.sequence, e.Sequence); s > 0; s-- {
		if i, found := e.findTelling(s); found && !e.tellings[i].AcceptedAt.IsZero() {
			return noted
		}
		e.telling(s).AcceptedAt = m.at
		noted = true
	}
	return noted
}

// telling is the entry of one event, made if there is none.
func (e *entry) telling(sequence int) *ledger.Telling {
	i, found := e.findTelling(sequence)
	e.tellings = slices.Clone(e.tellings)
	if !found {
		e.tellings = slices.Insert(e.tellings, i, ledger.Telling{Sequence: sequence})
	}
	return &e.tellings[i]
}

func (e *entry) findTelling(sequence int) (int, bool) {
	return slices.BinarySearchFunc(e.tellings, sequence, func(t ledger.Telling, s int) int { return t.Sequence - s })
}
