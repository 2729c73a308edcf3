// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// An event that came from another ledger keeps the id that it had there: with the
// event, and in a bucket of its own, which there is only if there are such events.
// A program that does not know it would tell the shop of them under other ids, so
// the file has another format from then on.

var bucketAlias = []byte("alias") // id elsewhere -> event's id

// formatAlias is the format of a file with aliases.
const formatAlias = 3

// maxAlias bounds ids of other ledgers, in bytes.
const maxAlias = 128

// public is a stored event as callers see it.
func (v *view) public(ev *eventRecord, outTradeNo string) trade.Event {
	e := ev.Event
	e.ID, e.OutTradeNo = ev.alias, outTradeNo
	if e.ID == "" {
		e.ID = public(eventPrefix, ev.id, v.ledger.salt)
	}
	return e
}

// eventOf is the id under which an event is stored; false if no such id was given
// out, here or where the event came from.
func (v *view) eventOf(publicID string) (uint64, bool) {
	if id, ok := parsePublic(eventPrefix, publicID, v.ledger.salt); ok {
		return id, true
	}
	b := v.tx.Bucket(bucketAlias)
	if b == nil {
		return 0, false
	}
	return parseID(b.Get([]byte(publicID)))
}

// saveAliases makes the events that have one known by it.
func saveAliases(tx *bbolt.Tx, events []caused) error {
	var b *bbolt.Bucket
	for i := range events {
		ev := &events[i]
		if ev.alias == "" {
			continue
		}
		if b == nil {
			var err error
			if b, err = tx.CreateBucketIfNotExists(bucketAlias); err != nil {
				return fmt.Errorf("making %s: %w", bucketAlias, err)
			}
			if err := tx.Bucket(bucketMeta).Put(keyVersion, binary.AppendUvarint(nil, formatAlias)); err != nil {
				return err
			}
		}
		if err := b.Put([]byte(ev.alias), idKey(ev.id)); err != nil {
			return err
		}
	}
	return nil
}

// wrongAlias finds an alias that leads to no event of that name.
func (v *view) wrongAlias() error {
	b := v.tx.Bucket(bucketAlias)
	if b == nil {
		return nil
	}
	return b.ForEach(func(alias, key []byte) error {
		id, _ := parseID(key)
		ev, err := v.event(id)
		if err == nil && ev.alias != string(alias) {
			err = fmt.Errorf("%w: %s leads to the event %d, which is another", errDamaged, alias, id)
		}
		return err
	})
}
