// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// checkRecords holds that what is stored twice agrees: each index has exactly
// the entries that the records ask for, and every reference leads somewhere.
func checkRecords(v *view) error {
	want := map[string]map[string]bool{
		string(bucketNumber): {}, string(bucketTradeNo): {}, string(bucketState): {}, string(bucketAgenda): {}, string(bucketDue): {},
		string(bucketDigest): {}, string(bucketEvents): {}, string(bucketWaiting): {}, string(bucketAbout): {},
	}
	add := func(bucket, key []byte) { want[string(bucket)][string(key)] = true }
	err := v.tx.Bucket(bucketOrders).ForEach(func(key, _ []byte) error {
		id, _ := parseID(key)
		r, err := v.orderAt(id)
		if err != nil {
			return err
		}
		add(bucketNumber, append(numberKey(r.Key(), v.ledger.salt), key...))
		add(bucketState, stateKey(stateCodes[r.Status()], id))
		if r.TradeNo != "" {
			add(bucketTradeNo, append(tradeNoKey(r.TradeNo, v.ledger.salt), key...))
		}
		if hasAgenda(&r.Order) {
			add(bucketAgenda, key)
		}
		g := &group{view: *v}
		for _, due := range [][]byte{
			g.dueKey(ledger.TaskTell, r.PublicURL(), r.TellAt, id), g.dueKey(ledger.TaskAsk, r.AppID, r.AskAt, id),
			g.dueKey(ledger.TaskRefund, r.AppID, r.RefundAt, id),
		} {
			if due != nil {
				add(bucketDue, due)
			}
		}
		for _, id := range r.events {
			add(bucketEvents, idKey(id))
		}
		return checkOrder(v, &r)
	})
	if err != nil {
		return err
	}
	err = v.tx.Bucket(bucketHeld).ForEach(func(key, _ []byte) error {
		id, _ := parseID(key)
		h, err := v.heldAt(id)
		add(bucketDigest, []byte(h.ID))
		add(bucketAbout, append(numberKey(keyOf(&h.Held), v.ledger.salt), key...))
		if h.Waits() {
			add(bucketWaiting, key)
		}
		if err == nil && h.Evidence.Digest() != h.ID {
			err = fmt.Errorf("held %d is not its evidence", id)
		}
		return err
	})
	if err != nil {
		return err
	}
	sets := map[string]set{
		string(bucketNumber): v.numbers(), string(bucketTradeNo): v.tradeNos(), string(bucketState): v.states(),
		string(bucketDue): v.due(), string(bucketWaiting): v.waiting(), string(bucketAbout): v.about(),
	}
	for bucket, keys := range want {
		check := checkKeys(v.tx.Bucket([]byte(bucket)), keys)
		if s, ok := sets[bucket]; ok {
			check = checkSet(s, keys)
		}
		if check != nil {
			return fmt.Errorf("%s: %w", bucket, check)
		}
	}
	if err := checkTotals(v); err != nil {
		return err
	}
	return checkStream(v)
}

// checkTotals: what each transaction has counted is what a count finds.
func checkTotals(v *view) error {
	want, err := v.countAll()
	if err != nil {
		return err
	}
	err = v.tx.Bucket(bucketTotals).ForEach(func(appID, data []byte) error {
		got, err := decodeSums(data)
		if s := want[string(appID)]; err == nil && (s == nil || got != *s) {
			err = fmt.Errorf("the totals of %s are %+v, a count finds %+v", appID, got, s)
		}
		delete(want, string(appID))
		return err
	})
	for appID, s := range want {
		if err == nil && *s != (sums{}) {
			err = fmt.Errorf("no totals of %s, a count finds %+v", appID, *s)
		}
	}
	return err
}

func checkOrder(v *view, r *orderRecord) error {
	if len(r.events) != r.Sequence {
		return fmt.Errorf("order %d has %d events and the sequence %d", r.id, len(r.events), r.Sequence)
	}
	for i, id := range r.events {
		ev, err := v.event(id)
		if err != nil {
			return err
		}
		if ev.Sequence != i+1 || ev.order != r.id || ev.evidence < 1 || ev.evidence > len(r.evidence) {
			return fmt.Errorf("order %d: event %d is %+v", r.id, i, ev)
		}
		e, err := v.evidence(r.evidence[ev.evidence-1])
		if err != nil {
			return err
		}
		if e.Source != ev.Source || !e.ReceivedAt.Equal(ev.At) {
			return fmt.Errorf("order %d: event %d was not caused by %+v", r.id, i, e)
		}
	}
	return nil
}

func checkKeys(b *bbolt.Bucket, want map[string]bool) error {
	n := 0
	err := b.ForEach(func(key, _ []byte) error {
		n++
		if !want[string(key)] {
			return fmt.Errorf("holds %x, which no record asks for", key)
		}
		return nil
	})
	if err == nil && n != len(want) {
		err = fmt.Errorf("holds %d entries, the records ask for %d", n, len(want))
	}
	return err
}

// checkSet is checkKeys for a set, whose blocks have to be in order, too.
func checkSet(s set, want map[string]bool) error {
	n, last := 0, []byte(nil)
	for entry := range s.from(setBottom) {
		n++
		if !want[string(entry)] {
			return fmt.Errorf("holds %x, which no record asks for", entry)
		}
		if bytes.Compare(last, entry) >= 0 {
			return fmt.Errorf("holds %x after %x", entry, last)
		}
		last = entry
	}
	if n != len(want) {
		return fmt.Errorf("holds %d entries, the records ask for %d", n, len(want))
	}
	return s.bucket.ForEach(func(key, block []byte) error {
		if len(block)%s.size != 0 || len(block) > maxBlock || len(block) > 0 && bytes.Compare(key, block) > 0 {
			return fmt.Errorf("block %x: %x", key, block)
		}
		return nil
	})
}

// checkStream: all chunks but the last are full, and none is missing.
func checkStream(v *view) error {
	next, full := uint64(0), true
	return v.tx.Bucket(bucketEvidence).ForEach(func(key, chunk []byte) error {
		id, _ := parseID(key)
		freed := v.tx.Bucket(bucketFreed) != nil && id > next
		if !bytes.Equal(key, idKey(next)) && !freed || !full {
			return fmt.Errorf("evidence chunk %x where %d was due", key, next)
		}
		next, full = id+1, len(chunk) == chunkSize
		return nil
	})
}
