// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// spread runs n calls of f over the given number of goroutines.
func spread(b testing.TB, goroutines, n int, f func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := f(i); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
}

// cpu reports the processor time of this process and of the server, and what the
// server writes to its log, by operation, from now until the function that it returns is called.
func cpu(b *testing.B) (report func()) {
	own := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	wal := func() (bytes int64) {
		server.Value(b, "postgres", "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint", &bytes)
		return bytes
	}
	mine, its, written := own(), server.CPU(), wal()
	return func() {
		b.ReportMetric(float64(wal()-written)/float64(b.N), "wal-B/op")
		b.ReportMetric(float64((own()-mine).Microseconds())/float64(b.N), "cpu-µs/op")
		b.ReportMetric(float64((server.CPU()-its).Microseconds())/float64(b.N), "server-cpu-µs/op")
	}
}

// BenchmarkRecord is a notice that pays its order, with its accepted mark, by
// callers of one process or of three.
func BenchmarkRecord(b *testing.B) {
	for _, processes := range []int{1, 3} {
		for _, callers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("processes=%d/callers=%d", processes, callers), func(b *testing.B) {
				_, ledgers := several(b, processes)
				key := func(i int) trade.Key { return trade.Key{AppID: testApp, OutTradeNo: "B" + strconv.Itoa(i)} }
				spread(b, 256, b.N, func(i int) error {
					_, err := ledgers[i%processes].Attempt(context.Background(), key(i), terms(time.Now()))
					return err
				})
				b.ResetTimer()
				report := cpu(b)
				spread(b, callers, b.N, func(i int) error {
					l := ledgers[i%processes]
					out, err := l.Record(context.Background(), notice(key(i)))
					if err != nil {
						return err
					}
					return l.Accept(context.Background(), out.Order.Key(), out.Order.Sequence, time.Now())
				})
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "notices/s")
				report()
			})
		}
	}
}

// BenchmarkPayment is a notice that pays, without the accepted mark: what it writes
// are the rows of BenchmarkPlainInserts, in groups of about 64: the writers share what
// 192 callers bring.
func BenchmarkPayment(b *testing.B) {
	_, ledgers := several(b, 1)
	key := func(i int) trade.Key { return trade.Key{AppID: testApp, OutTradeNo: "P" + strconv.Itoa(i)} }
	spread(b, 256, b.N, func(i int) error {
		_, err := ledgers[0].Attempt(context.Background(), key(i), terms(time.Now()))
		return err
	})
	var groups atomic.Int64
	ledgers[0].Observe(func(ledger.Commit) { groups.Add(1) })
	b.ResetTimer()
	report := cpu(b)
	spread(b, 192, b.N, func(i int) error {
		_, err := ledgers[0].Record(context.Background(), notice(key(i)))
		return err
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "payments/s")
	b.ReportMetric(float64(b.N)/float64(groups.Load()), "payments/group")
	report()
}

// BenchmarkAttempt is a buyer who is sent to the cashier.
func BenchmarkAttempt(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			d := newDatabase(b)
			b.ResetTimer()
			report := cpu(b)
			spread(b, callers, b.N, func(i int) error {
				_, err := d.ledger.Attempt(context.Background(), trade.Key{AppID: testApp, OutTradeNo: "B" + strconv.Itoa(i)}, terms(time.Now()))
				return err
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "attempts/s")
			report()
		})
	}
}

// BenchmarkPlainInserts is what the server makes of the same rows without us: of 64
// payments at a time the order, the statement, the event and the agenda's entry,
// copied into tables of the same indexes by four insertions, and a commit.
func BenchmarkPlainInserts(b *testing.B) {
	for _, sessions := range []int{1, 2} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			d := newDatabase(b)
			buy(b, d.ledger, numbered(0))
			pay(b, d.ledger, numbered(0))
			tables := []string{"orders", "evidence", "events", "agenda"}
			columns := make(map[string]string)
			server.Exec(b, d.name, "CREATE SCHEMA plain")
			for _, table := range tables {
				server.Exec(b, d.name, fmt.Sprintf("CREATE TABLE plain.%s (LIKE alipay.%s INCLUDING ALL)", table, table))
				var names string
				server.Value(b, d.name, "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'alipay."+
					table+"'::regclass AND attnum > 0", &names)
				columns[table] = names
			}
			conns := make(chan *pgx.Conn, sessions)
			for range sessions {
				conn, err := pgx.Connect(context.Background(), d.dsn())
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close(context.Background())
				conns <- conn
			}
			const group = 64
			b.ResetTimer()
			report := cpu(b)
			spread(b, sessions, (b.N+group-1)/group, func(i int) error {
				conn := <-conns
				defer func() { conns <- conn }()
				return plainGroup(conn, columns, i*group, group)
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "payments/s")
			report()
		})
	}
}

// plainGroup sends one group's rows, as arrays of each column's bytes would be.
func plainGroup(conn *pgx.Conn, columns map[string]string, first, n int) error {
	var ids []int64
	var numbers, bodies, agendas, facts []string
	var raws [][]byte
	for i := first; i < first+n; i++ {
		k, now := numbered(i+1), time.Now()
		e := notice(k)
		o, err := trade.Order{}.Attempt(k, terms(now))
		if err != nil {
			return err
		}
		o = trade.Fold(o, e).Order
		ids, numbers = append(ids, int64(i)), append(numbers, k.OutTradeNo)
		bodies, agendas = append(bodies, encode(bodyOf(&o))), append(agendas, encodeAgenda(&o.Agenda))
		facts, raws = append(facts, encode(factsOf(&e))), append(raws, e.Raw)
	}
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	b.Queue(`INSERT INTO plain.orders (`+columns["orders"]+`)
		SELECT i, i AS position, '`+testApp+`', n, 'T' || n, 'TRADE_SUCCESS', 8888, 0, 1, 0, 1, 1, now() AS created, now(), b::jsonb, a::jsonb, NULL
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS u (i, n, b, a)`, ids, numbers, bodies, agendas)
	b.Queue(`INSERT INTO plain.evidence (`+columns["evidence"]+`) SELECT i, 1, f::jsonb, r, 'application/x-www-form-urlencoded; charset=utf-8'
		FROM unnest($1::bigint[], $2::text[], $3::bytea[]) AS u (i, f, r)`, ids, facts, raws)
	b.Queue(`INSERT INTO plain.events (`+columns["events"]+`) SELECT i, 1, i, 'trade.paid', 'TRADE_SUCCESS', 0, 'notify', now(), true, 1
		FROM unnest($1::bigint[]) AS u (i)`, ids)
	b.Queue(`INSERT INTO plain.agenda (`+columns["agenda"]+`) SELECT 'tell', i, '`+testSite+`', '`+testApp+`', now()
		FROM unnest($1::bigint[]) AS u (i)`, ids)
	b.Queue("COMMIT")
	return conn.SendBatch(context.Background(), b).Close()
}

// BenchmarkCommit is one durable commit of the server, alone.
func BenchmarkCommit(b *testing.B) {
	name := server.Database(b)
	server.Exec(b, name, "CREATE TABLE one (n bigint); INSERT INTO one VALUES (0)")
	conn, err := pgx.Connect(context.Background(), server.DSN(name))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	for b.Loop() {
		if _, err := conn.Exec(context.Background(), "UPDATE one SET n = n + 1"); err != nil {
			b.Fatal(err)
		}
	}
}
