// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Attempt implements ledger.Ledger.
func (l *Ledger) Attempt(ctx context.Context, k trade.Key, a trade.Attempt) (trade.Order, error) {
	if err := checkKey(k); err != nil {
		return trade.Order{}, err
	}
	a.At, a.ExpiresAt = micros(a.At), micros(a.ExpiresAt)
	shown := l.accepts.shownOf(k)
	var o trade.Order
	err := l.submit(&call{ctx: ctx, key: k, news: true, run: func(g *group) error {
		e := g.entry(k)
		next, err := e.Attempt(k, a)
		o = next
		if err != nil {
			return err
		}
		if e.id == 0 {
			if err := g.create(e, a.At); err != nil {
				return err
			}
		}
		g.stage(e, next, nil, 0)
		return nil
	}})
	if err != nil && !isRefusal(err) {
		return trade.Order{}, err
	}
	o = own(o)
	o.Accept(shown)
	return o, err
}

// isRefusal tells the order's own refusals from failures of the ledger.
func isRefusal(err error) bool {
	return errors.Is(err, trade.ErrPaid) || errors.Is(err, trade.ErrClosed) || errors.Is(err, trade.ErrContradicted)
}

// Record implements ledger.Ledger.
func (l *Ledger) Record(ctx context.Context, e trade.Evidence) (ledger.Outcome, error) {
	k := trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo}
	if err := checkKey(k); err != nil {
		return ledger.Outcome{}, err
	}
	if len(e.TradeNo) > maxName {
		return ledger.Outcome{}, fmt.Errorf("a trade number has at most %d bytes, not %d", maxName, len(e.TradeNo))
	}
	e.PaidAt, e.RefundedAt, e.ClosedAt, e.ReceivedAt = micros(e.PaidAt), micros(e.RefundedAt), micros(e.ClosedAt), micros(e.ReceivedAt)
	e.Raw = bytes.Clone(e.Raw) // the caller may leave before the group begins
	shown := l.accepts.shownOf(k)
	var out ledger.Outcome
	err := l.submit(&call{ctx: ctx, key: k, tradeNo: e.TradeNo, run: func(g *group) error {
		out = g.record(&e)
		return nil
	}})
	if err != nil {
		return ledger.Outcome{}, err
	}
	out.Order = own(out.Order)
	out.Order.Accept(shown)
	return out, nil
}

// record folds e into its order and stages what that changes.
func (g *group) record(e *trade.Evidence) ledger.Outcome {
	order := g.entry(trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo})
	if answer := g.answering(&order.Order, e); answer != nil {
		out := ledger.Outcome{Order: order.Order, Repeat: true}
		if answer.Waits() {
			out.Held = answer.given()
		}
		return out
	}
	f := trade.Fold(order.Order, *e)
	if f.Changed && g.foreign(f.Order.Key(), f.Order.TradeNo) {
		f = trade.Foreign(order.Order, *e)
	}
	isNew := f.Changed
	if f.Held != nil {
		known := g.heldItem(f.Held.ID)
		if known == nil {
			isNew = true
			known = &heldRecord{Held: *f.Held}
			g.held[f.Held.ID], g.newHeld = known, append(g.newHeld, known)
		}
		f.Held = known.given()
	}
	if f.Changed {
		kept := *e
		if f.Held != nil {
			kept.Raw = nil // the held item has it
		}
		number := g.keep(order, &kept)
		g.stage(order, f.Order, f.Events, number)
	}
	return ledger.Outcome{Order: f.Order, Events: f.Events, Held: f.Held, Repeat: !isNew}
}

// answering is the held item whose decision has answered e (trade.Held.Answers);
// nil if there is none. One that states the very same goes before the oldest.
func (g *group) answering(o *trade.Order, e *trade.Evidence) (answer *heldRecord) {
	digest := e.Digest()
	for _, h := range g.heldAbout(trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo}) {
		if h.Answers(o, e) && (answer == nil || h.ID == digest || answer.ID != digest && h.position < answer.position) {
			answer = h
		}
	}
	return answer
}

