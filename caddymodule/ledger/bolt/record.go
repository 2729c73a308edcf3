// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// maxName bounds app ids, order and trade numbers, which become keys. Alipay's
// own are 64 characters at most.
const maxName = 256

func checkKey(k trade.Key) error {
	for _, s := range []string{k.AppID, k.OutTradeNo} {
		if len(s) == 0 || len(s) > maxName {
			return fmt.Errorf("an order's app id and number have 1 to %d bytes, not %d", maxName, len(s))
		}
	}
	return nil
}

// Attempt implements ledger.Ledger.
func (l *Ledger) Attempt(ctx context.Context, k trade.Key, a trade.Attempt) (trade.Order, error) {
	if err := checkKey(k); err != nil {
		return trade.Order{}, err
	}
	a.At, a.ExpiresAt = micros(a.At), micros(a.ExpiresAt)
	marks := l.accepts.at()
	var o trade.Order
	err := l.submit(ctx, func(g *group) (err error) {
		o, err = g.attempt(k, a)
		return err
	})
	if isRefusal(err) || err == nil {
		o = given(o)
		marks.apply(&o)
		return o, err
	}
	return trade.Order{}, err
}

func (g *group) attempt(k trade.Key, a trade.Attempt) (trade.Order, error) {
	e, err := g.entry(k)
	if err != nil {
		return trade.Order{}, err
	}
	next, err := e.Attempt(k, a)
	if err != nil {
		return next, err
	}
	if e.id == 0 {
		e.id = g.nextID(a.At)
	}
	e.Order, e.dirty = next, true
	return next, nil
}

// Record implements ledger.Ledger.
func (l *Ledger) Record(ctx context.Context, e trade.Evidence) (ledger.Outcome, error) {
	if err := checkKey(trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo}); err != nil {
		return ledger.Outcome{}, err
	}
	if len(e.TradeNo) > maxName {
		return ledger.Outcome{}, fmt.Errorf("a trade number has at most %d bytes, not %d", maxName, len(e.TradeNo))
	}
	e = evidenceTimes(e)
	marks := l.accepts.at()
	out, err := l.recordIfKnown(ctx, &e)
	if err != nil || out.Repeat {
		marks.apply(&out.Order)
		return out, err
	}
	e.Raw = bytes.Clone(e.Raw) // the caller may leave before the group begins
	err = l.submit(ctx, func(g *group) (err error) {
		out, err = g.record(&e)
		return err
	})
	if err != nil {
		return ledger.Outcome{}, err
	}
	out.Order = given(out.Order)
	marks.apply(&out.Order)
	return out, nil
}

// recordIfKnown answers a repeat without a commit, provided that what it reads
// is durable.
func (l *Ledger) recordIfKnown(ctx context.Context, e *trade.Evidence) (out ledger.Outcome, err error) {
	if r, ok := l.recent.get(trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo}); ok && ctx.Err() == nil && !l.closed() {
		f := trade.Fold(r.Order, *e)
		if f.Changed {
			return out, nil
		}
		if f.Held == nil && !l.decided.Load() {
			return ledger.Outcome{Order: given(r.Order), Repeat: true}, nil
		}
	}
	err = l.view(ctx, func(v *view) error {
		if int64(v.tx.ID()) > l.committer.durable.Load() {
			return nil
		}
		r, found, err := v.order(trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo})
		if err != nil {
			return err
		}
		if found {
			l.recent.add(v.tx.ID(), &r)
		}
		f := trade.Fold(r.Order, *e)
		if f.Changed {
			return nil
		}
		if l.decided.Load() {
			answer, err := v.answering(&r.Order, e)
			if err != nil {
				return err
			}
			if answer != nil {
				out = repeatOf(given(r.Order), answer)
				return nil
			}
		}
		if f.Held != nil {
			known, found, err := v.heldByDigest(f.Held.ID)
			if err != nil || !found {
				return err
			}
			f.Held = &known.Held
		}
		out = ledger.Outcome{Order: given(r.Order), Held: f.Held, Repeat: true}
		return nil
	})
	return out, err
}

// record folds e into its order and stages what that changes.
func (g *group) record(e *trade.Evidence) (ledger.Outcome, error) {
	order, err := g.entry(trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo})
	if err != nil {
		return ledger.Outcome{}, err
	}
	answer, err := g.answering(&order.Order, e)
	if err != nil {
		return ledger.Outcome{}, err
	}
	if answer != nil {
		return repeatOf(order.Order, answer.given()), nil
	}
	f := trade.Fold(order.Order, *e)
	if f.Changed {
		foreign, err := g.foreign(f.Order.Key(), f.Order.TradeNo)
		if err != nil {
			return ledger.Outcome{}, err
		}
		if foreign {
			f = trade.Foreign(order.Order, *e)
		}
	}
	isNew := f.Changed
	if f.Held != nil {
		known, err := g.held(f.Held.ID)
		if err != nil {
			return ledger.Outcome{}, err
		}
		if known != nil {
			f.Held = known.given()
		} else {
			isNew = true
			place := g.hold(*f.Held)
			if f.Changed {
				order.evidence = append(slices.Clip(order.evidence), place)
			}
		}
	} else if f.Changed {
		brief := folded(e)
		order.evidence = append(slices.Clip(order.evidence), g.keep(&brief))
	}
	if f.Changed {
		g.stageEvents(order, f.Events)
		g.restate(order, f.Order)
	}
	return ledger.Outcome{Order: f.Order, Events: f.Events, Held: f.Held, Repeat: !isNew}, nil
}

// foreign reports whether a trade number that is news for an order of the group is
// another order's, as things stand in this group.
func (g *group) foreign(k trade.Key, tradeNo string) (bool, error) {
	if tradeNo == "" || tradeNo == g.orders[k].TradeNo {
		return false, nil
	}
	owner, found := g.traded[trade.Key{AppID: k.AppID, OutTradeNo: tradeNo}]
	if found && owner != k && g.orders[owner].TradeNo == tradeNo {
		return true, nil
	}
	r, found, err := g.orderByTradeNo(k.AppID, tradeNo)
	if err != nil || !found {
		return false, err
	}
	e := g.orders[r.Key()]
	return e == nil || e.TradeNo == tradeNo, nil
}

// restate has what evidence has made of an order be what the group goes on from.
func (g *group) restate(e *entry, next trade.Order) {
	if next.TradeNo != "" && next.TradeNo != e.TradeNo {
		if g.traded == nil {
			g.traded = make(map[trade.Key]trade.Key)
		}
		g.traded[trade.Key{AppID: next.AppID, OutTradeNo: next.TradeNo}] = next.Key()
	}
	e.Order, e.dirty = next, true
}

func (g *group) keep(e *trade.Evidence) uint64 {
	return g.stream.append(g.encoded(func(b []byte) []byte { return appendEvidence(b, e, g.ledger.names) }))
}

// stageEvents gives the events their ids.
func (g *group) stageEvents(order *entry, events []trade.Event) {
	for i := range events {
		id := g.nextID(events[i].At)
		events[i].ID = public(eventPrefix, id, g.ledger.salt)
		order.events = append(slices.Clip(order.events), id)
		r := eventRecord{Event: events[i], id: id, order: order.id, evidence: len(order.evidence)}
		g.events = append(g.events, caused{eventRecord: r, of: order})
	}
}
