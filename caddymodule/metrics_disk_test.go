// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package caddymodule_test

import (
	"net/http"
	"testing"
)

// TestMetricsOfFullDisk: what cannot be recorded is counted, too.
func TestMetricsOfFullDisk(t *testing.T) {
	if !inChild(t) {
		return
	}
	w := newWorld(t, scraped)
	w.buy("MD1", "1.00")
	w.Shop.offer("MD2", "1.00")
	before := w.scrape()
	set := fullDisk(t)
	set(true)
	w.wantNotify(w.notice("MD1", "1.00"), http.StatusServiceUnavailable, "failure")
	if a := w.get("/pay?out_trade_no=MD2"); a.Status != http.StatusServiceUnavailable {
		t.Errorf("/pay was answered %d", a.Status)
	}
	after := w.scrape()
	wantGrown(t, "a full disk", before, after, request("notify", "ledger_unavailable"), request("pay", "ledger_unavailable"))
	if got := after.grown(before)[`caddy_alipay_ledger_commit_failures_total{ledger="bolt"}`]; got != 2 {
		t.Errorf("%v failures of commits", got)
	}
}
