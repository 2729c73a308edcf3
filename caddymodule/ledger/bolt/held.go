// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// heldEntry is one held item within a group.
type heldEntry struct {
	heldRecord
	isNew   bool
	waited  bool // before this group
	changed bool
}

func keyOf(h *trade.Held) trade.Key {
	return trade.Key{AppID: h.Evidence.AppID, OutTradeNo: h.Evidence.OutTradeNo}
}

// given is a held item as callers get it: theirs to change.
func (h *heldEntry) given() *trade.Held {
	item := h.Held
	item.Evidence.Raw = bytes.Clone(item.Evidence.Raw)
	return &item
}

// waiting are the ids of held items that wait for a person.
func (v *view) waiting() set { return set{bucket: v.tx.Bucket(bucketWaiting), size: idSize} }

// about are the ids of held items by the numbers of their orders.
func (v *view) about() set { return set{bucket: v.tx.Bucket(bucketAbout), size: lookupSize + idSize} }

// heldAbout walks over what was held about an order, the oldest first.
func (v *view) heldAbout(k trade.Key) iter.Seq2[heldRecord, error] {
	return func(yield func(heldRecord, error) bool) {
		key := numberKey(k, v.ledger.salt)
		for entry := range v.about().from(key) {
			if !bytes.HasPrefix(entry, key) {
				return
			}
			id, _ := parseID(entry[len(key):])
			h, err := v.heldAt(id)
			if err == nil && keyOf(&h.Held) != k {
				continue // another number with the same hash
			}
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}

// heldByDigest is a held item of the file; false if there is none.
func (v *view) heldByDigest(digest string) (heldRecord, bool, error) {
	key := v.tx.Bucket(bucketDigest).Get([]byte(digest))
	if key == nil {
		return heldRecord{}, false, nil
	}
	id, _ := parseID(key)
	h, err := v.heldAt(id)
	return h, err == nil, err
}

func (v *view) heldAt(id uint64) (heldRecord, error) {
	r, err := decoded(v, bucketHeld, id, decodeHeld)
	if err != nil {
		return r, err
	}
	r.Evidence, err = v.evidence(r.place)
	return r, err
}

// held is a held item as it stands in this group; nil if there is none.
func (g *group) held(digest string) (*heldEntry, error) {
	if h := g.items[digest]; h != nil {
		return h, nil
	}
	r, found, err := g.heldByDigest(digest)
	if err != nil || !found {
		return nil, err
	}
	h := &heldEntry{heldRecord: r, waited: r.Waits()}
	g.keepItem(h)
	return h, nil
}

func (g *group) keepItem(h *heldEntry) {
	if g.items == nil {
		g.items = make(map[string]*heldEntry)
	}
	g.items[h.ID] = h
}

// hold stages a new held item and returns the place of its evidence.
func (g *group) hold(h trade.Held) (place uint64) {
	place = g.keep(&h.Evidence)
	g.keepItem(&heldEntry{heldRecord: heldRecord{Held: h, id: g.nextID(h.At), place: place}, isNew: true, changed: true})
	return place
}

// answering is the held item whose decision has answered e (trade.Held.Answers);
// nil if there is none.
func (g *group) answering(o *trade.Order, e *trade.Evidence) (answer *heldEntry, err error) {
	if !g.ledger.decided.Load() {
		return nil, nil
	}
	k := trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo}
	if err := g.readHeld(k); err != nil {
		return nil, err
	}
	digest := e.Digest()
	for _, h := range g.items {
		if keyOf(&h.Held) == k && h.Answers(o, e) && (answer == nil || h.ID == digest || answer.ID != digest && h.id < answer.id) {
			answer = h
		}
	}
	return answer, nil
}

// answering is answering for what is on disk.
func (v *view) answering(o *trade.Order, e *trade.Evidence) (answer *trade.Held, err error) {
	digest := e.Digest()
	for h, err := range v.heldAbout(trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo}) {
		if err != nil {
			return nil, err
		}
		if h.Answers(o, e) && (answer == nil || h.ID == digest) { // the oldest comes first
			answer = &h.Held
		}
	}
	return answer, nil
}

// readHeld has the group hold all that was held about an order.
func (g *group) readHeld(k trade.Key) error {
	for h, err := range g.heldAbout(k) {
		if err != nil {
			return err
		}
		if g.items[h.ID] == nil {
			g.keepItem(&heldEntry{heldRecord: h, waited: h.Waits()})
		}
	}
	return nil
}

// repeatOf is the outcome of evidence that a decided item has answered.
func repeatOf(o trade.Order, h *trade.Held) ledger.Outcome {
	out := ledger.Outcome{Order: o, Repeat: true}
	if h.Waits() {
		out.Held = h
	}
	return out
}

// Decide implements ledger.Ledger.
func (l *Ledger) Decide(ctx context.Context, id string, d trade.Decision) (trade.Decided, error) {
	d.At = micros(d.At)
	marks := l.accepts.at()
	var r trade.Decided
	err := l.submit(ctx, func(g *group) (err error) {
		r, err = g.decide(id, d)
		return err
	})
	if err != nil {
		return trade.Decided{}, err
	}
	r.Order = given(r.Order)
	marks.apply(&r.Order)
	return r, nil
}

