// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/ledgertest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
)

// server is the one that the tests of this package share.
var server *postgrestest.Server

func TestMain(m *testing.M) { postgrestest.Main(m, &server) }

// database is a database of one test's own.
type database struct {
	name   string
	ledger *Ledger
}

func (d *database) dsn() string { return server.DSN(d.name) }

func newDatabase(t testing.TB) *database {
	t.Helper()
	d := &database{name: server.Database(t)}
	d.ledger = openAt(t, d.dsn())
	t.Cleanup(func() {
		if err := d.ledger.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return d
}

// configOf is a configuration for a DSN; change alters it.
func configOf(t testing.TB, dsn string, change ...func(*Config)) *Config {
	t.Helper()
	c, err := ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c.MaxConns = 6
	for _, f := range change {
		f(c)
	}
	return c
}

func openAt(t testing.TB, dsn string, change ...func(*Config)) *Ledger {
	t.Helper()
	l, err := Open(context.Background(), configOf(t, dsn, change...))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (d *database) harness() ledgertest.Harness {
	return ledgertest.Harness{
		Ledger: d.ledger,
		Reopen: func(t testing.TB) ledger.Ledger {
			t.Helper()
			if err := d.ledger.Close(); err != nil {
				t.Fatal(err)
			}
			d.ledger = openAt(t, d.dsn())
			return d.ledger
		},
		// an operator's switch, and what a failover leaves behind: the database can
		// be read, and every session refuses to write
		Break: func(t testing.TB) func() {
			server.Exec(t, "postgres", "ALTER DATABASE "+d.name+" SET default_transaction_read_only = on")
			server.Cut(t, d.name)
			return func() {
				server.Exec(t, "postgres", "ALTER DATABASE "+d.name+" SET default_transaction_read_only = off")
				server.Cut(t, d.name)
			}
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T) ledgertest.Harness { return newDatabase(t).harness() })
}
