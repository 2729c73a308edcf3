// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// config is one configuration as Caddy sees it: a context that ends with it.
type config struct {
	ctx    caddy.Context
	cancel context.CancelFunc
}

func newConfig(t *testing.T) config {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	return config{ctx, cancel}
}

func wantReferences(t *testing.T, key string, want int) {
	t.Helper()
	if n, _ := ledgers.References(key); n != want {
		t.Fatalf("the ledger has %d users, want %d", n, want)
	}
}

// provisioned is a module of a configuration of its own.
func provisioned(t *testing.T, m *Module) *Module {
	t.Helper()
	if err := m.Provision(newConfig(t).ctx); err != nil {
		t.Fatal(err)
	}
	return m
}

func cleanUp(t *testing.T, m *Module) {
	t.Helper()
	if err := m.Cleanup(); err != nil {
		t.Fatal(err)
	}
}

func works(t *testing.T, l ledger.Ledger) {
	t.Helper()
	if _, err := l.Order(t.Context(), trade.Key{AppID: "2021", OutTradeNo: "A"}); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatalf("the ledger does not work: %v", err)
	}
}

// TestReload: the new configuration joins the open ledger before the old one
// leaves it, however the DSN is written, and nothing of the old one is needed then.
func TestReload(t *testing.T) {
	t.Parallel()
	dsn := server.DSN(server.Database(t))
	first := newConfig(t)
	old := &Module{DSN: dsn}
	if err := old.Provision(first.ctx); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	pairs := "host=127.0.0.1 port=" + u.Port() + " user=" + postgrestest.User + " password=" + postgrestest.Password +
		" dbname=" + strings.TrimPrefix(u.Path, "/") + " sslmode=disable"
	now := provisioned(t, &Module{DSN: pairs, StatementTimeout: caddy.Duration(7 * time.Second)})
	key := now.Identity()
	wantReferences(t, key, 2)
	if old.Ledger() != now.Ledger() || old.Identity() != key {
		t.Fatalf("two ledgers: %s and %s", old.Identity(), key)
	}
	if got := now.ledger.current.Load().StatementTimeout; got != 7*time.Second {
		t.Errorf("the later configuration's statement_timeout is not taken over: %s", got)
	}
	first.cancel()
	cleanUp(t, old)
	wantReferences(t, key, 1)
	works(t, now.Ledger())
	cleanUp(t, now)
	wantReferences(t, key, 0)
	if _, err := now.Ledger().Order(t.Context(), trade.Key{AppID: "2021", OutTradeNo: "A"}); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("the ledger outlives its last user: %v", err)
	}
	again := provisioned(t, &Module{DSN: dsn})
	works(t, again.Ledger())
	cleanUp(t, again)
}

// TestFailedReload pins that a configuration that fails takes nothing from the
// running one, its password above all: Caddy cleans up what has failed, half made
// as it is.
func TestFailedReload(t *testing.T) {
	t.Parallel()
	dsn := server.DSN(server.Database(t))
	running := provisioned(t, &Module{DSN: dsn})
	key := running.Identity()
	for _, failing := range []*Module{
		{DSN: dsn + "{env.NOBODY_HAS_SET_THIS}"},
		{DSN: strings.Replace(dsn, postgrestest.Password, "wrong", 1)},
		{DSN: dsn, Migrate: "perhaps"},
		{DSN: dsn, MaxConns: 1},
	} {
		err := failing.Provision(newConfig(t).ctx)
		if err == nil {
			t.Errorf("%+v is taken", failing)
			continue
		}
		if strings.Contains(err.Error(), postgrestest.Password) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("the password is in the error: %v", err)
		}
		cleanUp(t, failing)
	}
	cleanUp(t, new(Module)) // never provisioned at all
	wantReferences(t, key, 1)
	cleanUp(t, provisioned(t, &Module{DSN: dsn})) // another part of the configuration fails after this one
	wantReferences(t, key, 1)
	running.ledger.pool.Reset() // connections are made anew
	works(t, running.Ledger())
	cleanUp(t, running)
	cleanUp(t, running) // once is enough
	wantReferences(t, key, 0)
}

func TestPlaceholders(t *testing.T) {
	name := server.Database(t)
	t.Setenv("ALIPAY_TEST_DSN", server.DSN(name))
	m := provisioned(t, &Module{DSN: "{env.ALIPAY_TEST_DSN}", Schema: "shop_1"})
	works(t, m.Ledger())
	if id := m.Identity(); !strings.HasSuffix(id, "/"+name+"#shop_1") || strings.Contains(id, postgrestest.Password) || strings.Contains(id, postgrestest.User+":") {
		t.Errorf("identity %s", id)
	}
	cleanUp(t, m)
}

