// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
)

// upgrade brings a file of an older format up to date, in one transaction. From
// format 1 it adds the sums of the totals and the indexes of held items, which it
// counts, once, from all that the file holds.
func (l *Ledger) upgrade(tx *bbolt.Tx) error {
	if err := makeBuckets(tx, bucketsSince2); err != nil {
		return err
	}
	v := &view{ledger: l, tx: tx}
	if err := v.indexHeld(); err != nil {
		return err
	}
	totals, err := v.countAll()
	if err != nil {
		return err
	}
	for appID, s := range totals {
		if err := tx.Bucket(bucketTotals).Put([]byte(appID), appendSums(nil, s)); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(keyVersion, binary.AppendUvarint(nil, formatVersion))
}

// indexHeld makes the indexes of held items, of which none is decided.
func (v *view) indexHeld() error {
	var waiting, about []setChange
	for id := range v.allIDs(bucketHeld, 0) {
		h, err := v.heldAt(id)
		if err != nil {
			return err
		}
		waiting = append(waiting, setChange{entry: idKey(id)})
		about = append(about, setChange{entry: append(numberKey(keyOf(&h.Held), v.ledger.salt), idKey(id)...)})
	}
	keep := func(add func([]byte) []byte) []byte { return add(nil) }
	if err := v.waiting().apply(waiting, keep); err != nil {
		return err
	}
	return v.about().apply(about, keep)
}

// countAll are the sums of all apps, counted from all orders and events, and those
// of what was archived.
func (v *view) countAll() (map[string]*sums, error) {
	totals := make(map[string]*sums)
	for id := range v.allIDs(bucketOrders, 0) {
		r, err := v.orderAt(id)
		if err != nil {
			return nil, err
		}
		s, err := v.counted(&r)
		if err != nil {
			return nil, err
		}
		if totals[r.AppID] == nil {
			totals[r.AppID] = new(sums)
		}
		totals[r.AppID].add(s)
	}
	return totals, v.archivedSums(totals)
}

// makeBuckets makes buckets, and in those of sets the first block.
func makeBuckets(tx *bbolt.Tx, names [][]byte) error {
	sets := map[string]bool{}
	for _, name := range [][]byte{bucketNumber, bucketTradeNo, bucketState, bucketDue, bucketWaiting, bucketAbout} {
		sets[string(name)] = true
	}
	for _, name := range names {
		b, err := tx.CreateBucket(name)
		if err != nil {
			return fmt.Errorf("making %s: %w", name, err)
		}
		if !sets[string(name)] {
			continue
		}
		if err := b.Put(setBottom, nil); err != nil {
			return err
		}
	}
	return nil
}
