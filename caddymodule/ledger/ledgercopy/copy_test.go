// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgercopy_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/ledgercopy"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/ledgertest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
)

// place is a ledger that can be opened again.
type place interface {
	open(t testing.TB) copyable
}

type copyable interface {
	ledger.Ledger
	ledger.Copyable
	Close() error
}

type file string

func (f file) open(t testing.TB) copyable {
	t.Helper()
	l, err := bolt.Open(string(f), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newFile(t testing.TB) place { return file(filepath.Join(t.TempDir(), "alipay.db")) }

// server is the PostgreSQL of all tests.
var server *postgrestest.Server

func TestMain(m *testing.M) { postgrestest.Main(m, &server) }

type database string

func (d database) open(t testing.TB) copyable {
	t.Helper()
	c, err := postgres.ParseConfig(string(d))
	if err != nil {
		t.Fatal(err)
	}
	c.MaxConns = 6
	l, err := postgres.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newDatabase(t testing.TB) place { return database(server.DSN(server.Database(t))) }

// mover is a ledger that moves from place to place, of the kinds in turn.
type mover struct {
	kinds []func(testing.TB) place
	next  int
	at    place
	copyable
}

func (m *mover) empty(t testing.TB) place {
	m.next++
	return m.kinds[(m.next-1)%len(m.kinds)](t)
}

func (m *mover) harness(t *testing.T) ledgertest.Harness {
	m.at = m.empty(t)
	m.copyable = m.at.open(t)
	t.Cleanup(func() { m.Close() })
	return ledgertest.Harness{
		Ledger: m.copyable,
		Reopen: func(t testing.TB) ledger.Ledger {
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			m.copyable = m.at.open(t)
			return m.copyable
		},
		Move: func(tb testing.TB) ledger.Ledger {
			to := m.empty(tb)
			target := to.open(tb)
			if _, err := ledgercopy.Copy(t.Context(), m.copyable, target, func(ledgercopy.Step) {}); err != nil {
				tb.Fatal(err)
			}
			if err := m.Close(); err != nil {
				tb.Fatal(err)
			}
			m.at, m.copyable = to, target
			return target
		},
	}
}

func TestMoves(t *testing.T) {
	t.Parallel()
	for name, kinds := range map[string][]func(testing.TB) place{
		"bolt to bolt":           {newFile},
		"postgres to postgres":   {newDatabase},
		"bolt, postgres, bolt":   {newFile, newDatabase},
		"postgres and then bolt": {newDatabase, newFile},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledgertest.Moves(t, func(t *testing.T) ledgertest.Harness { return (&mover{kinds: kinds}).harness(t) })
		})
	}
}
