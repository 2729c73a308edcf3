// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// How an event went to the shop is kept with the event, once it is accepted: the
// page of an event that was caused a moment ago is rewritten by the next events
// anyway. Until then the order's agenda tells.

// told is one accepted mark as a group applies it: the events above from, up to
// and with to, are accepted.
type told struct {
	order    *entry
	from, to int
	telling  // of the first of them; the others were not refused
}

// raise raises o to the mark m and returns how what it had not accepted was told.
func raise(o *trade.Order, m mark) telling {
	how := telling{acceptedAt: m.at, refusals: o.Refusals, refusedSince: o.RefusedSince, refusal: o.Refusal}
	o.Accept(m.sequence)
	return how
}

// of is how the event with a sequence of those steps was told.
func (how telling) of(sequence, from int) telling {
	if sequence == from+1 {
		return how
	}
	return telling{acceptedAt: how.acceptedAt}
}

func (how telling) public(sequence int) ledger.Telling {
	return ledger.Telling{
		Sequence: sequence, AcceptedAt: how.acceptedAt,
		Refusals: how.refusals, RefusedSince: how.refusedSince, Refusal: how.refusal,
	}
}

// mark applies accepted marks. An order that cannot be read keeps what it has:
// its events are told once more, with the same ids.
func (g *group) mark(marks map[orderKey]mark) {
	for k, m := range marks {
		e, err := g.entry(k)
		switch {
		case err != nil:
		case m.before == nil:
			g.accept(e, m)
		default:
			for _, m := range m.steps(e.Accepted) {
				g.accept(e, m)
			}
		}
	}
}

func (g *group) accept(e *entry, m mark) {
	from := e.Accepted
	how := raise(&e.Order, m)
	if e.Accepted > from {
		e.marked = true
		g.told = append(g.told, told{order: e, from: from, to: e.Accepted, telling: how})
	}
}

// saveTold notes with the events how they were told, and counts what was
// accepted.
func (g *group) saveTold() error {
	b := g.tx.Bucket(bucketEvents)
	for i := range g.told {
		t := &g.told[i]
		for sequence := t.from + 1; sequence <= min(t.to, len(t.order.events)); sequence++ {
			ev, err := g.event(t.order.events[sequence-1])
			if err != nil {
				return err
			}
			ev.telling = t.of(sequence, t.from)
			if ev.Type == trade.EventPaid {
				g.sum(t.order.AppID).accepted += t.order.Total
			}
			value := g.encoded(func(b []byte) []byte { return appendEvent(b, &ev, g.ledger.names) })
			if err := b.Put(idKey(ev.id), value); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellings are those of an order's events, which marks that are not on disk yet
// raise to what has been accepted.
func tellings(o *trade.Order, events []eventRecord, m mark) (list []ledger.Telling) {
	for i := range events {
		if how := events[i].telling; i < o.Accepted && how != (telling{}) {
			list = append(list, how.public(i+1))
		}
	}
	for _, step := range m.steps(o.Accepted) {
		from := o.Accepted
		how := raise(o, step)
		for sequence := from + 1; sequence <= o.Accepted; sequence++ {
			list = append(list, how.of(sequence, from).public(sequence))
		}
	}
	if o.Undelivered() && o.Refusals > 0 {
		how := telling{refusals: o.Refusals, refusedSince: o.RefusedSince, refusal: o.Refusal}
		list = append(list, how.public(o.Accepted+1))
	}
	return list
}
