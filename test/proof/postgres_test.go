// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
)

// database is a ledger in a database of a server of the test's own.
type database struct {
	*postgrestest.Server
	name string
}

// inDatabase has the world's program keep its orders in a database. A program that
// is killed while it tells leaves a lease, which ends the sooner for the shop's
// time-out.
func (w *world) inDatabase(s *postgrestest.Server) {
	w.t.Helper()
	w.ledger = &database{Server: s, name: s.Database(w.t)}
	w.site += "\nshop_timeout 1s"
}

func (d *database) option() string { return "postgres " + d.DSN(d.name) }

func (d *database) open(t *testing.T) opened {
	t.Helper()
	return must(postgres.Open(t.Context(), must(postgres.ParseConfig(d.DSN(d.name)))(t)))(t)
}

func (d *database) copied(t *testing.T, n int) store {
	t.Helper()
	d.alone(t)
	c := &database{Server: d.Server, name: numbered(d.name+"_", n)}
	d.Exec(t, "postgres", "CREATE DATABASE "+c.name+" TEMPLATE "+d.name)
	return c
}

// alone returns when no session of a program that was killed is left: one may
// still be at the commit that it was asked for.
func (d *database) alone(t *testing.T) {
	t.Helper()
	until(t, "the sessions of the dead have ended", func() bool {
		var left int
		d.Value(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = $1", &left, d.name)
		return left == 0
	})
}

// crash ends the server as the kernel does when memory runs out. restart has it
// recover.
func (d *database) crash(t *testing.T) (restart func()) {
	t.Helper()
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		// the memory of its processes may not be free at once
		until(t, "the server runs again", func() bool { return d.Run() == nil })
	}
}

// broken finds what the tables' constraints cannot see: each query lists orders, or
// what else is wrong.
var broken = map[string]string{
	"sequences with a gap": `SELECT order_id::text FROM alipay.events GROUP BY order_id
		HAVING min(sequence) <> 1 OR max(sequence) <> count(*)`,
	"orders that count other events than they have": `SELECT o.out_trade_no FROM alipay.orders o
		WHERE o.sequence <> (SELECT count(*) FROM alipay.events e WHERE e.order_id = o.id)`,
	"orders that count other statements than they have": `SELECT o.out_trade_no FROM alipay.orders o
		WHERE o.evidences <> (SELECT count(*) FROM alipay.evidence v WHERE v.order_id = o.id)
		OR o.evidences <> (SELECT coalesce(max(v.number), 0) FROM alipay.evidence v WHERE v.order_id = o.id)`,
	"events without their order": `SELECT e.order_id::text FROM alipay.events e
		WHERE NOT EXISTS (SELECT FROM alipay.orders o WHERE o.id = e.order_id)`,
	"events without the statement that has caused them": `SELECT e.order_id::text FROM alipay.events e WHERE e.evidence > 0
		AND NOT EXISTS (SELECT FROM alipay.evidence v WHERE v.order_id = e.order_id AND v.number = e.evidence)`,
	"refunds of what was not paid": `SELECT o.out_trade_no FROM alipay.orders o
		WHERE o.refunded > CASE WHEN o.paid_sequence > 0 THEN o.total ELSE 0 END`,
	"events in another order than their sequence": `SELECT a.order_id::text FROM alipay.events a
		JOIN alipay.events b ON b.order_id = a.order_id AND b.sequence = a.sequence + 1 WHERE b.position <= a.position`,
	"positions given twice, or ahead of the clock": `SELECT e.position::text FROM alipay.events e
		GROUP BY e.position HAVING count(*) > 1 OR e.position > (SELECT last FROM alipay.clock)`,
	"orders to tell that are not on the agenda, or the other way round": `SELECT o.out_trade_no FROM alipay.orders o
		WHERE (o.accepted < o.sequence) <> EXISTS (SELECT FROM alipay.agenda a WHERE a.task = 'tell' AND a.order_id = o.id)`,
	"sums that are not those of the orders": `SELECT coalesce(o.app_id, t.app_id)
		FROM (SELECT app_id, sum(total) FILTER (WHERE paid_sequence > 0) AS paid, sum(refunded) AS refunded,
				sum(total) FILTER (WHERE paid_sequence BETWEEN 1 AND accepted) AS accepted
			FROM alipay.orders GROUP BY app_id) o
		FULL JOIN (SELECT app_id, sum(paid) AS paid, sum(refunded) AS refunded, sum(refunded_told) AS told, sum(accepted) AS accepted
			FROM alipay.totals GROUP BY app_id) t ON t.app_id = o.app_id
		WHERE coalesce(o.paid, 0) <> coalesce(t.paid, 0) OR coalesce(o.refunded, 0) <> coalesce(t.refunded, 0)
			OR coalesce(o.refunded, 0) <> coalesce(t.told, 0) OR coalesce(o.accepted, 0) <> coalesce(t.accepted, 0)`,
}

func (d *database) check(t *testing.T) {
	t.Helper()
	d.alone(t)
	for what, query := range broken {
		var found []string
		d.Value(t, d.name, fmt.Sprintf("SELECT coalesce(array_agg(found), '{}') FROM (%s) AS f (found)", query), &found)
		if len(found) > 0 {
			t.Errorf("%s: %q", what, found)
		}
	}
}