func TestCaddyfile(t *testing.T) {
	t.Parallel()
	tests := []struct{ input, err string }{
		{"postgres {env.DSN}", ""},
		{`postgres "host=a dbname=b" {
			schema shop
			migrate off
			max_conns 9
			statement_timeout 3s
			lock_timeout 1s
			pooler transaction
			asynchronous_commit
		}`, ""},
		{"postgres", "needs a DSN"},
		{`postgres ""`, "needs a DSN"},
		{"postgres secret1 secret2", "takes one DSN"},
		{"postgres x {\n schema a\n schema b\n}", "schema is given twice"},
		{"postgres x {\n schema\n}", "schema needs a value"},
		{"postgres x {\n schema a b\n}", "a value too many"},
		{"postgres x {\n asynchronous_commit on\n}", "a value too many"},
		{"postgres x {\n max_conns many\n}", "max_conns"},
		{"postgres x {\n lock_timeout 0s\n}", "lock_timeout"},
		{"postgres x {\n size 5\n}", `knows no option "size"`},
	}
	for _, tt := range tests {
		m := new(Module)
		err := m.UnmarshalCaddyfile(caddyfile.NewTestDispenser(tt.input))
		switch {
		case tt.err == "" && err != nil:
			t.Errorf("%s: %v", tt.input, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%s: %v does not say %s", tt.input, err, tt.err)
		}
	}
	m := new(Module)
	if err := m.UnmarshalCaddyfile(caddyfile.NewTestDispenser(tests[1].input)); err != nil {
		t.Fatal(err)
	}
	want := Module{
		DSN: "host=a dbname=b", Schema: "shop", Migrate: "off", MaxConns: 9, StatementTimeout: caddy.Duration(3 * time.Second),
		LockTimeout: caddy.Duration(time.Second), Pooler: "transaction", AsynchronousCommit: true,
	}
	if *m != want {
		t.Errorf("got %+v, want %+v", *m, want)
	}
}

// TestRefusedOptions: what cannot work is refused in words that hold no secret.
func TestRefusedOptions(t *testing.T) {
	t.Parallel()
	const dsn = "postgres://u:hush@127.0.0.1:1/d"
	tests := []struct {
		module Module
		want   string
	}{
		{Module{}, "DSN is empty"},
		{Module{DSN: "postgres://u:hush@[::1/d"}, "not one that libpq would take"},
		{Module{DSN: "postgres://u:hush@h:99999/d"}, "not one that libpq would take"},
		{Module{DSN: dsn + "?sslmode=perhaps"}, "not one that libpq would take"},
		{Module{DSN: dsn + "?pool_max_conns=5"}, "max_conns"},
		{Module{DSN: dsn, Schema: "Shop"}, `the schema "Shop"`},
		{Module{DSN: dsn, Schema: "pg_shop"}, `the schema "pg_shop"`},
		{Module{DSN: dsn, Schema: strings.Repeat("x", 41)}, "40 characters"},
		{Module{DSN: dsn, Pooler: "session"}, "the only kind is transaction"},
		{Module{DSN: dsn, Migrate: "yes"}, "on or off"},
		{Module{DSN: dsn, MaxConns: 3}, "from 4 to 1000"},
		{Module{DSN: dsn, StatementTimeout: 1}, "statement_timeout"},
		{Module{DSN: dsn, LockTimeout: caddy.Duration(time.Minute)}, "lock_timeout"},
	}
	for _, tt := range tests {
		_, err := tt.module.config()
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%+v: %v does not say %s", tt.module, err, tt.want)
		}
	}
}

// TestJSON loads the module as Caddy does.
func TestJSON(t *testing.T) {
	t.Parallel()
	dsn := server.DSN(server.Database(t))
	c := newConfig(t)
	v, err := c.ctx.LoadModuleByID("alipay.ledger.postgres", []byte(`{"dsn":"`+dsn+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	works(t, v.(ledger.Provider).Ledger())
	if _, err := c.ctx.LoadModuleByID("alipay.ledger.postgres", []byte(`{"url":"`+dsn+`"}`)); err == nil {
		t.Error("an unknown option is taken")
	}
	key := v.(ledger.Provider).Identity()
	wantReferences(t, key, 1)
	c.cancel() // ends the configuration: Caddy cleans up
	wantReferences(t, key, 0)
}

// TestUnreachable: a database that is not there fails the configuration, and the
// error names it without a secret.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	m := &Module{DSN: "postgres://u:hush@127.0.0.1:1/d?sslmode=disable"}
	err := m.Provision(newConfig(t).ctx)
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1/d#alipay") || strings.Contains(err.Error(), "hush") {
		t.Errorf("%v", err)
	}
	cleanUp(t, m)
}
