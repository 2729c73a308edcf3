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
	err := l.submit(&call{ctx: ctx, key: k, digest: e.Digest(), run: func(g *group) (err error) {
		out, err = g.record(ctx, &e)
		return err
	}})
	if err != nil {
		return ledger.Outcome{}, err
	}
	out.Order = own(out.Order)
	out.Order.Accept(shown)
	return out, nil
}

// record folds e into its order and stages what that changes.
func (g *group) record(ctx context.Context, e *trade.Evidence) (ledger.Outcome, error) {
	order := g.entry(trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo})
	if decided, err := g.heldItem(ctx, e.Digest()); err != nil {
		return ledger.Outcome{}, failed(ctx, "reading what is held", err)
	} else if decided != nil && decided.Decision.Word != trade.DecideNone {
		// a person's decision has answered it, whatever it would do to its order now
		out := ledger.Outcome{Order: order.Order, Repeat: true}
		if decided.Waits() {
			out.Held = decided.given()
		}
		return out, nil
	}
	f := trade.Fold(order.Order, *e)
	isNew := f.Changed
	if f.Held != nil {
		known, err := g.heldItem(ctx, f.Held.ID)
		if err != nil {
			return ledger.Outcome{}, failed(ctx, "reading what is held", err)
		}
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
	return ledger.Outcome{Order: f.Order, Events: f.Events, Held: f.Held, Repeat: !isNew}, nil
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
	k, err := row(ctx, l, "reading what is held", func(row pgx.CollectableRow) (k trade.Key, err error) {
		err = row.Scan(&k.AppID, &k.OutTradeNo)
		return trade.Key{AppID: uncolumn(k.AppID), OutTradeNo: uncolumn(k.OutTradeNo)}, err
	}, sqlHeldKey, column(id))
	if err != nil {
		return trade.Decided{}, err
	}
	shown := l.accepts.shownOf(k)
	var out trade.Decided
	err = l.submit(&call{ctx: ctx, key: k, news: true, digest: id, lock: true, run: func(g *group) (err error) {
		out, err = g.decide(ctx, k, id, d)
		return err
	}})
	if err != nil {
		return trade.Decided{}, err
	}
	out.Order = own(out.Order)
	out.Order.Accept(shown)
	return out, nil
}

func (g *group) decide(ctx context.Context, k trade.Key, id string, d trade.Decision) (trade.Decided, error) {
	h, err := g.heldItem(ctx, id)
	if err != nil {
		return trade.Decided{}, failed(ctx, "reading what is held", err)
	}
	if h == nil {
		return trade.Decided{}, ledger.ErrNotFound
	}
	others, err := g.othersContradict(ctx, k, id)
	if err != nil {
		return trade.Decided{}, failed(ctx, "reading what is held", err)
	}
	order := g.entry(k)
	out, err := trade.Settle(order.Order, h.Held, d, others)
	if err != nil || !out.News {
		return out, err
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

// othersContradict reports whether another held item that waits contradicts the
// order.
func (g *group) othersContradict(ctx context.Context, k trade.Key, id string) (bool, error) {
	for digest, h := range g.held {
		if digest != id && h.Evidence.AppID == k.AppID && h.Evidence.OutTradeNo == k.OutTradeNo && h.Contradicts() && h.Waits() {
			return true, nil
		}
	}
	var others bool
	err := g.conn.QueryRow(ctx, g.ledger.schema.sql(sqlOtherHeld), column(k.AppID), column(k.OutTradeNo), column(id)).Scan(&others)
	return others, err
}
