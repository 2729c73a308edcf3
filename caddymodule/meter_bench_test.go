// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// BenchmarkCounting is all that counting adds to a payment's notice: what was
// recorded, what was told, how it was answered.
func BenchmarkCounting(b *testing.B) {
	m := theMetrics().meter("benchmark")
	out := ledger.Outcome{Events: []trade.Event{{Type: trade.EventPaid, Source: trade.SourceNotify}}}
	b.ReportAllocs()
	for b.Loop() {
		m.recorded(&out)
		m.told(1500*time.Microsecond, nil)
		m.answered(notifyTold)
	}
}

// BenchmarkCountingCommits is what counting adds to a commit of the ledger.
func BenchmarkCountingCommits(b *testing.B) {
	f := theMetrics().committed("benchmark")
	b.ReportAllocs()
	for b.Loop() {
		f(ledger.Commit{Calls: 3, Took: 500 * time.Microsecond})
	}
}
