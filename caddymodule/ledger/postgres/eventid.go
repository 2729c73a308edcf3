// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// The id of an event is made of its order's, its sequence and the ledger's salt. One
// that came from another ledger keeps the id that it had there: with the event, and
// in a table of its own.

// name gives an event its id, unless it has another ledger's, and its order's number.
func (l *Ledger) name(e *trade.Event, order int64, outTradeNo string) {
	if e.OutTradeNo = outTradeNo; e.ID == "" {
		e.ID = l.eventID(order, e.Sequence)
	}
}

// eventOf finds what an id means; ledger.ErrNotFound if it was given out neither here
// nor where an event came from.
func (l *Ledger) eventOf(ctx context.Context, id string) (order int64, sequence int, err error) {
	if err := l.usable(ctx); err != nil {
		return 0, 0, err
	}
	order, sequence, ok := l.parseEventID(id)
	if ok {
		return order, sequence, nil
	}
	if len(id) > maxName {
		return 0, 0, ledger.ErrNotFound
	}
	type place struct {
		Order    int64
		Sequence int
	}
	p, err := row(ctx, l, "reading an event", pgx.RowToStructByPos[place], sqlEventByID, column(id))
	return p.Order, p.Sequence, err
}
