// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
)

// server is the database server of these tests.
var server postgrestest.Lazy

func TestMain(m *testing.M) {
	code := m.Run()
	server.Remove()
	os.Exit(code)
}

type opened interface {
	ledger.Ledger
	Close() error
}

// inFile makes a bolt ledger for a test. A file can be opened once.
func inFile(t *testing.T) (open func() opened) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	return func() opened {
		t.Helper()
		l, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
}

// inDatabase makes a PostgreSQL ledger for a test, which can be opened by several,
// as by so many processes.
func inDatabase(t *testing.T) (open func() opened) {
	t.Helper()
	s := server.Get(t)
	c, err := postgres.ParseConfig(s.DSN(s.Database(t)))
	if err != nil {
		t.Fatal(err)
	}
	return func() opened {
		t.Helper()
		l, err := postgres.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
}

// overEach runs a test over each kind of ledger.
func overEach(t *testing.T, test func(t *testing.T, open func() opened)) {
	t.Helper()
	for name, kind := range map[string]func(*testing.T) func() opened{"bolt": inFile, "postgres": inDatabase} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, kind(t))
		})
	}
}
