// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// queueOwners reads whose the trades are that calls name: all of them if there is a
// doubt, else those that people decide about.
func (g *group) queueOwners(b *pgx.Batch, calls []*call) {
	var apps, tradeNos []string
	for _, c := range calls {
		if c.tradeNo != "" && (g.doubted || c.decides) {
			apps, tradeNos = append(apps, column(c.key.AppID)), append(tradeNos, column(c.tradeNo))
		}
	}
	if len(apps) == 0 {
		return
	}
	b.Queue(g.ledger.schema.sql(sqlOwners), apps, tradeNos).Query(func(rows pgx.Rows) error {
		g.owners = make(map[trade.Key]trade.Key, len(apps))
		var app, tradeNo, number string
		_, err := pgx.ForEachRow(rows, []any{&app, &tradeNo, &number}, func() error {
			app := uncolumn(app)
			g.owners[trade.Key{AppID: app, OutTradeNo: uncolumn(tradeNo)}] = trade.Key{AppID: app, OutTradeNo: uncolumn(number)}
			return nil
		})
		return err
	})
}

// foreign reports whether a trade number that is news for an order of the group is
// another order's, as things stand in this group. It is sure only of what
// queueOwners has read; the constraint sees the rest.
func (g *group) foreign(k trade.Key, tradeNo string) bool {
	if g.owners == nil || tradeNo == "" || tradeNo == g.orders[k].TradeNo {
		return false
	}
	for other, e := range g.orders {
		if other != k && other.AppID == k.AppID && e.TradeNo == tradeNo {
			return true
		}
	}
	owner, found := g.owners[trade.Key{AppID: k.AppID, OutTradeNo: tradeNo}]
	return found && g.orders[owner] == nil // those of the group were looked at
}
