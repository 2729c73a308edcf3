// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"fmt"
	"slices"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Import implements ledger.Copyable.
func (l *Ledger) Import(ctx context.Context, b ledger.Batch) error {
	return l.submit(ctx, func(g *group) error { return g.take(&b) })
}

// take stages a batch. A record that does not fit is found before anything is
// staged, so that a batch takes part as a whole or not at all.
func (g *group) take(b *ledger.Batch) error {
	for i := range b.Orders {
		if err := g.fits(&b.Orders[i]); err != nil {
			return err
		}
	}
	for i := range b.Held {
		if err := g.fitsHeld(&b.Held[i]); err != nil {
			return err
		}
	}
	for _, set := range b.Settings {
		if err := checkSetting(set.Name, set.Value); err != nil {
			return err
		}
	}
	for i := range b.Orders {
		if err := g.takeOrder(&b.Orders[i]); err != nil {
			return err
		}
	}
	for i := range b.Held {
		if err := g.takeHeld(&b.Held[i]); err != nil {
			return err
		}
	}
	for _, set := range b.Settings {
		if g.settings == nil {
			g.settings = make(map[string][]byte)
		}
		g.settings[set.Name] = set.Value
	}
	return nil
}

// fits reports whether an order's record is new, or a later state of the one here.
func (g *group) fits(r *ledger.Record) error {
	if err := checkKey(r.Order.Key()); err != nil {
		return err
	}
	e, err := g.entry(r.Order.Key())
	if err != nil {
		return err
	}
	occupied := e.id != 0 && (e.id != r.Position || len(e.evidence) > len(r.Evidence) || len(e.events) > len(r.Events) || e.Accepted > r.Order.Accepted)
	if e.id == 0 {
		occupied = g.tx.Bucket(bucketOrders).Get(idKey(r.Position)) != nil
	}
	last := r.Position
	for i := range r.Events {
		ev := &r.Events[i]
		if ev.Position <= last || ev.Sequence != i+1 || len(ev.ID) > maxAlias {
			return fmt.Errorf("the events of order %q are not in sequence", r.Order.OutTradeNo)
		}
		last = ev.Position
		stored := g.tx.Bucket(bucketEvents).Get(idKey(ev.Position)) != nil
		if stored != (i < len(e.events)) || stored && e.events[i] != ev.Position {
			occupied = true
		}
	}
	if occupied {
		return fmt.Errorf("%w: order %q", ledger.ErrPosition, r.Order.OutTradeNo)
	}
	return nil
}

func (g *group) takeOrder(r *ledger.Record) error {
	e, err := g.entry(r.Order.Key())
	if err != nil {
		return err
	}
	how := make(map[int]telling, len(r.Tellings))
	for _, t := range r.Tellings {
		how[t.Sequence] = telling{acceptedAt: t.AcceptedAt, refusals: t.Refusals, refusedSince: t.RefusedSince, refusal: t.Refusal}
	}
	for i, id := range e.events {
		ev, err := g.event(id)
		if err != nil {
			return err
		}
		if ev.telling != how[i+1] {
			ev.telling = how[i+1]
			g.retold = append(g.retold, ev)
		}
	}
	e.evidence = slices.Clip(e.evidence)
	for i := len(e.evidence); i < len(r.Evidence); i++ {
		statement := r.Evidence[i]
		statement.AppID, statement.OutTradeNo = "", "" // the order's
		e.evidence = append(e.evidence, g.keep(&statement))
	}
	accepted := e.Accepted
	e.id, e.Order, e.dirty, e.marked = r.Position, given(r.Order), true, true
	cutTimes(&e.Order)
	g.last = max(g.last, e.id)
	g.takeEvents(e, r, how)
	for i := range r.Events {
		if ev := &r.Events[i].Event; ev.Type == trade.EventPaid && ev.Sequence > accepted && ev.Sequence <= e.Accepted {
			g.sum(e.AppID).accepted += e.Total
		}
	}
	return nil
}

// takeEvents stages the events that the order does not have yet.
func (g *group) takeEvents(e *entry, r *ledger.Record, how map[int]telling) {
	e.events = slices.Clip(e.events)
	for i := len(e.events); i < len(r.Events); i++ {
		in := &r.Events[i]
		ev := eventRecord{Event: in.Event, id: in.Position, order: e.id, evidence: in.Evidence, telling: how[i+1]}
		if ev.ID != public(eventPrefix, ev.id, g.ledger.salt) {
			ev.alias = ev.ID
		}
		e.events = append(e.events, ev.id)
		g.events = append(g.events, caused{eventRecord: ev, of: e})
		g.last = max(g.last, ev.id)
	}
}

func (g *group) fitsHeld(r *ledger.HeldRecord) error {
	h, err := g.held(r.Held.ID)
	if err != nil {
		return err
	}
	if h == nil && g.tx.Bucket(bucketHeld).Get(idKey(r.Position)) != nil || h != nil && h.id != r.Position {
		return fmt.Errorf("%w: the held item %s", ledger.ErrPosition, r.Held.ID)
	}
	return nil
}

func (g *group) takeHeld(r *ledger.HeldRecord) error {
	h, err := g.held(r.Held.ID)
	if err != nil {
		return err
	}
	if r.Held.Decision.Word != trade.DecideNone {
		g.ledger.decided.Store(true)
	}
	if h != nil {
		h.Decision, h.changed = r.Held.Decision, true
		return nil
	}
	g.last = max(g.last, r.Position)
	place := g.keep(&r.Held.Evidence)
	g.keepItem(&heldEntry{heldRecord: heldRecord{Held: r.Held, id: r.Position, place: place}, isNew: true, changed: true})
	return nil
}
