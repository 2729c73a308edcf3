// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"fmt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// History implements ledger.Ledger.
func (l *Ledger) History(ctx context.Context, k trade.Key) (h ledger.History, err error) {
	marks := l.accepts.at()
	err = l.view(ctx, func(v *view) error {
		r, found, err := v.order(k)
		if err != nil {
			return err
		}
		if !found {
			return ledger.ErrNotFound
		}
		if err := v.settle(ctx, k); err != nil {
			return err
		}
		h, err = v.history(&r, marks.of(k))
		return err
	})
	if err != nil {
		return ledger.History{}, err
	}
	return h, nil
}

func (v *view) history(r *orderRecord, m mark) (h ledger.History, err error) {
	if h.Evidence, err = v.statements(r); err != nil {
		return h, err
	}
	events := make([]eventRecord, len(r.events))
	for i, id := range r.events {
		if events[i], err = v.event(id); err != nil {
			return h, err
		}
		h.Events = append(h.Events, v.public(&events[i], r.OutTradeNo))
	}
	h.Order = r.Order
	h.Tellings = tellings(&h.Order, events, m)
	for held, err := range v.heldAbout(r.Key()) {
		if err != nil {
			return h, err
		}
		held.Evidence.Raw, held.Evidence.ContentType = nil, ""
		h.Held = append(h.Held, held.Held)
	}
	return h, nil
}

// statements are what has changed an order, without the messages.
func (v *view) statements(r *orderRecord) ([]trade.Evidence, error) {
	list := make([]trade.Evidence, len(r.evidence))
	for i, place := range r.evidence {
		e, err := v.evidence(place)
		if err != nil {
			return nil, err
		}
		e.AppID, e.OutTradeNo = r.AppID, r.OutTradeNo
		e.Raw, e.ContentType = nil, ""
		list[i] = e
	}
	return list, nil
}

// Event implements ledger.Ledger.
func (l *Ledger) Event(ctx context.Context, id string) (d ledger.Delivery, err error) {
	marks := l.accepts.at()
	err = l.view(ctx, func(v *view) error {
		n, ok := v.eventOf(id)
		if !ok {
			return ledger.ErrNotFound
		}
		data := v.tx.Bucket(bucketEvents).Get(idKey(n))
		if data == nil {
			return ledger.ErrNotFound
		}
		ev, err := decodeEvent(data, n, l.names)
		if err != nil {
			return unavailable("reading", fmt.Errorf("event %d: %w", n, err))
		}
		r, err := v.orderAt(ev.order)
		if err != nil {
			return err
		}
		marks.apply(&r.Order)
		if err := v.settle(ctx, r.Key()); err != nil {
			return err
		}
		d, err = v.delivery(&r, n)
		return err
	})
	if err != nil {
		return ledger.Delivery{}, err
	}
	return d, nil
}
