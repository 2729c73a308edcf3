// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
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

func references(path string) int {
	n, _ := ledgers.References(path)
	return n
}

func wantReferences(t *testing.T, path string, want int) {
	t.Helper()
	if n := references(path); n != want {
		t.Fatalf("the ledger has %d users, want %d", n, want)
	}
}

func newPath(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "alipay.db")
}

// provisioned is a module of a configuration of its own.
func provisioned(t *testing.T, path string) *Module {
	t.Helper()
	m := &Module{Path: path}
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
	if _, err := l.Order(t.Context(), testKey("A")); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatalf("the ledger does not work: %v", err)
	}
}

// TestReload: the new configuration joins the open ledger before the old one
// leaves it, under whatever name, and nothing of the old one is needed then.
func TestReload(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	if err := os.Symlink(filepath.Dir(path), filepath.Dir(path)+"-linked"); err != nil {
		t.Fatal(err)
	}
	first := newConfig(t)
	old := &Module{Path: path}
	if err := old.Provision(first.ctx); err != nil {
		t.Fatal(err)
	}
	now := provisioned(t, filepath.Dir(path)+"-linked/./alipay.db")
	wantReferences(t, path, 2)
	if old.Ledger() != now.Ledger() || old.Identity() != path || now.Identity() != path {
		t.Fatalf("two ledgers: %s and %s", old.Identity(), now.Identity())
	}
	first.cancel()
	cleanUp(t, old)
	wantReferences(t, path, 1)
	works(t, now.Ledger())
	cleanUp(t, now)
	wantReferences(t, path, 0)
	if _, err := now.Ledger().Order(t.Context(), testKey("A")); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("the ledger outlives its last user: %v", err)
	}
	again := provisioned(t, path)
	works(t, again.Ledger())
	cleanUp(t, again)
}

// TestFailedReload pins that a configuration that fails takes nothing from the
// running one: Caddy cleans up what has failed, half made as it is.
func TestFailedReload(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	running := provisioned(t, path)
	// fails before it has the ledger
	failed := &Module{Path: path + "{env.NOBODY_HAS_SET_THIS}"}
	if err := failed.Provision(newConfig(t).ctx); err == nil || !strings.Contains(err.Error(), "NOBODY_HAS_SET_THIS") {
		t.Fatalf("an unset variable: %v", err)
	}
	cleanUp(t, failed)
	cleanUp(t, new(Module)) // never provisioned at all
	wantReferences(t, path, 1)
	// another part of the configuration fails after this one had the ledger
	cleanUp(t, provisioned(t, path))
	wantReferences(t, path, 1)
	works(t, running.Ledger())
	cleanUp(t, running)
	cleanUp(t, running) // once is enough
	wantReferences(t, path, 0)
}

// TestFailedOpening leaves nothing behind, and the next try succeeds.
func TestFailedOpening(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	elsewhere, err := Open(path, Options{}) // as another process would have it
	if err != nil {
		t.Fatal(err)
	}
	m := &Module{Path: path}
	if err := m.Provision(newConfig(t).ctx); err == nil || !strings.Contains(err.Error(), "caddy reload") {
		t.Fatalf("a ledger in use: %v", err)
	}
	cleanUp(t, m)
	wantReferences(t, path, 0)
	mustClose(t, elsewhere)
	m = provisioned(t, path)
	works(t, m.Ledger())
	cleanUp(t, m)
}

func TestPlaceholdersAndDefault(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("ALIPAY_TEST_DIR", dir)
	t.Setenv("XDG_DATA_HOME", filepath.Join(dir, "data"))
	for path, want := range map[string]string{
		"{env.ALIPAY_TEST_DIR}/a.db": filepath.Join(dir, "a.db"),
		"":                           filepath.Join(dir, "data", "caddy", "alipay", "alipay.db"),
	} {
		m := provisioned(t, path)
		if m.Identity() != want {
			t.Errorf("%q opens %s, want %s", path, m.Identity(), want)
		}
		cleanUp(t, m)
	}
}

func TestCaddyfile(t *testing.T) {
	t.Parallel()
	tests := []struct{ input, path, err string }{
		{"bolt", "", ""},
		{"bolt data/alipay.db", "data/alipay.db", ""},
		{`bolt "my data/alipay.db"`, "my data/alipay.db", ""},
		{"bolt {env.LEDGER}", "{env.LEDGER}", ""},
		{"bolt a.db b.db", "", `"b.db" is too much`},
		{`bolt ""`, "", "path is empty"},
		{"bolt a.db {\n\tpath b.db\n}", "", `knows no option "path"`},
		{"bolt {\n\tsize 5\n}", "", `knows no option "size"`},
	}
	for _, tt := range tests {
		m := new(Module)
		err := m.UnmarshalCaddyfile(caddyfile.NewTestDispenser(tt.input))
		switch {
		case tt.err == "" && (err != nil || m.Path != tt.path):
			t.Errorf("%s: path %q, %v", tt.input, m.Path, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: %v does not say %s", tt.input, err, tt.err)
		}
	}
}

// TestJSON loads the module as Caddy does.
func TestJSON(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	c := newConfig(t)
	v, err := c.ctx.LoadModuleByID("alipay.ledger.bolt", []byte(`{"path":"`+path+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	works(t, v.(ledger.Provider).Ledger())
	if _, err := c.ctx.LoadModuleByID("alipay.ledger.bolt", []byte(`{"file":"`+path+`"}`)); err == nil {
		t.Error("an unknown option is taken")
	}
	wantReferences(t, path, 1)
	c.cancel() // ends the configuration: Caddy cleans up
	wantReferences(t, path, 0)
}
