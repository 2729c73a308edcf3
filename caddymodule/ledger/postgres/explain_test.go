// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// planned is a statement with arguments to explain it by.
type planned struct {
	sql  string
	args []any
	seq  []string // tables that may be read from end to end, for they stay small
}

// plans are all statements, by their constants' names; those without a plan have
// none.
func plans(order int64, now time.Time) map[string]planned {
	key := []any{testApp, "N0000100"}
	keys := []any{[]string{testApp, testApp}, []string{"N0000100", "N0000200"}}
	list := []any{int64(1), time.Unix(0, 0), 51}
	one := []any{order}
	due := []any{"tell", testSite, now, 4, "o", now}
	rows := func(n int) []any { return make([]any, n) } // nulls: the plan of an insertion is its source's
	return map[string]planned{
		"sqlOrder":              {sql: sqlOrder, args: key},
		"sqlOrderWithTellings":  {sql: sqlOrderWithTellings, args: key},
		"sqlOrderByTradeNo":     {sql: sqlOrderByTradeNo, args: []any{testApp, "20260314N0000100"}},
		"sqlOrdersByKey":        {sql: sqlOrdersByKey, args: keys},
		"sqlOrdersByID":         {sql: sqlOrdersByID, args: []any{[]int64{order, order + 1}}},
		"sqlUndelivered":        {sql: sqlUndelivered, args: []any{order, 0, 10}},
		"sqlEvent":              {sql: sqlEvent, args: []any{order, 1}},
		"sqlEventByID":          {sql: sqlEventByID, args: []any{"evt_elsewhere"}, seq: []string{"aliases"}}, // empty here, and read by its key
		"sqlEvidenceOf":         {sql: sqlEvidenceOf, args: one},
		"sqlEventsOf":           {sql: sqlEventsOf, args: one},
		"sqlHeldOf":             {sql: sqlHeldOf, args: key},
		"sqlOrdersAll":          {sql: sqlOrdersAll, args: list},
		"sqlOrdersOfAppInState": {sql: sqlOrdersOfAppInState, args: append(list[:3:3], testApp, "TRADE_SUCCESS")},
		"sqlOrdersOfApp":        {sql: sqlOrdersOfApp, args: append(list[:3:3], 20000, testApp)},
		"sqlOrdersInState":      {sql: sqlOrdersInState, args: append(list[:3:3], 20000, "TRADE_SUCCESS")},
		"sqlLooked":             {sql: sqlLooked, args: []any{int64(1), 20000}},
		"sqlEvents":             {sql: sqlEvents, args: []any{order, 1, 50}},
		"sqlHeld":               {sql: sqlHeld, args: []any{int64(1), 51}},
		"sqlHeldOfApp":          {sql: sqlHeldOfApp, args: []any{int64(1), 51, testApp}},
		"sqlHeldWaiting":        {sql: sqlHeldWaiting, args: []any{int64(1), 51}},
		"sqlHeldWaitingOfApp":   {sql: sqlHeldWaitingOfApp, args: []any{int64(1), 51, testApp}},
		"sqlHeldItem":           {sql: sqlHeldItem, args: []any{"d1"}},
		"sqlHeldKey":            {sql: sqlHeldKey, args: []any{"d1"}},
		"sqlSetting":            {sql: sqlSetting, args: []any{"key"}, seq: []string{"settings"}},
		"sqlTotals":             {sql: sqlTotals, args: []any{testApp}, seq: []string{"totals"}},
		"sqlUndeliveredTotals":  {sql: sqlUndeliveredTotals, args: []any{testApp}},
		"sqlHeldTotals":         {sql: sqlHeldTotals, args: []any{testApp}},
		"sqlUnknownTotals":      {sql: sqlUnknownTotals, args: []any{testApp}},

		"sqlLockOrders":     {sql: sqlLockOrders, args: keys},
		"sqlHeldAbout":      {sql: sqlHeldAbout, args: keys},
		"sqlLockHeld":       {sql: sqlLockHeld, args: keys},
		"sqlOwners":         {sql: sqlOwners, args: keys},
		"sqlInsertEvidence": {sql: sqlInsertEvidence, args: rows(5)},
		"sqlUpdateOrders":   {sql: sqlUpdateOrders, args: append([]any{[]int64{order, order + 1}}, rows(12)...)},
		"sqlAdvanceOrders":  {sql: sqlAdvanceOrders, args: append([]any{[]int64{order, order + 1}}, rows(4)...)},
		"sqlInsertOrders":   {sql: sqlInsertOrders, args: append([]any{int64(1), int64(2)}, rows(16)...), seq: []string{"clock"}},
		"sqlInsertEvents":   {sql: sqlInsertEvents, args: append([]any{int64(1), int64(2)}, rows(9)...), seq: []string{"clock"}},
		"sqlInsertHeld":     {sql: sqlInsertHeld, args: append([]any{int64(1), int64(2)}, rows(13)...), seq: []string{"clock"}},
		"sqlUpsertAgenda":   {sql: sqlUpsertAgenda, args: rows(5)},
		"sqlDeleteAgenda":   {sql: sqlDeleteAgenda, args: []any{[]string{"tell"}, []int64{order}}},
		"sqlUpdateHeld":     {sql: sqlUpdateHeld, args: []any{"d1", "{}", false}},
		"sqlAddTotals":      {sql: sqlAddTotals, args: append([]any{[]string{testApp}, 1}, rows(4)...)},
		"sqlLeaseOfApp":     {sql: sqlLeaseOfApp, args: append(due[:6:6], testApp)},
		"sqlLeaseOfAll":     {sql: sqlLeaseOfAll, args: append(due[:6:6], "")},
		"sqlNextOfApp":      {sql: sqlNextOfApp, args: []any{"tell", testSite, now, "o", now, testApp}},
		"sqlNextOfAll":      {sql: sqlNextOfAll, args: []any{"tell", testSite, now, "o", now, ""}},
		"sqlLeaseOne":       {sql: sqlLeaseOne, args: []any{"tell", order, "o", now, now}},
		"sqlRelease":        {sql: sqlRelease, args: []any{"tell", testApp, "N0000100", "o"}},
		"sqlUnlease":        {sql: sqlUnlease, args: []any{"tell", []int64{order}, "o"}},
		"sqlInsertSetting":  {sql: sqlInsertSetting, args: []any{"key", []byte{}}},
		"sqlUpdateSetting":  {sql: sqlUpdateSetting, args: []any{"key", []byte{}, []byte{}}, seq: []string{"settings"}},

		"sqlSettings": {}, "sqlForgetful": {}, "sqlBegin": {}, "sqlCommit": {}, "sqlNumbers": {}, "sqlMonth": {}, "sqlNotify": {},
	}
}

