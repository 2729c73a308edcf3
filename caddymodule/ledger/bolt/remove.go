// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// What archiving needs beside the records. Older programs may ignore it, so files
// get these buckets when something is deleted first.
var (
	bucketArchived = []byte("archived") // app -> sums over orders that were deleted
	bucketFreed    = []byte("freed")    // chunk of evidence -> how many of its bytes nobody refers to
	keyLast        = []byte("last")     // in meta: an id that is not to be given again, nor a lower one
)

// gone is an order that a group deletes.
type gone struct {
	orderRecord
	held []heldRecord
	sums sums
}

// remove deletes orders at once, and not with save: what later calls of the group
// read is then without them. So nothing may fail half-way but with the group.
func (g *group) remove(list []ledger.Exported) (int, error) {
	var all []gone
	for i := range list {
		d, ok, err := g.removable(&list[i])
		if err != nil {
			return 0, err
		}
		if ok {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		return 0, nil
	}
	g.failed = g.erase(all)
	return len(all), g.failed
}

// removable is the order, if it may be deleted.
func (g *group) removable(x *ledger.Exported) (d gone, ok bool, err error) {
	e, err := g.entry(x.Key)
	if err != nil || e.id == 0 || e.dirty || e.marked {
		return d, false, err
	}
	for _, h := range g.items {
		if h.changed && keyOf(&h.Held) == x.Key {
			return d, false, nil
		}
	}
	if d.orderRecord, err = g.orderAt(e.id); err != nil { // not what recent holds
		return d, false, err
	}
	w, err := g.whole(&d.orderRecord)
	if err != nil || w.Unfinished() != ledger.KeepsNothing || hasAgenda(&d.Order) {
		return d, false, err
	}
	if ok, err = w.Is(x); err != nil || !ok {
		return d, false, err
	}
	for h, err := range g.heldAbout(x.Key) {
		if err != nil {
			return d, false, err
		}
		d.held = append(d.held, h)
	}
	d.sums, err = g.counted(&d.orderRecord)
	return d, err == nil, err
}

// erase deletes records, and then what leads to them.
func (g *group) erase(all []gone) error {
	var places []uint64
	for i := range all {
		d := &all[i]
		places = append(places, d.evidence...)
		for _, h := range d.held {
			places = append(places, h.place)
		}
	}
	for _, step := range []func() error{
		func() error { return g.free(places) },
		func() error { return g.eraseRecords(all) },
		func() error { return g.eraseIndexes(all) },
		func() error { return g.addArchived(all) },
		func() error { return g.tx.Bucket(bucketMeta).Put(keyLast, idKey(g.last)) },
	} {
		if err := step(); err != nil {
			return unavailable("deleting", err)
		}
	}
	for i := range all {
		k := all[i].Key()
		g.orders[k] = &entry{} // for later calls there is none
		g.removed = append(g.removed, k)
		for _, h := range all[i].held {
			delete(g.items, h.ID)
		}
	}
	return nil
}

func (g *group) eraseRecords(all []gone) error {
	orders, events := g.tx.Bucket(bucketOrders), g.tx.Bucket(bucketEvents)
	items, digests := g.tx.Bucket(bucketHeld), g.tx.Bucket(bucketDigest)
	for i := range all {
		if err := orders.Delete(idKey(all[i].id)); err != nil {
			return err
		}
		for _, id := range all[i].events {
			if err := g.eraseAlias(id); err != nil {
				return err
			}
			if err := events.Delete(idKey(id)); err != nil {
				return err
			}
		}
		for _, h := range all[i].held {
			if err := items.Delete(idKey(h.id)); err != nil {
				return err
			}
			if err := digests.Delete([]byte(h.ID)); err != nil {
				return err
			}
		}
	}
	return nil
}

// eraseAlias deletes what leads to an event from another ledger.
func (g *group) eraseAlias(id uint64) error {
	b := g.tx.Bucket(bucketAlias)
	if b == nil {
		return nil
	}
	ev, err := g.event(id)
	if err != nil || ev.alias == "" {
		return err
	}
	return b.Delete([]byte(ev.alias))
}

func (g *group) eraseIndexes(all []gone) error {
	var numbers, tradeNos, states, about []setChange
	without := func(changes *[]setChange, key []byte, id uint64) {
		*changes = append(*changes, setChange{entry: append(key, idKey(id)...), remove: true})
	}
	for i := range all {
		d := &all[i]
		without(&numbers, numberKey(d.Key(), g.ledger.salt), d.id)
		if d.TradeNo != "" {
			without(&tradeNos, tradeNoKey(d.TradeNo, g.ledger.salt), d.id)
		}
		states = append(states, setChange{entry: stateKey(stateCodes[d.Status()], d.id), remove: true})
		for _, h := range d.held {
			without(&about, numberKey(d.Key(), g.ledger.salt), h.id)
		}
	}
	for _, c := range []struct {
		set     set
		changes []setChange
	}{{g.numbers(), numbers}, {g.tradeNos(), tradeNos}, {g.states(), states}, {g.about(), about}} {
		if err := c.set.apply(c.changes, g.encoded); err != nil {
			return err
		}
	}
	return nil
}

// addArchived keeps what the deleted orders count for in the totals.
func (g *group) addArchived(all []gone) error {
	b, err := g.tx.CreateBucketIfNotExists(bucketArchived)
	if err != nil {
		return err
	}
	added := make(map[string]*sums)
	for i := range all {
		if added[all[i].AppID] == nil {
			added[all[i].AppID] = new(sums)
		}
		added[all[i].AppID].add(all[i].sums)
	}
	for appID, s := range added {
		have, err := decodeSums(b.Get([]byte(appID)))
		if err != nil {
			return err
		}
		have.add(*s)
		if err := b.Put([]byte(appID), g.encoded(func(b []byte) []byte { return appendSums(b, &have) })); err != nil {
			return err
		}
	}
	return nil
}

// archivedSums adds the sums over deleted orders to those of the living.
func (v *view) archivedSums(totals map[string]*sums) error {
	b := v.tx.Bucket(bucketArchived)
	if b == nil {
		return nil
	}
	return b.ForEach(func(appID, data []byte) error {
		s, err := decodeSums(data)
		if totals[string(appID)] == nil {
			totals[string(appID)] = new(sums)
		}
		totals[string(appID)].add(s)
		return err
	})
}

// free notes that nobody refers to records of the stream any more, and deletes the
// chunks of which that is true to the last byte. The last chunk stays: the next
// record's place follows from it.
func (g *group) free(places []uint64) error {
	slices.Sort(places)
	b, chunks := g.tx.Bucket(bucketEvidence), make(map[uint64]uint64)
	for _, place := range slices.Compact(places) { // a held item may share its order's
		data, err := readStream(b, place)
		if err != nil {
			return err
		}
		end := place + uint64(len(binary.AppendUvarint(nil, uint64(len(data))))+len(data))
		for at := place; at < end; {
			next := min(end, (at/chunkSize+1)*chunkSize)
			chunks[at/chunkSize] += next - at
			at = next
		}
	}
	freed, err := g.tx.CreateBucketIfNotExists(bucketFreed)
	if err != nil {
		return err
	}
	for chunk, n := range chunks {
		if err := g.freeChunk(b, freed, chunk, n); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) freeChunk(chunks, freed *bbolt.Bucket, chunk, n uint64) error {
	have, _ := binary.Uvarint(freed.Get(idKey(chunk)))
	if have += n; have < chunkSize || chunk >= g.stream.first {
		return freed.Put(idKey(chunk), binary.AppendUvarint(nil, have))
	}
	if err := freed.Delete(idKey(chunk)); err != nil {
		return err
	}
	return chunks.Delete(idKey(chunk))
}

// drop forgets orders that were deleted.
func (c *recent) drop(keys []trade.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		delete(c.young, k)
		delete(c.old, k)
	}
}
