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
	events []eventRecord
	held   []trade.Held
	places []uint64 // of held's evidence
	stream streamWriter
	last   uint64 // id
	arena  []byte // holds what was encoded until the transaction ends
	names  int    // on disk, once this transaction is
}

// entry is one order within a group.
type entry struct {
	orderRecord
	was   indexed
	dirty bool
}

// indexed is what the indexes say of an order.
type indexed struct {
	exists      bool
	tradeNo     string
	state       byte
	undelivered bool
}

func indexedAs(r *orderRecord) indexed {
	return indexed{exists: true, tradeNo: r.TradeNo, state: stateCodes[r.Status()], undelivered: r.Undelivered()}
}

func (l *Ledger) begin(tx *bbolt.Tx) (*group, error) {
	g := &group{
		view:   view{ledger: l, tx: tx},
		orders: make(map[trade.Key]*entry),
		last:   l.committer.lastID,
	}
	var err error
	g.stream, err = openStream(tx.Bucket(bucketEvidence))
	return g, err
}

// entry is the order as it stands in this group; without id if there is none.
func (g *group) entry(k trade.Key) (*entry, error) {
	if e, ok := g.orders[k]; ok {
		return e, nil
	}
	r, found, err := g.order(k)
	if err != nil {
		return nil, err
	}
	e := &entry{orderRecord: r}
	if found {
		e.was = indexedAs(&r)
	}
	g.orders[k] = e
	return e, nil
}

// nextID gives the id for a record of time t; see doc.go.
func (g *group) nextID(t time.Time) uint64 {
	g.last = max(g.last+1, idAt(t))
	return g.last
}

// mark applies accepted marks. An order that cannot be read keeps what it has:
// its events are told once more, with the same ids.
func (g *group) mark(marks map[orderKey]int) {
	for k, sequence := range marks {
		if e, err := g.entry(k); err == nil && sequence > e.Accepted {
			e.Accepted, e.dirty = sequence, true
		}
	}
}

func (g *group) changed() bool {
	if len(g.events)+len(g.held) > 0 {
		return true
	}
	for _, e := range g.orders {
		if e.dirty {
			return true
		}
	}
	return false
}

// save writes what the calls have changed.
func (g *group) save() error {
	g.ledger.committer.lastID = g.last // also if this fails: an id is never given twice
	dirty := make([]*entry, 0, len(g.orders))
	for _, e := range g.orders {
		if e.dirty {
			dirty = append(dirty, e)
		}
	}
	slices.SortFunc(dirty, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	if err := g.saveOrders(dirty); err != nil {
		return err
	}
	if err := g.saveIndexes(dirty); err != nil {
		return err
	}
	if err := g.saveEvents(); err != nil {
		return err
	}
	if err := g.saveHeld(); err != nil {
		return err
	}
	if err := g.stream.flush(); err != nil {
		return err
	}
	var err error
	g.names, err = g.ledger.names.store(g.tx.Bucket(bucketNames))
	return err
}

// saved is told that the transaction is on disk.
func (g *group) saved() { g.ledger.names.setStored(g.names) }

// encoded keeps what add appends until the transaction ends, as bbolt demands
// of values.
func (g *group) encoded(add func([]byte) []byte) []byte {
	from := len(g.arena)
	g.arena = add(g.arena)
	return g.arena[from:len(g.arena):len(g.arena)]
}

// ordersFill leaves room in the pages at the end of orders: records grow to
// nearly twice their size when they are paid, soon after they were appended.
const ordersFill = 0.6

func (g *group) saveOrders(dirty []*entry) error {
	b := g.tx.Bucket(bucketOrders)
	b.FillPercent = ordersFill
	for _, e := range dirty {
		value := g.encoded(func(b []byte) []byte { return appendOrder(b, &e.orderRecord, g.ledger.names) })
		if err := b.Put(idKey(e.id), value); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) saveIndexes(dirty []*entry) error {
	numbers, trades, states := g.tx.Bucket(bucketNumber), g.tx.Bucket(bucketTradeNo), g.tx.Bucket(bucketState)
	for _, e := range dirty {
		was, now, id := e.was, indexedAs(&e.orderRecord), idKey(e.id)
		if !was.exists {
			if err := numbers.Put(g.nameKey(e.AppID, e.OutTradeNo), id); err != nil {
				return err
			}
		}
		if was.tradeNo != now.tradeNo {
			if err := moveKey(trades, g.tradeKey(e.AppID, was.tradeNo), g.tradeKey(e.AppID, now.tradeNo), id); err != nil {
				return err
			}
		}
		if was.exists != now.exists || was.state != now.state {
			var from []byte
			if was.exists {
				from = stateKey(was.state, e.id)
			}
			if err := moveKey(states, from, stateKey(now.state, e.id), nil); err != nil {
				return err
			}
		}
		if was.undelivered != now.undelivered {
			from, to := stateKey(stateUndelivered, e.id), []byte(nil)
			if now.undelivered {
				from, to = to, from
			}
			if err := moveKey(states, from, to, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// tradeKey is nil for an order without a trade number.
func (g *group) tradeKey(appID, tradeNo string) []byte {
	if tradeNo == "" {
		return nil
	}
	return g.nameKey(appID, tradeNo)
}

// moveKey deletes one key and puts another; nil stands for none.
func moveKey(b *bbolt.Bucket, from, to, value []byte) error {
	if from != nil {
		if err := b.Delete(from); err != nil {
			return err
		}
	}
	if to == nil {
		return nil
	}
	return b.Put(to, value)
}

func (g *group) saveEvents() error {
	b := g.tx.Bucket(bucketEvents)
	b.FillPercent = 1
	for i := range g.events {
		value := g.encoded(func(b []byte) []byte { return appendEvent(b, &g.events[i], g.ledger.names) })
		if err := b.Put(idKey(g.events[i].id), value); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) saveHeld() error {
	items, digests := g.tx.Bucket(bucketHeld), g.tx.Bucket(bucketDigest)
	for i, h := range g.held {
		r := heldRecord{Held: h, id: g.nextID(h.At), place: g.places[i]}
		g.ledger.committer.lastID = g.last
		value := g.encoded(func(b []byte) []byte { return appendHeld(b, &r, g.ledger.names) })
		if err := items.Put(idKey(r.id), value); err != nil {
			return err
		}
		if err := digests.Put([]byte(h.ID), idKey(r.id)); err != nil {
			return err
		}
	}
	return nil
}
