// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// TestSeveralStarters: however many begin at once, one of them makes the schema,
// and each finds it made.
func TestSeveralStarters(t *testing.T) {
	t.Parallel()
	name := server.Database(t)
	const starters = 8
	errs := make([]error, starters)
	ledgers := make([]*Ledger, starters)
	var wg sync.WaitGroup
	for i := range starters {
		wg.Go(func() { ledgers[i], errs[i] = Open(context.Background(), configOf(t, server.DSN(name))) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, l := range ledgers {
		defer l.Close()
		if string(l.salt) != string(ledgers[0].salt) {
			t.Error("two starters have made a ledger each")
		}
	}
	var n int
	server.Value(t, name, "SELECT count(*) FROM alipay.migrations", &n)
	if steps, err := migrations(); err != nil || n != len(steps) {
		t.Errorf("%d migrations have been run, want %d (%v)", n, len(steps), err)
	}
}

// TestMigrateOff: a schema that is behind is refused in words that say what to
// run, and what that makes, as psql runs it, is taken; also by a role that may
// create nothing.
func TestMigrateOff(t *testing.T) {
	t.Parallel()
	name := server.Database(t)
	off := func(c *Config) { c.Migrate = false }
	_, err := Open(t.Context(), configOf(t, server.DSN(name), off))
	if !errors.Is(err, errSchemaBehind) || !strings.Contains(err.Error(), "0001_ledger.sql") {
		t.Fatalf("an empty database: %v", err)
	}
	steps, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-q", "-1", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", fmt.Sprint(server.Port), "-U", "alipay", "-d", name,
		"-c", "SET client_min_messages TO warning; CREATE SCHEMA alipay; SET search_path TO alipay, pg_temp"}
	for _, m := range steps {
		args = append(args, "-c", m.sql)
	}
	if err := server.Tool("psql", args...); err != nil {
		t.Fatal(err)
	}
	role := "clerk_" + name
	server.Exec(t, name, "CREATE ROLE "+role+" LOGIN PASSWORD 'clerk'",
		"GRANT USAGE ON SCHEMA alipay TO "+role, "GRANT USAGE ON SEQUENCE alipay.order_numbers TO "+role,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA alipay TO "+role,
		"REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	dsn := strings.Replace(server.DSN(name), "alipay:open-sesame-1688@", role+":clerk@", 1)
	l := openAt(t, dsn, off)
	defer l.Close()
	k := trade.Key{AppID: testApp, OutTradeNo: "A"}
	buy(t, l, k)
	if out := pay(t, l, k); len(out.Events) != 1 { // makes the month's part
		t.Errorf("%+v", out)
	}
}

// TestNewerSchema: a later version's additions do not trouble this binary, not
// even while it runs; one that says that older binaries are over does.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	k := trade.Key{AppID: testApp, OutTradeNo: "A"}
	buy(t, d.ledger, k)
	steps, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	next := len(steps) + 1
	server.Exec(t, d.name, "ALTER TABLE alipay.orders ADD COLUMN later text NOT NULL DEFAULT 'x'",
		"ALTER TABLE alipay.events ADD COLUMN later text", "ALTER TABLE alipay.held ADD COLUMN later text",
		fmt.Sprintf("INSERT INTO alipay.migrations (version, oldest) VALUES (%d, 1)", next))
	pay(t, d.ledger, k)
	older := openAt(t, d.dsn())
	if o, err := older.Order(t.Context(), k); err != nil || !o.Paid {
		t.Errorf("read by an older binary: %+v, %v", o, err)
	}
	if err := older.Close(); err != nil {
		t.Error(err)
	}
	server.Exec(t, d.name, fmt.Sprintf("UPDATE alipay.migrations SET oldest = %d WHERE version = %d", next, next))
	if _, err := Open(t.Context(), configOf(t, d.dsn())); !errors.Is(err, errSchemaAhead) {
		t.Errorf("a schema that is over for this binary: %v", err)
	}
}

// TestMigrationUnderNotices: a migration that adds a column to the busiest table
// delays notices and loses none.
func TestMigrationUnderNotices(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	stop, done := make(chan struct{}), make(chan struct{})
	var recorded []trade.Key
	var slowest time.Duration
	var failed error
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			k := trade.Key{AppID: testApp, OutTradeNo: fmt.Sprint("M", i)}
			began := time.Now()
			_, err := d.ledger.Attempt(context.Background(), k, terms(time.Now()))
			if err == nil {
				_, err = d.ledger.Record(context.Background(), notice(k))
			}
			slowest = max(slowest, time.Since(began))
			if err != nil {
				failed = err
				return
			}
			recorded = append(recorded, k)
		}
	}()
	for i := range 5 {
		server.Exec(t, d.name,
			fmt.Sprintf("ALTER TABLE alipay.orders ADD COLUMN added%d bigint NOT NULL DEFAULT 7", i),
			fmt.Sprintf("CREATE INDEX CONCURRENTLY added%d ON alipay.orders (added%d)", i, i),
			fmt.Sprintf("ALTER TABLE alipay.evidence ADD COLUMN added%d text", i))
	}
	close(stop)
	<-done
	if failed != nil {
		t.Fatalf("a notice during a migration: %v", failed)
	}
	for _, k := range recorded {
		if o, err := d.ledger.Order(t.Context(), k); err != nil || !o.Paid {
			t.Fatalf("%s is lost: %v", k.OutTradeNo, err)
		}
	}
	t.Logf("%d orders were made and paid during 15 changes of the schema, the slowest took %s", len(recorded), slowest)
}
