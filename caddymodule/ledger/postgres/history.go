// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// History implements ledger.Ledger.
func (l *Ledger) History(ctx context.Context, k trade.Key) (h ledger.History, err error) {
	l.settleMarks(ctx)
	shown := l.accepts.shownOf(k)
	r, err := row(ctx, l, "reading an order", scanWithTellings, sqlOrderWithTellings, column(k.AppID), column(k.OutTradeNo))
	if err != nil {
		return h, err
	}
	r.Accept(shown)
	h.Order, h.Tellings = r.Order, r.tellings
	h.Evidence, err = rows(ctx, l, "reading statements", func(row pgx.CollectableRow) (e trade.Evidence, err error) {
		var factsJSON []byte
		if err := row.Scan(&factsJSON); err != nil {
			return e, err
		}
		e, err = decodeEvidence(factsJSON, nil, nil)
		e.AppID, e.OutTradeNo = r.AppID, r.OutTradeNo
		return e, err
	}, sqlEvidenceOf, r.id)
	if err != nil {
		return ledger.History{}, err
	}
	h.Events, err = rows(ctx, l, "reading events", func(row pgx.CollectableRow) (trade.Event, error) {
		e, err := scanEvent(row, nil)
		l.name(&e, r.id, r.OutTradeNo)
		return e, err
	}, sqlEventsOf, r.id)
	if err != nil {
		return ledger.History{}, err
	}
	held, err := rows(ctx, l, "reading what is held", scanHeld, sqlHeldOf, column(k.AppID), column(k.OutTradeNo))
	for i := range held {
		item := held[i].Held
		item.Evidence.Raw, item.Evidence.ContentType = nil, ""
		h.Held = append(h.Held, item)
	}
	return h, err
}

// settleMarks has the accepted marks written now, for readers of what depends on
// them. A failure shows nothing wrong: they read what was before.
func (l *Ledger) settleMarks(ctx context.Context) {
	for {
		fresh, underWay, ended := l.accepts.state()
		switch {
		case fresh:
			if l.submit(&call{ctx: ctx, run: func(*group) error { return nil }}) != nil {
				return
			}
		case !underWay:
			return
		default:
			select {
			case <-ended:
			case <-ctx.Done():
				return
			case <-l.stopped:
				return
			}
		}
	}
}
