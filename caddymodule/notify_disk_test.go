// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package caddymodule_test

import (
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// inChild runs the test that calls it in a process of its own, where it returns
// true: a limit of the process also stops what the test binary itself writes.
func inChild(t *testing.T) bool {
	t.Helper()
	const mark = "ALIPAY_TEST_CHILD"
	if os.Getenv(mark) != "" {
		return true
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.count", "1")
	child.Env = append(os.Environ(), mark+"=1")
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// fullDisk lets no file of this process grow or change, until it is called
// again with false: what a write meets is an error like a full disk's.
func fullDisk(t *testing.T) (set func(full bool)) {
	t.Helper()
	var had syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &had); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	set = func(full bool) {
		limit := had
		if full {
			limit.Cur = 1
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		set(false)
		signal.Reset(syscall.SIGXFSZ)
	})
	return set
}

// TestFullDisk: nothing is claimed that is not on disk, and all works again when
// there is room.
func TestFullDisk(t *testing.T) {
	if !inChild(t) {
		return
	}
	w := newWorld(t, "reverse_proxy SHOP\nhandle_errors {\nrespond \"{err.status_code} {err.message}\"\n}")
	w.buy("L1", "1.00")
	w.Shop.offer("L2", "1.00")
	w.Shop.forget()
	set := fullDisk(t)
	set(true)
	if err := os.WriteFile(w.path("probe"), []byte("xx"), 0o600); err == nil {
		t.Fatal("the disk is not full: this test has lost its point")
	}
	for range 3 {
		w.wantNotify(w.notice("L1", "1.00"), http.StatusServiceUnavailable, "failure")
		w.wantNotify(w.notice("L1", "2.00"), http.StatusServiceUnavailable, "failure") // cannot be held either
	}
	w.Shop.wantTold(t)
	if a := w.get("/pay?out_trade_no=L2"); a.Status != http.StatusServiceUnavailable || !strings.Contains(a.Body, "请稍后再试") {
		t.Errorf("/pay was answered %d %s", a.Status, a.Body)
	}
	// what was recorded before is still read
	if a := w.get("/pay/return?" + w.returnQuery("L1", "1.00")); a.Status != http.StatusOK {
		t.Errorf("the return was answered %d", a.Status)
	}
	if got := w.lastPage("/pay/return").Header.Get("X-Alipay-Trade-Status"); got != "" {
		t.Errorf("the shop was told %s, which is on no disk", got)
	}
	set(false)
	w.wantNotify(w.notice("L1", "1.00"), http.StatusOK, "success")
	w.Shop.wantTold(t, "L1 1 trade.paid TRADE_SUCCESS 0.00")
	w.pay("L2")
	w.stopped(func(l ledger.Ledger) {
		wantHeld(t, l)
		if o := w.order(l, "L1"); o.Status() != trade.StatusSuccess || o.Accepted != 1 {
			t.Errorf("the order is %+v", o)
		}
	})
}

// TestFullDiskWhileAccepting: the shop has accepted an event, and the mark that
// says so finds no room. It may be told twice, with the same id, never lost.
func TestFullDiskWhileAccepting(t *testing.T) {
	if !inChild(t) {
		return
	}
	w := newWorld(t, "")
	w.buy("L3", "1.00")
	set := fullDisk(t)
	w.Shop.setDeliver(func(http.ResponseWriter, *received) { set(true) })
	w.wantNotify(w.notice("L3", "1.00"), http.StatusOK, "success")
	w.Shop.setDeliver(nil)
	w.wantNotify(w.notice("L3", "1.00"), http.StatusOK, "success") // known without a write
	w.Shop.wantTold(t, "L3 1 trade.paid TRADE_SUCCESS 0.00")
	w.stopped(func(ledger.Ledger) {}) // Caddy's stop is not held up
	set(false)
	w.reload()
	w.wantNotify(w.notice("L3", "1.00"), http.StatusOK, "success")
	ids := map[string]bool{}
	for _, d := range w.Shop.deliveries() {
		ids[d.Header.Get("X-Alipay-Trade-Event-Id")] = true
	}
	if len(ids) != 1 || len(w.Shop.deliveries()) > 2 {
		t.Errorf("the shop was told %q under the ids %v", w.Shop.told(), ids)
	}
}
