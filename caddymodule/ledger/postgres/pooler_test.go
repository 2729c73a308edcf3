// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/ledgertest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// TestPooler runs the conformance suite through PgBouncer in transaction mode,
// with fewer connections to the server than the ledger has to the pooler.
// Migrations and leases work there too.
func TestPooler(t *testing.T) {
	t.Parallel()
	address := server.Pooler(t)
	through := func(name string) *Config {
		dsn := strings.Replace(server.DSN(name), fmt.Sprintf("127.0.0.1:%d", server.Port), address, 1)
		return configOf(t, dsn, func(c *Config) { c.Pooler = true })
	}
	open := func(t testing.TB, name string) *Ledger {
		t.Helper()
		l, err := Open(context.Background(), through(name))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	ledgertest.Run(t, func(t *testing.T) ledgertest.Harness {
		d := &database{name: server.Database(t)}
		d.ledger = open(t, d.name)
		t.Cleanup(func() {
			if err := d.ledger.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
		h := d.harness()
		h.Reopen = func(t testing.TB) ledger.Ledger {
			t.Helper()
			if err := d.ledger.Close(); err != nil {
				t.Fatal(err)
			}
			d.ledger = open(t, d.name)
			return d.ledger
		}
		return h
	})
}

// TestSlowNetwork puts 20 ms between the ledger and its database: an
// acknowledgement costs some round trips, not one for each statement, and many
// notices share them.
func TestSlowNetwork(t *testing.T) {
	t.Parallel()
	const delay = 20 * time.Millisecond
	name := server.Database(t)
	near := openAt(t, server.DSN(name))
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	line := server.Line(t)
	dsn := strings.Replace(server.DSN(name), fmt.Sprintf("127.0.0.1:%d", server.Port), line.Address, 1)
	l := openAt(t, dsn)
	defer l.Close()
	const orders = 64
	for i := range orders {
		buy(t, l, numbered(i))
	}
	pay(t, l, numbered(0)) // connections and statements are prepared
	line.Delay(delay)
	const alone = 5
	var each []int64
	for i := 1; i <= alone; i++ {
		before := line.Trips()
		pay(t, l, numbered(i))
		each = append(each, int64(line.Trips()-before))
	}
	one := slices.Min(each) // what a process asks by itself may come in between
	before := line.Trips()
	began := time.Now()
	var wg sync.WaitGroup
	for i := alone + 1; i < orders; i++ {
		wg.Go(func() {
			if _, err := l.Record(context.Background(), notice(numbered(i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all := line.Trips() - before
	t.Logf("at %s each way: one notice took %d round trips, %d at once took %d and %s", delay, one, orders-1-alone, all, time.Since(began).Round(time.Millisecond))
	// two for the transaction, one for what is told to others; many at once must not
	// cost a trip each
	if one > 4 || all > 40 {
		t.Errorf("%d round trips for one notice, %d for %d", one, all, orders-1-alone)
	}
	checkJournal(t, l, orders, 1)
}

// TestSilentNetwork: a line that goes dead without a word, as a firewall's does,
// ends calls in time, and when it works again so does the ledger.
func TestSilentNetwork(t *testing.T) {
	t.Parallel()
	name := server.Database(t)
	line := server.Line(t)
	dsn := strings.Replace(server.DSN(name), fmt.Sprintf("127.0.0.1:%d", server.Port), line.Address, 1)
	l := openAt(t, dsn, func(c *Config) { c.StatementTimeout, c.LockTimeout = 500*time.Millisecond, 300*time.Millisecond })
	defer l.Close()
	k := trade.Key{AppID: testApp, OutTradeNo: "A"}
	buy(t, l, k)
	line.Silence(true)
	if _, err := l.Record(t.Context(), notice(k)); err == nil {
		t.Error("recorded over a dead line")
	}
	line.Silence(false)
	until(t, "the ledger works again", func() bool {
		_, err := l.Record(t.Context(), notice(k))
		return err == nil
	})
}
