// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// TestLedgerCopy moves a shop that sells from its file to PostgreSQL, and back.
func TestLedgerCopy(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	dsn := server.DSN(server.Database(t))
	w := newWorld(t)
	w.order("TEA-1", "88.88")
	w.pay("TEA-1")
	r := w.run(0, "ledger", "copy", "alipay.db", dsn)
	if c := parsed[copied](t, r); c.Orders != 1 || c.Stored != 1 || c.Paid != "88.88" || c.Settings == 0 || !strings.Contains(r.stderr, "this is a snapshot of it") {
		t.Errorf("%+v", r)
	}
	w.order("TEA-2", "5.00")
	w.pay("TEA-2")
	if c := parsed[copied](t, w.run(0, "ledger", "copy", "alipay.db", dsn)); c.Orders != 2 || c.Stored != 1 || c.Paid != "93.88" {
		t.Errorf("%+v", c)
	}
	w.run(0, "ledger", "copy", dsn, "back.db")
	w.run(0, "ledger", "check", "back.db")
	want := "Both hold 2 orders, 2 statements, 2 events, 0 held items and 1 settings; ¥93.88 paid, ¥0.00 refunded.\n0 orders were stored by this run; all of both was compared.\n"
	if r := onTerminal(t, w.dir, "C", "ledger", "copy", "back.db", dsn); r.code != 0 || !strings.HasSuffix(r.stdout, want) {
		t.Errorf("%+v", r)
	}
	if r := onTerminal(t, w.dir, "zh_CN.UTF-8", "ledger", "copy", dsn, "back.db"); r.code != 0 || !strings.Contains(r.stdout, "两端均有 2 个订单") {
		t.Errorf("%+v", r)
	}
	w.until("no snapshot is left behind, by other tests neither", func() bool {
		files, err := filepath.Glob(filepath.Join(os.TempDir(), "alipay-ledger-*"))
		return err == nil && len(files) == 0
	})
}

func TestLedgerCopyRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order("TEA-1", "88.88")
	w.run(0, "ledger", "copy", "alipay.db", "other.db")
	ledgerOf(t, filepath.Join(w.dir, "other.db"), 1)
	ledgerOf(t, filepath.Join(w.dir, "third.db"), 1)
	for _, c := range []struct {
		from, to string
		code     int
		want     string
	}{
		{"none.db", "new.db", exitNotFound, "there is no file none.db"},
		{"third.db", "alipay.db", exitUnavailable, "is in use"},
		{"alipay.db", "other.db", exitRefused, "it has been used by itself: order N0"},
		{"third.db", "postgres://user:geheim@127.0.0.1:1/db", exitUnavailable, "127.0.0.1:1/db"},
		{"third.db", "postgres://user:geheim@127.0.0.1:1/db?sslmode=odd", exitUsage, "DSN"},
		{"Caddyfile", "new.db", exitRefused, "no ledger"},
	} {
		r := piped(t, w.dir, "C", "ledger", "copy", c.from, c.to)
		if r.code != c.code || !strings.Contains(r.stderr, c.want) || strings.Contains(r.stderr, "geheim") {
			t.Errorf("%s to %s: %+v", c.from, c.to, r)
		}
	}
	second := newWorld(t) // another server's file
	if r := piped(t, w.dir, "C", "ledger", "copy", filepath.Join(second.dir, "alipay.db"), "new.db"); r.code != exitRefused || !strings.Contains(r.stderr, "the running server's ledger is") {
		t.Errorf("%+v", r)
	}
}

// TestLedgerCopyIsKilled: what broke off anywhere goes on.
func TestLedgerCopyIsKilled(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	base := server.Database(t)
	dsn, dir := server.DSN(base), t.TempDir()
	const orders = 3000
	ledgerOf(t, filepath.Join(dir, "alipay.db"), orders)
	piped(t, dir, "C", "ledger", "copy", "empty.db", dsn) // it fails, for want of a file
	cmd := caddyCommand(t, dir, "C", "ledger", "copy", "alipay.db", dsn)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stored := func() (n int) {
		var there bool
		server.Value(t, base, "SELECT to_regclass('alipay.orders') IS NOT NULL", &there)
		if there {
			server.Value(t, base, "SELECT count(*) FROM alipay.orders", &n)
		}
		return n
	}
	deadline := time.Now().Add(30 * time.Second)
	for stored() == 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	before := stored()
	c := parsed[copied](t, piped(t, dir, "C", "ledger", "copy", "alipay.db", dsn))
	// what the dead process had sent last may have been stored after its end
	if before == 0 || before == orders || c.Orders != orders || c.Stored == 0 || c.Stored > orders-before {
		t.Errorf("%d were stored before, then %+v", before, c)
	}
}

// ledgerOf makes a ledger with orders.
func ledgerOf(t *testing.T, file string, orders int) {
	t.Helper()
	l, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var wg sync.WaitGroup
	for n := range 100 {
		wg.Go(func() {
			for i := n; i < orders; i += 100 {
				k := trade.Key{AppID: "2021000000000001", OutTradeNo: fmt.Sprintf("N%d", i)}
				if _, err := l.Attempt(t.Context(), k, trade.Attempt{Total: 100, PublicURL: "https://shop.example", At: time.Now()}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