func (g *group) decide(id string, d trade.Decision) (trade.Decided, error) {
	h, err := g.held(id)
	if err != nil {
		return trade.Decided{}, err
	}
	if h == nil {
		return trade.Decided{}, ledger.ErrNotFound
	}
	order, err := g.entry(keyOf(&h.Held))
	if err != nil {
		return trade.Decided{}, err
	}
	about, err := g.heldOf(keyOf(&h.Held))
	if err != nil {
		return trade.Decided{}, err
	}
	r, err := trade.Settle(order.Order, *h.given(), d, about)
	if err != nil {
		return trade.Decided{}, err
	}
	foreign, err := g.foreign(keyOf(&h.Held), h.Evidence.TradeNo)
	if err != nil {
		return trade.Decided{}, err
	}
	if foreign && r.News && d.Begins() {
		return trade.Decided{}, trade.ErrOwnTrade
	}
	if r.News {
		g.ledger.decided.Store(true) // also if this fails: then it costs a look-up
		h.Decision, h.changed = r.Item.Decision, true
	}
	if r.Changed {
		if order.id == 0 {
			order.id = g.nextID(d.At)
		}
		if d.Word == trade.DecideAccept {
			e := folded(&h.Evidence)
			e.ReceivedAt = d.At
			order.evidence = append(slices.Clip(order.evidence), g.keep(&e))
		}
		g.stageEvents(order, r.Events)
		g.restate(order, r.Order)
	}
	return r, nil
}

// heldOf is all that was held about an order, as it stands in this group.
func (g *group) heldOf(k trade.Key) (list []trade.Held, err error) {
	if err := g.readHeld(k); err != nil {
		return nil, err
	}
	for _, h := range g.items {
		if keyOf(&h.Held) == k {
			list = append(list, h.Held)
		}
	}
	return list, nil
}

// saveHeld writes the items that are new or were decided.
func (g *group) saveHeld() error {
	if len(g.items) == 0 {
		return nil
	}
	var waiting, about []setChange
	items, digests := g.tx.Bucket(bucketHeld), g.tx.Bucket(bucketDigest)
	changed := slices.DeleteFunc(slices.Collect(maps.Values(g.items)), func(h *heldEntry) bool { return !h.changed })
	slices.SortFunc(changed, func(a, b *heldEntry) int { return cmp.Compare(a.id, b.id) })
	for _, h := range changed {
		value := g.encoded(func(b []byte) []byte { return appendHeld(b, &h.heldRecord, g.ledger.names) })
		if err := items.Put(idKey(h.id), value); err != nil {
			return err
		}
		if h.isNew {
			about = append(about, setChange{entry: append(numberKey(keyOf(&h.Held), g.ledger.salt), idKey(h.id)...)})
			if err := digests.Put([]byte(h.ID), idKey(h.id)); err != nil {
				return err
			}
		}
		if waits := h.Waits(); waits != h.waited {
			waiting = append(waiting, setChange{entry: idKey(h.id), remove: !waits})
		}
		if h.Decision.Word != trade.DecideNone {
			if err := g.tx.Bucket(bucketMeta).Put(keyDecided, []byte{1}); err != nil {
				return err
			}
		}
	}
	if err := g.about().apply(about, g.encoded); err != nil {
		return err
	}
	return g.waiting().apply(waiting, g.encoded)
}

// HeldItem implements ledger.Ledger.
func (l *Ledger) HeldItem(ctx context.Context, id string) (item trade.Held, err error) {
	err = l.view(ctx, func(v *view) error {
		h, found, err := v.heldByDigest(id)
		if err == nil && !found {
			err = ledger.ErrNotFound
		}
		if err != nil {
			return err
		}
		item = h.Held
		return v.settleIf(ctx, func(f *flight) bool { return f.held })
	})
	if err != nil {
		return trade.Held{}, err
	}
	return item, nil
}

// Held implements ledger.Ledger.
func (l *Ledger) Held(ctx context.Context, q ledger.HeldQuery) (page ledger.HeldPage, err error) {
	from := uint64(0)
	if q.Cursor != "" {
		after, ok := parsePublic(heldCursor, q.Cursor, l.salt)
		if !ok {
			return page, ledger.ErrCursor
		}
		from = after + 1
	}
	err = l.view(ctx, func(v *view) error {
		last := uint64(0)
		for id := range v.heldIDs(q.Decided, from) {
			if ctx.Err() != nil {
				return leaving(ctx)
			}
			h, err := v.heldAt(id)
			if err != nil {
				return err
			}
			if q.AppID != "" && h.Evidence.AppID != q.AppID {
				continue
			}
			if len(page.Held) == pageLimit(q.Limit) {
				page.Next = public(heldCursor, last, l.salt)
				return nil
			}
			last = id
			page.Held = append(page.Held, h.Held)
		}
		return nil
	})
	return page, err
}

// heldIDs walks over the ids of held items from one on: of all, or of those that
// wait.
func (v *view) heldIDs(all bool, from uint64) iter.Seq[uint64] {
	if all {
		return v.allIDs(bucketHeld, from)
	}
	return func(yield func(uint64) bool) {
		for entry := range v.waiting().from(idKey(from)) {
			if id, ok := parseID(entry); !ok || !yield(id) {
				return
			}
		}
	}
}
