// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const benchApp = "2021000000000001"

// benchAttempt and benchNotice are of the sizes that production has.
func benchAttempt(at time.Time) trade.Attempt {
	return trade.Attempt{
		Total: 8888, SellerID: "2088102146225135", PublicURL: "https://shop.example.com", Channel: "page",
		At: at, ExpiresAt: at.Add(time.Hour),
	}
}

var benchRaw = []byte(strings.Repeat("gmt_create=2026-03-14+10%3A56%3A22&", 40))[:1380]

func benchNotice(number string, i int, at time.Time) trade.Evidence {
	return trade.Evidence{
		Source: trade.SourceNotify, AppID: benchApp, OutTradeNo: number, Status: trade.StatusSuccess, Total: 8888,
		TradeNo:  at.In(trade.Zone).Format("20060102") + "22001" + fmt.Sprintf("%015d", uint64(i)*0x9e3779b97f4a7c15%1e15),
		SellerID: "2088102146225135", BuyerID: "20881025" + fmt.Sprintf("%08d", i%99999999),
		PaidAt: at.Truncate(time.Second), ReceivedAt: at, NotifyID: "2026031400222155624068450559358070",
		Raw: benchRaw, ContentType: "application/x-www-form-urlencoded; charset=UTF-8",
	}
}

// benchNumber is a random order number that i determines.
func benchNumber(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 2088))
	return fmt.Sprintf("%016x%08x", r.Uint64(), r.Uint32())
}

func openBench(b testing.TB) *Ledger {
	b.Helper()
	return openBenchWith(b, Options{})
}

func openBenchWith(b testing.TB, o Options) *Ledger {
	b.Helper()
	l, err := Open(filepath.Join(b.TempDir(), "bench.db"), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

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

// BenchmarkRecord is a notice that pays its order, with its accepted mark, and
// waits for the disk. cpu-µs/op is the process's CPU time a notice.
func BenchmarkRecord(b *testing.B) {
	for _, goroutines := range []int{1, 8, 64, 256} {
		b.Run(strconv.Itoa(goroutines), func(b *testing.B) {
			l, ctx := openBench(b), context.Background()
			now := time.Now()
			spread(b, 256, b.N, func(i int) error {
				_, err := l.Attempt(ctx, trade.Key{AppID: benchApp, OutTradeNo: benchNumber(i)}, benchAttempt(now))
				return err
			})
			numbers := make([]string, b.N)
			for i := range numbers {
				numbers[i] = benchNumber(i)
			}
			runtime.GC()
			b.ReportAllocs()
			b.ResetTimer()
			before := cpuTime()
			spread(b, goroutines, b.N, func(i int) error {
				out, err := l.Record(ctx, benchNotice(numbers[i], i, now))
				if err != nil {
					return err
				}
				return l.Accept(ctx, out.Order.Key(), out.Order.Sequence, time.Now())
			})
			b.StopTimer()
			b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// BenchmarkAttempt is a buyer sent to the cashier, with a random order number.
func BenchmarkAttempt(b *testing.B) {
	for _, goroutines := range []int{1, 64} {
		b.Run(strconv.Itoa(goroutines), func(b *testing.B) {
			l, ctx := openBench(b), context.Background()
			now := time.Now()
			b.ReportAllocs()
			b.ResetTimer()
			before := cpuTime()
			spread(b, goroutines, b.N, func(i int) error {
				_, err := l.Attempt(ctx, trade.Key{AppID: benchApp, OutTradeNo: benchNumber(i)}, benchAttempt(now))
				return err
			})
			b.StopTimer()
			b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// paidOrders is a ledger with n paid orders.
func paidOrders(b testing.TB, n int) *Ledger {
	b.Helper()
	l, ctx, now := openBench(b), context.Background(), time.Now()
	spread(b, 256, n, func(i int) error {
		number := benchNumber(i)
		if _, err := l.Attempt(ctx, trade.Key{AppID: benchApp, OutTradeNo: number}, benchAttempt(now)); err != nil {
			return err
		}
		_, err := l.Record(ctx, benchNotice(number, i, now))
		return err
	})
	return l
}

// BenchmarkRepeat is a notice that is known already: no commit.
func BenchmarkRepeat(b *testing.B) {
	const n = 2000
	l, ctx, now := paidOrders(b, n), context.Background(), time.Now()
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if out, err := l.Record(ctx, benchNotice(benchNumber(i%n), i%n, now)); err != nil || !out.Repeat {
			b.Fatalf("%+v %v", out, err)
		}
	}
}

func BenchmarkOrder(b *testing.B) {
	const n = 2000
	l, ctx := paidOrders(b, n), context.Background()
	keys := make([]trade.Key, n)
	for i := range keys {
		keys[i] = trade.Key{AppID: benchApp, OutTradeNo: benchNumber(i)}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if _, err := l.Order(ctx, keys[i%n]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUndelivered(b *testing.B) {
	const n = 2000
	l, ctx := paidOrders(b, n), context.Background()
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if _, err := l.Undelivered(ctx, trade.Key{AppID: benchApp, OutTradeNo: benchNumber(i % n)}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGroup is one durable commit of so many paying notices, and of the
// accepted marks of the group before, without the callers' part.
func BenchmarkGroup(b *testing.B) {
	for _, size := range []int{1, 64, 512} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			l, ctx, now := openBenchWith(b, Options{AcceptDelay: time.Hour}), context.Background(), time.Now()
			n := b.N * size
			spread(b, 512, n, func(i int) error {
				_, err := l.Attempt(ctx, trade.Key{AppID: benchApp, OutTradeNo: benchNumber(i)}, benchAttempt(now))
				return err
			})
			notices := make([]trade.Evidence, n)
			for i := range notices {
				notices[i] = benchNotice(benchNumber(i), i, now)
			}
			runtime.GC()
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				commitNotices(b, l, notices[i*size:][:size])
			}
			b.StopTimer()
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/notice")
		})
	}
}

// commitNotices commits one group past the committer's goroutine, which is idle.
func commitNotices(b testing.TB, l *Ledger, notices []trade.Evidence) {
	calls := make([]*call, len(notices))
	for i := range notices {
		e := &notices[i]
		calls[i] = &call{ctx: context.Background(), done: make(chan struct{}), run: func(g *group) error {
			_, err := g.record(e)
			return err
		}}
	}
	l.commitGroup(calls)
	for i, c := range calls {
		if c.err != nil {
			b.Fatal(c.err)
		}
		l.accepts.add(trade.Key{AppID: benchApp, OutTradeNo: notices[i].OutTradeNo}, 1, notices[i].ReceivedAt)
	}
}
