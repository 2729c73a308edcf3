// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// view is the ledger as one transaction sees it. All it returns is copied.
type view struct {
	ledger *Ledger
	tx     *bbolt.Tx
}

// settle waits for the commit whose change of the order this view shows already,
// if there is one: nobody is told what a power cut could take back.
func (v *view) settle(ctx context.Context, k trade.Key) error {
	return v.settleIf(ctx, func(f *flight) bool { return f.orders[k] != nil })
}

// settleIf is settle for what a commit changes beside orders.
func (v *view) settleIf(ctx context.Context, changes func(*flight) bool) error {
	c := &v.ledger.committer
	if int64(v.tx.ID()) <= c.durable.Load() {
		return nil
	}
	f := c.running.Load()
	if f == nil || f.tx != v.tx.ID() || !changes(f) {
		return nil
	}
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return leaving(ctx)
	}
}

func (v *view) numbers() set {
	return set{bucket: v.tx.Bucket(bucketNumber), size: lookupSize + idSize}
}

func (v *view) tradeNos() set {
	return set{bucket: v.tx.Bucket(bucketTradeNo), size: lookupSize + idSize}
}

func (v *view) states() set {
	return set{bucket: v.tx.Bucket(bucketState), size: 1 + idSize}
}

// order finds an order by its number.
func (v *view) order(k trade.Key) (orderRecord, bool, error) {
	return v.find(v.numbers(), numberKey(k, v.ledger.salt), func(o *trade.Order) bool { return o.Key() == k })
}

func (v *view) orderByTradeNo(appID, tradeNo string) (orderRecord, bool, error) {
	return v.find(v.tradeNos(), tradeNoKey(tradeNo, v.ledger.salt), func(o *trade.Order) bool {
		return o.TradeNo == tradeNo && o.AppID == appID && tradeNo != ""
	})
}

// find returns the order that the key leads to, of those it may lead to.
func (v *view) find(index set, key []byte, is func(*trade.Order) bool) (orderRecord, bool, error) {
	for entry := range index.from(key) {
		if !bytes.HasPrefix(entry, key) {
			break
		}
		id, _ := parseID(entry[len(key):])
		r, err := v.orderAt(id)
		if err != nil {
			return orderRecord{}, false, err
		}
		if is(&r.Order) {
			return r, true, nil
		}
	}
	return orderRecord{}, false, nil
}

func (v *view) orderAt(id uint64) (orderRecord, error) {
	r, err := decoded(v, bucketOrders, id, decodeOrder)
	if err != nil {
		return r, err
	}
	if err := decodeAgenda(v.tx.Bucket(bucketAgenda).Get(idKey(id)), &r); err != nil {
		return r, unavailable("reading", err)
	}
	return r, nil
}

func (v *view) event(id uint64) (eventRecord, error) {
	return decoded(v, bucketEvents, id, decodeEvent)
}

// decoded reads the record of an id that must be there.
func decoded[T any](v *view, bucket []byte, id uint64, decode func([]byte, uint64, *names) (T, error)) (T, error) {
	data := v.tx.Bucket(bucket).Get(idKey(id))
	if data == nil {
		var none T
		return none, unavailable("reading", fmt.Errorf("%w: %s has no %d", errDamaged, bucket, id))
	}
	r, err := decode(data, id, v.ledger.names)
	if err != nil {
		return r, unavailable("reading", fmt.Errorf("%s %d: %w", bucket, id, err))
	}
	return r, nil
}

func (v *view) evidence(place uint64) (trade.Evidence, error) {
	data, err := readStream(v.tx.Bucket(bucketEvidence), place)
	if err != nil {
		return trade.Evidence{}, unavailable("reading", err)
	}
	e, err := decodeEvidence(data, v.ledger.names)
	if err != nil {
		return e, unavailable("reading", fmt.Errorf("evidence at %d: %w", place, err))
	}
	return e, nil
}

// Order implements ledger.Ledger.
func (l *Ledger) Order(ctx context.Context, k trade.Key) (trade.Order, error) {
	marks := l.accepts.at()
	if r, ok := l.recent.get(k); ok && ctx.Err() == nil && !l.closed() {
		o := given(r.Order)
		marks.apply(&o)
		return o, nil
	}
	return l.readOrder(ctx, marks, func(v *view) (orderRecord, bool, error) { return v.order(k) })
}

// OrderByTradeNo implements ledger.Ledger.
func (l *Ledger) OrderByTradeNo(ctx context.Context, appID, tradeNo string) (trade.Order, error) {
	return l.readOrder(ctx, l.accepts.at(), func(v *view) (orderRecord, bool, error) {
		return v.orderByTradeNo(appID, tradeNo)
	})
}

func (l *Ledger) readOrder(ctx context.Context, marks overlay, find func(*view) (orderRecord, bool, error)) (o trade.Order, err error) {
	err = l.view(ctx, func(v *view) error {
		r, found, err := find(v)
		if err != nil {
			return err
		}
		if !found {
			return ledger.ErrNotFound
		}
		o = r.Order
		return v.settle(ctx, o.Key())
	})
	if err == nil {
		marks.apply(&o)
	}
	return o, err
}

// Undelivered implements ledger.Ledger.
func (l *Ledger) Undelivered(ctx context.Context, k trade.Key) (list []ledger.Delivery, err error) {
	marks := l.accepts.at()
	err = l.view(ctx, func(v *view) error {
		r, found, err := v.order(k)
		if err != nil {
			return err
		}
		if !found {
			return ledger.ErrNotFound
		}
		known := r
		l.recent.add(v.tx.ID(), &known) // what comes next is Accept
		marks.apply(&r.Order)
		if err := v.settle(ctx, k); err != nil {
			return err
		}
		if r.Accepted < 0 || r.Sequence > len(r.events) {
			return unavailable("reading", fmt.Errorf("%w: order %d lacks events", errDamaged, r.id))
		}
		for _, id := range r.events[min(r.Accepted, r.Sequence):r.Sequence] {
			d, err := v.delivery(&r, id)
			if err != nil {
				return err
			}
			list = append(list, d)
		}
		return nil
	})
	return list, err
}

// delivery is an event with what is needed to tell it. Only a notice is an
// original that the shop can read: answers to our own calls look different.
func (v *view) delivery(r *orderRecord, id uint64) (ledger.Delivery, error) {
	ev, err := v.event(id)
	if err != nil {
		return ledger.Delivery{}, err
	}
	d := ledger.Delivery{Order: r.Order, Event: v.public(&ev, r.OutTradeNo)}
	if !ev.Direct || ev.Source != trade.SourceNotify {
		return d, nil
	}
	if ev.evidence < 1 || ev.evidence > len(r.evidence) {
		return d, unavailable("reading", fmt.Errorf("%w: event %d has no evidence", errDamaged, id))
	}
	e, err := v.evidence(r.evidence[ev.evidence-1])
	d.Original, d.ContentType = e.Raw, e.ContentType
	return d, err
}

// isRefusal tells the order's own refusals from failures of the ledger.
func isRefusal(err error) bool {
	return errors.Is(err, trade.ErrPaid) || errors.Is(err, trade.ErrClosed) || errors.Is(err, trade.ErrContradicted)
}
