// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// emitting is an account in a Caddy that logs at the given level, with an emitter.
func emitting(tb testing.TB, level string) (*Account, *emitter) {
	tb.Helper()
	config := fmt.Sprintf(`{"admin":{"disabled":true},"apps":{"events":{}},"logging":{"logs":{"default":{"writer":{"output":"file","filename":%q},"level":%q}}}}`,
		filepath.Join(tb.TempDir(), "log"), level)
	if err := caddy.Load([]byte(config), true); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			tb.Error(err)
		}
	})
	events, err := newEmitter(caddy.ActiveContext(), zap.NewNop())
	if err != nil {
		tb.Fatal(err)
	}
	return &Account{name: "benchmark", meter: theMetrics().meter("benchmark")}, events
}

// watching is an account whose observer logs nothing, and whose events nobody has
// subscribed to.
func watching(tb testing.TB) (*Account, *courier.Observer) {
	tb.Helper()
	a, events := emitting(tb, "ERROR")
	return a, a.observer(zap.NewNop(), events)
}

// payment is what a payment's notice causes.
func payment() (ledger.Outcome, *ledger.Delivery) {
	out := ledger.Outcome{Events: []trade.Event{{Type: trade.EventPaid, Source: trade.SourceNotify}}}
	return out, &ledger.Delivery{Event: out.Events[0]}
}

// BenchmarkObserving is all that metrics and events add to a payment's notice: by
// which key it was verified, what was recorded, what was told, how it was answered.
func BenchmarkObserving(b *testing.B) {
	a, o := watching(b)
	out, d := payment()
	b.ReportAllocs()
	for b.Loop() {
		a.meter.verified("0123456789abcdef")
		o.Recorded(out)
		o.Told(d, 1500*time.Microsecond, nil)
		a.meter.answered(notifyTold)
	}
}

// TestObservingAllocatesNothing, as long as nobody has subscribed to events.
func TestObservingAllocatesNothing(t *testing.T) {
	a, o := watching(t)
	out, d := payment()
	allocs := testing.AllocsPerRun(100, func() {
		a.meter.verified("0123456789abcdef")
		o.Recorded(out)
		o.Told(d, 1500*time.Microsecond, nil)
		a.meter.answered(notifyTold)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// BenchmarkObservingCommits is what metrics add to a commit of the ledger, for all
// who take part in it.
func BenchmarkObservingCommits(b *testing.B) {
	f := theMetrics().committed("benchmark")
	b.ReportAllocs()
	for b.Loop() {
		f(ledger.Commit{Calls: 3, Took: 500 * time.Microsecond})
	}
}