// TestPlans: no statement reads a table from end to end that grows, and every
// statement is looked at.
func TestPlans(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	fill(t, d, 20_000)
	checkPlans(t, d)
}

func checkPlans(t *testing.T, d *database) {
	t.Helper()
	var order int64
	server.Value(t, d.name, "SELECT id FROM alipay.orders WHERE out_trade_no = 'N0000100'", &order)
	all := plans(order, time.Now())
	conn, err := pgx.Connect(t.Context(), d.dsn())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	// as a session that has asked often: the plan that serves whatever is asked for
	if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = force_generic_plan"); err != nil {
		t.Fatal(err)
	}
	for _, name := range statementNames(t) {
		p, ok := all[name]
		if !ok {
			t.Errorf("%s is not looked at", name)
			continue
		}
		if p.sql == "" {
			continue
		}
		plan := explain(t, conn, d.ledger.schema.sql(p.sql), p.args)
		for _, table := range sequential(plan) {
			// the agenda holds what is to be done now, and leases what is being done
			if !slices.Contains(p.seq, table) && table != "agenda" && table != "leases" {
				t.Errorf("%s reads all of %s:\n%s", name, table, plan)
			}
		}
	}
}

// statementNames are the constants of sqlread.go and sqlwrite.go that begin with
// sql.
func statementNames(t *testing.T) (names []string) {
	t.Helper()
	for _, file := range []string{"sqlread.go", "sqlwrite.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "sql") {
				names = append(names, v.Names[0].Name)
			}
			return true
		})
	}
	if len(names) < 50 {
		t.Fatalf("only %d statements are found", len(names))
	}
	return names
}

