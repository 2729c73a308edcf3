// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"cmp"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// group is one write transaction. Calls read from it and put what they change
// beside the database, where nothing can fail; save then writes all of it. So a
// call either takes part as a whole or leaves no trace, and calls for the same
// order see each other's effect and cost one record.
type group struct {
	view
	orders map[trade.Key]*entry
	events []caused
	told   []told
	retold []eventRecord // events that were there, and are written anew
	stream streamWriter
	last   uint64 // id
	arena  []byte // holds what was encoded until the transaction ends
	names  int    // on disk, once this transaction is

	// nil unless there is something in them
	items    map[string]*heldEntry // held items by their digests
	settings map[string][]byte     // that are set
	added    map[string]*sums      // to those of apps
	// traded are orders by app and by the trade number that they have got in this group
	traded  map[trade.Key]trade.Key
	removed []trade.Key // orders that are deleted already, see remove
	failed  error       // they could not be: the group fails
}

// caused is a new event.
type caused struct {
	eventRecord
	of *entry
}

// entry is one order within a group.
type entry struct {
	orderRecord
	was    indexed
	dirty  bool // the record has changed
	marked bool // its agenda has changed
}

// indexed is what the indexes say of an order.
type indexed struct {
	exists  bool
	tradeNo string
	state   byte
	plan    plan

	paid, refunded trade.Amount // what it counts for in the totals
}

func indexedAs(r *orderRecord) indexed {
	return indexed{
		exists: true, tradeNo: r.TradeNo, state: stateCodes[r.Status()], plan: planned(r),
		paid: paidBy(&r.Order), refunded: r.Refunded(),
	}
}

func (l *Ledger) begin(tx *bbolt.Tx) (*group, error) {
	g := &group{
		view:   view{ledger: l, tx: tx},
		orders: make(map[trade.Key]*entry),
		last:   l.committer.lastID,
		arena:  l.committer.arena[:0],
	}
	var err error
	g.stream, err = openStream(tx.Bucket(bucketEvidence), l.committer.stream)
	return g, err
}

// maxKept bounds the buffers that wait for the next group.
const maxKept = 1 << 20

// end gives the group's buffers to the next group. bbolt reads from them until
// the transaction has ended.
func (g *group) end() {
	c := &g.ledger.committer
	if cap(g.arena) <= maxKept {
		c.arena = g.arena
	}
	if cap(g.stream.data) <= maxKept {
		c.stream = g.stream.data
	}
}

// entry is the order as it stands in this group; without id if there is none.
func (g *group) entry(k trade.Key) (*entry, error) {
	if e, ok := g.orders[k]; ok {
		return e, nil
	}
	e := &entry{}
	if r, ok := g.ledger.recent.get(k); ok {
		e.orderRecord, e.was = *r, indexedAs(r)
	} else {
		r, found, err := g.order(k)
		if err != nil {
			return nil, err
		}
		if found {
			e.orderRecord, e.was = r, indexedAs(&r)
		}
	}
	g.orders[k] = e
	return e, nil
}

// nextID gives the id for a record of time t; see doc.go.
func (g *group) nextID(t time.Time) uint64 {
	g.last = max(g.last+1, idAt(t))
	return g.last
}

func (g *group) changed() bool {
	if len(g.events)+len(g.retold)+len(g.settings)+len(g.removed) > 0 {
		return true
	}
	for _, h := range g.items {
		if h.changed {
			return true
		}
	}
	for _, e := range g.orders {
		if e.dirty || e.marked {
			return true
		}
	}
	return false
}

// save writes what the calls have changed.
func (g *group) save() error {
	g.ledger.committer.lastID = g.last // also if this fails: an id is never given twice
	touched := make([]*entry, 0, len(g.orders))
	for _, e := range g.orders {
		if e.dirty || e.marked {
			touched = append(touched, e)
		}
	}
	slices.SortFunc(touched, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	for _, save := range []func([]*entry) error{g.saveOrders, g.saveNumbers, g.saveTradeNos, g.saveStates, g.saveAgenda} {
		if err := save(touched); err != nil {
			return err
		}
	}
	for _, save := range []func() error{g.saveEvents, g.saveTold, g.saveHeld, g.saveSettings, g.stream.flush} {
		if err := save(); err != nil {
			return err
		}
	}
	if err := g.saveTotals(touched); err != nil {
		return err
	}
	var err error
	g.names, err = g.ledger.names.store(g.tx.Bucket(bucketNames))
	return err
}

// saved is told that the transaction is on disk.
func (g *group) saved(tx int) {
	g.ledger.names.setStored(g.names)
	g.ledger.recent.drop(g.removed)
	g.ledger.recent.put(tx, g.orders)
}

// encoded keeps what add appends until the transaction ends, as bbolt demands
// of values.
func (g *group) encoded(add func([]byte) []byte) []byte {
	from := len(g.arena)
	g.arena = add(g.arena)
	return g.arena[from:len(g.arena):len(g.arena)]
}

// ordersFill leaves room in the pages of orders for records that grow by more
// than roomToGrow.
const ordersFill = 0.9

func (g *group) saveOrders(touched []*entry) error {
	b := g.tx.Bucket(bucketOrders)
	b.FillPercent = ordersFill
	for _, e := range touched {
		if !e.dirty {
			continue
		}
		value := g.encoded(func(b []byte) []byte { return appendOrder(b, &e.orderRecord, g.ledger.names) })
		if err := b.Put(idKey(e.id), value); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) saveNumbers(touched []*entry) error {
	var changes []setChange
	for _, e := range touched {
		if !e.was.exists {
			changes = append(changes, setChange{entry: append(numberKey(e.Key(), g.ledger.salt), idKey(e.id)...)})
		}
	}
	return g.numbers().apply(changes, g.encoded)
}

func (g *group) saveTradeNos(touched []*entry) error {
	var changes []setChange
	change := func(tradeNo string, id uint64, remove bool) {
		if tradeNo != "" {
			key := append(tradeNoKey(tradeNo, g.ledger.salt), idKey(id)...)
			changes = append(changes, setChange{entry: key, remove: remove})
		}
	}
	for _, e := range touched {
		if e.TradeNo != e.was.tradeNo {
			change(e.was.tradeNo, e.id, true)
			change(e.TradeNo, e.id, false)
		}
	}
	return g.tradeNos().apply(changes, g.encoded)
}

func (g *group) saveStates(touched []*entry) error {
	var changes []setChange
	for _, e := range touched {
		state := stateCodes[e.Status()]
		if e.was.exists && e.was.state == state {
			continue
		}
		if e.was.exists {
			changes = append(changes, setChange{entry: stateKey(e.was.state, e.id), remove: true})
		}
		changes = append(changes, setChange{entry: stateKey(state, e.id)})
	}
	return g.states().apply(changes, g.encoded)
}

func (g *group) saveEvents() error {
	b := g.tx.Bucket(bucketEvents)
	b.FillPercent = 1
	for i := range g.events {
		value := g.encoded(func(b []byte) []byte { return appendEvent(b, &g.events[i].eventRecord, g.ledger.names) })
		if err := b.Put(idKey(g.events[i].id), value); err != nil {
			return err
		}
	}
	for i := range g.retold {
		value := g.encoded(func(b []byte) []byte { return appendEvent(b, &g.retold[i], g.ledger.names) })
		if err := b.Put(idKey(g.retold[i].id), value); err != nil {
			return err
		}
	}
	return saveAliases(g.tx, g.events)
}
