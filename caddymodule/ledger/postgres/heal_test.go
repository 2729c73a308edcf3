// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
)

// TestRestartedServer: while the server is away calls fail as unavailable, and
// after that they work again, without a restart here. Nothing acknowledged is
// lost in its crash.
func TestRestartedServer(t *testing.T) {
	t.Parallel()
	s := postgrestest.Start(t)
	l := openAt(t, s.DSN("postgres"))
	defer l.Close()
	const orders = 5
	for i := range orders {
		buy(t, l, numbered(i))
		pay(t, l, numbered(i))
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Record(t.Context(), notice(numbered(0))); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("recording without a server: %v", err)
	}
	if _, err := l.Order(t.Context(), numbered(0)); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("reading without a server: %v", err)
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	for i := range orders {
		until(t, "the ledger works again", func() bool {
			o, err := l.Order(t.Context(), numbered(i))
			return err == nil && o.Paid
		})
	}
	buy(t, l, numbered(orders))
	pay(t, l, numbered(orders))
}

// TestCutConnections: backends that are ended, as an administrator or a pooler
// does, are not noticed by anybody.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	stop := make(chan struct{})
	var cutting sync.WaitGroup
	cuts := 0
	cutting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(30 * time.Millisecond):
				server.Cut(t, d.name)
				cuts++
			}
		}
	})
	const orders = 100
	var wg sync.WaitGroup
	failed := make(chan error, 2*orders)
	for p := range 4 {
		wg.Go(func() {
			for i := range orders / 4 {
				k := numbered(p*orders/4 + i)
				// as a buyer and Alipay do, who try again
				for {
					if _, err := d.ledger.Attempt(context.Background(), k, terms(time.Now())); err == nil {
						break
					} else if !errors.Is(err, ledger.ErrUnavailable) {
						failed <- err
						return
					}
				}
				for {
					if _, err := d.ledger.Record(context.Background(), notice(k)); err == nil {
						break
					} else if !errors.Is(err, ledger.ErrUnavailable) {
						failed <- err
						return
					}
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	cutting.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	t.Logf("%d times all connections were cut", cuts)
	checkJournal(t, d.ledger, orders, 1)
}

// TestLossyServer: a server that may lose its last commits is refused, unless the
// configuration says that this is known.
func TestLossyServer(t *testing.T) {
	t.Parallel()
	name := server.Database(t)
	server.Exec(t, "postgres", "ALTER DATABASE "+name+" SET synchronous_commit = off")
	if _, err := Open(t.Context(), configOf(t, server.DSN(name))); !errors.Is(err, errLossy) || !strings.Contains(err.Error(), "asynchronous_commit") {
		t.Errorf("synchronous_commit is off: %v", err)
	}
	l := openAt(t, server.DSN(name), func(c *Config) { c.AsyncCommit = true })
	buy(t, l, numbered(1))
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestLossyLater: what an operator switches off while it is in use is seen by the
// next connection, and nothing is acknowledged on it.
func TestLossyLater(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	buy(t, d.ledger, numbered(1))
	server.Exec(t, "postgres", "ALTER DATABASE "+d.name+" SET synchronous_commit = off")
	server.Cut(t, d.name)
	if _, err := d.ledger.Record(t.Context(), notice(numbered(1))); !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, errLossy) {
		t.Errorf("recording on a server that has become lossy: %v", err)
	}
	server.Exec(t, "postgres", "ALTER DATABASE "+d.name+" SET synchronous_commit = on")
	pay(t, d.ledger, numbered(1))
}

// TestLocked: a lock that somebody holds for too long makes a call unavailable in
// time, and stands in the way of no other order for longer.
func TestLocked(t *testing.T) {
	t.Parallel()
	name := server.Database(t)
	l := openAt(t, server.DSN(name), func(c *Config) { c.LockTimeout = 200 * time.Millisecond })
	defer l.Close()
	buy(t, l, numbered(1))
	buy(t, l, numbered(2))
	conn, err := pgx.Connect(t.Context(), server.DSN(name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "BEGIN; SELECT FROM alipay.orders WHERE out_trade_no = '"+numbered(1).OutTradeNo+"' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Record(t.Context(), notice(numbered(1))); !errors.Is(err, ledger.ErrUnavailable) || sqlState(err) != codeLockNotAvailable {
		t.Errorf("a locked order: %v", err)
	}
	pay(t, l, numbered(2))
	if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	pay(t, l, numbered(1))
}

// TestExhausted: when the server takes no further connection, calls on those that
// there are go on, and a new process is told.
func TestExhausted(t *testing.T) {
	t.Parallel()
	s := postgrestest.Start(t, "max_connections=12", "superuser_reserved_connections=0")
	l := openAt(t, s.DSN("postgres"))
	defer l.Close()
	buy(t, l, numbered(0))
	var taken []*pgx.Conn
	defer func() {
		for _, c := range taken {
			_ = c.Close(context.Background())
		}
	}()
	for {
		c, err := pgx.Connect(t.Context(), s.DSN("postgres"))
		if err != nil {
			break
		}
		taken = append(taken, c)
	}
	if len(taken) == 0 {
		t.Fatal("there was no connection to take")
	}
	pay(t, l, numbered(0))
	var wg sync.WaitGroup
	failures := make(chan error, 100)
	for i := 1; i < 50; i++ {
		wg.Go(func() {
			if _, err := l.Attempt(context.Background(), numbered(i), terms(time.Now())); err != nil && !errors.Is(err, ledger.ErrUnavailable) {
				failures <- err
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	if _, err := Open(t.Context(), configOf(t, s.DSN("postgres"))); sqlState(err) != "53300" {
		t.Errorf("a new process: %v", err)
	}
	for _, c := range taken {
		_ = c.Close(context.Background())
	}
	taken = nil
	until(t, "there is room again", func() bool {
		_, err := l.Attempt(t.Context(), numbered(99), terms(time.Now()))
		return err == nil
	})
}

// TestFullDisk: the server's files can grow no more, as on a full disk. Nothing is
// acknowledged that is not stored, what is known is still answered, and when there
// is room again all goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := postgrestest.Start(t, "--wal-segsize=1") // its log's files are smaller than what may grow
	l := openAt(t, s.DSN("postgres"))
	defer l.Close()
	buy(t, l, numbered(0))
	pay(t, l, numbered(0))
	recorded := 1
	release := s.Limit(t, 3<<19)
	var full error
	for i := 0; full == nil; i++ {
		if i > 5000 {
			t.Fatal("the disk is never full")
		}
		k := numbered(recorded)
		_, full = l.Attempt(t.Context(), k, terms(time.Now()))
		if full == nil {
			if _, full = l.Record(t.Context(), notice(k)); full == nil {
				recorded++
			}
		}
	}
	if !errors.Is(full, ledger.ErrUnavailable) {
		t.Errorf("on a full disk: %v", full)
	}
	if out, err := l.Record(t.Context(), notice(numbered(0))); err != nil || !out.Repeat {
		t.Errorf("a repeat on a full disk: %+v, %v", out, err)
	}
	release()
	k := numbered(recorded)
	until(t, "there is room again", func() bool {
		_, err := l.Attempt(t.Context(), k, terms(time.Now()))
		return err == nil
	})
	pay(t, l, k)
	checkJournal(t, l, recorded+1, 1)
	t.Logf("%d orders were paid before the disk was full: %v", recorded, full)
}
