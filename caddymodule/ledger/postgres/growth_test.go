// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// TestGrowth: what the ledger asks for is found by its indexes however much there
// is, and a notice costs what it did. LEDGER_ORDERS is how many orders, with three
// events each, it grows to (default 60000).
func TestGrowth(t *testing.T) {
	t.Parallel()
	orders := 60_000
	if v := os.Getenv("LEDGER_ORDERS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 10_000 {
			t.Fatalf("LEDGER_ORDERS is %q, and has to be a number from 10000", v)
		}
		orders = n
	}
	var p99 [2]time.Duration
	for i, n := range []int{10_000, orders} {
		d := newDatabase(t)
		began := time.Now()
		fill(t, d, n)
		filled := time.Since(began)
		checkPlans(t, d)
		var bytes int64
		server.Value(t, d.name, "SELECT pg_database_size(current_database())", &bytes)
		server.Exec(t, d.name, "CHECKPOINT") // what filling it left to write is no notice's
		p50, p := noticeTimes(t, d.ledger, 1000)
		p99[i] = p
		t.Logf("%d orders and %d events (filled in %s, %.2f GB, %d bytes an order): a notice takes %s at the median and %s at p99",
			n, 3*n, filled.Round(time.Second), float64(bytes)/1e9, bytes/int64(n), p50.Round(time.Microsecond), p99[i].Round(time.Microsecond))
	}
	t.Logf("p99 at %d orders is %.2f times that at 10000", orders, float64(p99[1])/float64(p99[0]))
}

// noticeTimes pays n new orders, one after the other.
func noticeTimes(t *testing.T, l *Ledger, n int) (p50, p99 time.Duration) {
	t.Helper()
	took := make([]time.Duration, n)
	for i := range n {
		k := trade.Key{AppID: testApp, OutTradeNo: "G" + strconv.Itoa(i)}
		buy(t, l, k)
		e := notice(k)
		began := time.Now()
		if out, err := l.Record(context.Background(), e); err != nil || len(out.Events) != 1 {
			t.Fatalf("%+v, %v", out, err)
		}
		took[i] = time.Since(began)
		if err := l.Accept(context.Background(), k, 1, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(took)
	return took[n/2], took[n*99/100]
}