// given is a copy of a held item that shares nothing with others.
func (r *heldRecord) given() *trade.Held {
	h := r.Held
	h.Evidence.Raw = bytes.Clone(h.Evidence.Raw)
	return &h
}

// Change implements ledger.Ledger.
func (l *Ledger) Change(ctx context.Context, k trade.Key, change func(*trade.Order) (bool, error)) (trade.Order, error) {
	if err := checkKey(k); err != nil {
		return trade.Order{}, err
	}
	shown := l.accepts.shownOf(k)
	var o trade.Order
	err := l.submit(&call{ctx: ctx, key: k, run: func(g *group) error {
		e := g.entry(k)
		if e.id == 0 {
			return ledger.ErrNotFound
		}
		next := own(e.Order)
		next.Accept(shown)
		changed, err := change(&next)
		if err != nil {
			return err
		}
		o = cutTimes(next)
		if changed && !reflect.DeepEqual(o, e.Order) {
			g.stage(e, o, nil, 0)
		}
		return nil
	}})
	if err != nil {
		return trade.Order{}, err
	}
	o = own(o)
	o.Accept(shown)
	return o, nil
}

// cutTimes cuts the times that a change may have set to what the database holds.
func cutTimes(o trade.Order) trade.Order {
	o.UpdatedAt = micros(o.UpdatedAt)
	o.TellAt, o.RefusedSince, o.AskAt, o.RefundAt = micros(o.TellAt), micros(o.RefusedSince), micros(o.AskAt), micros(o.RefundAt)
	for i := range o.Intents {
		o.Intents[i].At, o.Intents[i].SettledAt = micros(o.Intents[i].At), micros(o.Intents[i].SettledAt)
	}
	return o
}

// Decide implements ledger.Ledger.
func (l *Ledger) Decide(ctx context.Context, id string, d trade.Decision) (trade.Decided, error) {
	d.At = micros(d.At)
	var k trade.Key
	tradeNo, err := row(ctx, l, "reading what is held", func(row pgx.CollectableRow) (tradeNo string, err error) {
		err = row.Scan(&k.AppID, &k.OutTradeNo, &tradeNo)
		k.AppID, k.OutTradeNo = uncolumn(k.AppID), uncolumn(k.OutTradeNo)
		return uncolumn(tradeNo), err
	}, sqlHeldKey, column(id))
	if err != nil {
		return trade.Decided{}, err
	}
	shown := l.accepts.shownOf(k)
	var out trade.Decided
	err = l.submit(&call{ctx: ctx, key: k, news: true, decides: true, tradeNo: tradeNo, run: func(g *group) (err error) {
		out, err = g.decide(k, id, d)
		return err
	}})
	if err != nil {
		return trade.Decided{}, err
	}
	out.Order = own(out.Order)
	out.Order.Accept(shown)
	return out, nil
}

func (g *group) decide(k trade.Key, id string, d trade.Decision) (trade.Decided, error) {
	h := g.heldItem(id)
	if h == nil {
		return trade.Decided{}, ledger.ErrNotFound
	}
	var about []trade.Held
	for _, o := range g.heldAbout(k) {
		about = append(about, o.Held)
	}
	order := g.entry(k)
	out, err := trade.Settle(order.Order, h.Held, d, about)
	if err != nil || !out.News {
		return out, err
	}
	if d.Begins() && g.foreign(k, h.Evidence.TradeNo) {
		return trade.Decided{}, trade.ErrOwnTrade
	}
	out.Order = cutTimes(out.Order)
	if out.Changed {
		if order.id == 0 {
			if err := g.create(order, out.Order.CreatedAt); err != nil {
				return trade.Decided{}, err
			}
		}
		number := 0
		if d.Word == trade.DecideAccept {
			e := h.Evidence
			e.ReceivedAt = d.At
			number = g.keep(order, &e)
		}
		g.stage(order, out.Order, out.Events, number)
	}
	h.Held = out.Item
	g.decided = append(g.decided, h)
	return out, nil
}