func explain(t *testing.T, conn *pgx.Conn, sql string, args []any) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), "EXPLAIN (COSTS OFF) "+sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.Join(lines, "\n")
}

var seqScan = regexp.MustCompile(`Seq Scan on (?:alipay\.)?([a-z]+)(_\d{4}_\d\d)?`)

// sequential are the tables that a plan reads from end to end. Of what has parts
// one may be, for a month that has just begun is as small as a page.
func sequential(plan string) (tables []string) {
	parts := make(map[string]int)
	for _, m := range seqScan.FindAllStringSubmatch(plan, -1) {
		if parts[m[1]]++; m[2] == "" || parts[m[1]] == 2 {
			tables = append(tables, m[1])
		}
	}
	return tables
}

// fill makes n paid and told orders of the last twelve months, and some that are
// neither, as many calls would have made them.
func fill(t testing.TB, d *database, n int) {
	t.Helper()
	// one real order says what the rows look like
	k := numbered(0)
	buy(t, d.ledger, k)
	pay(t, d.ledger, k)
	if err := d.ledger.Accept(t.Context(), k, 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	d.ledger.settleMarks(t.Context())
	steps := []string{
		fmt.Sprintf(`CREATE TEMPORARY TABLE made AS SELECT i, first_of(now() - i::float8 / %d * interval '390 days') + i AS id,
			now() - i::float8 / %d * interval '390 days' AS at, i %% 10 = 0 AS open FROM generate_series(1, %d) i`, n, n, n),
		`SELECT month(min(at)) FROM made GROUP BY date_trunc('month', at AT TIME ZONE 'UTC')`,
		`INSERT INTO orders SELECT m.id, (extract(epoch FROM m.at) * 1000000)::bigint + m.i, o.app_id, 'N' || lpad(m.i::text, 7, '0'),
			'20260314N' || lpad(m.i::text, 7, '0'), CASE WHEN m.i % 50 = 0 THEN 'TRADE_CLOSED' ELSE o.status END, o.total, 0,
			3, CASE WHEN m.open THEN 0 ELSE 3 END, 1, 1, m.at AS created, m.at, o.body, o.agenda, o.tellings
			FROM made m, orders o WHERE o.out_trade_no = 'N0000000'`,
		`INSERT INTO evidence SELECT m.id, 1, e.facts, e.raw, e.content_type FROM made m, evidence e JOIN orders o ON o.id = e.order_id
			WHERE o.out_trade_no = 'N0000000'`,
		`INSERT INTO events SELECT m.id, s, (extract(epoch FROM m.at) * 1000000)::bigint + 3 * m.i + s, e.type, e.status, e.refunded, e.source,
			m.at, e.direct, 1 FROM made m, generate_series(1, 3) s, events e JOIN orders o ON o.id = e.order_id WHERE o.out_trade_no = 'N0000000'`,
		`INSERT INTO agenda SELECT t, m.id, CASE t WHEN 'tell' THEN '` + testSite + `' ELSE '` + testApp + `' END, '` + testApp + `', m.at
			FROM made m, unnest(ARRAY['tell', 'ask', 'refund']) t WHERE m.open`,
		`INSERT INTO leases SELECT 'tell', m.id, 'somebody', m.at FROM made m WHERE m.open`,
		`INSERT INTO held SELECT 'd' || m.i AS digest, m.i, '` + testApp + `', 'H' || m.i, 'T' || m.i, 'unknown_order', m.at, false, m.i % 500 = 0, 8888,
			e.facts, e.raw, e.content_type, NULL FROM made m, evidence e JOIN orders o ON o.id = e.order_id
			WHERE o.out_trade_no = 'N0000000' AND m.i % 10 = 0`,
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, d.dsn())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range append([]string{"SET search_path TO alipay"}, append(steps, "ANALYZE")...) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}
