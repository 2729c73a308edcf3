// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func init() { caddy.RegisterModule(new(faultyLedger)) }

// faultyLedger is the bolt ledger with faults under its commits, as a guest
// module: `ledger faulty PATH`. It is opened once, and stays open over reloads.
type faultyLedger struct {
	Path   string `json:"path"`
	ledger *bolt.Ledger
}

// onCommit stands around the commits of faultyLedger; nil commits.
var onCommit atomic.Pointer[func(commit func() error) error]

var faultyLedgers struct {
	sync.Mutex
	open map[string]*bolt.Ledger
}

func (*faultyLedger) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "alipay.ledger.faulty", New: func() caddy.Module { return new(faultyLedger) }}
}

func (f *faultyLedger) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.Args(&f.Path) {
		return d.ArgErr()
	}
	return nil
}

func (f *faultyLedger) Provision(caddy.Context) (err error) {
	faultyLedgers.Lock()
	defer faultyLedgers.Unlock()
	if f.ledger = faultyLedgers.open[f.Path]; f.ledger != nil {
		return nil
	}
	f.ledger, err = bolt.Open(f.Path, bolt.Options{Commit: func(commit func() error) error {
		if hook := onCommit.Load(); hook != nil {
			return (*hook)(commit)
		}
		return commit()
	}})
	if err == nil {
		faultyLedgers.open = map[string]*bolt.Ledger{f.Path: f.ledger}
	}
	return err
}

func (f *faultyLedger) Ledger() ledger.Ledger { return f.ledger }
func (f *faultyLedger) Identity() string      { return f.Path }

// newFaultyWorld is a world whose ledger is a faultyLedger.
func newFaultyWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, "", func(w *world) { w.ledgerKind = "faulty" })
	t.Cleanup(func() {
		onCommit.Store(nil)
		if err := errors.Join(caddy.Stop(), faultyLedgers.open[w.path("alipay.db")].Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// failing fails every commit but each n-th (0: every one).
func failing(err error, n int32) func(commit func() error) error {
	var tried atomic.Int32
	return func(commit func() error) error {
		if n > 0 && tried.Add(1)%n == 0 {
			return commit()
		}
		return err
	}
}

// TestDiskFaults injects errors under the store: whatever a disk answers to a
// commit, nothing is acknowledged or told that is not known to be on it, and when
// it works again everything goes on, in the same process.
func TestDiskFaults(t *testing.T) {
	w := newFaultyWorld(t)
	for i, c := range []struct {
		name  string
		fault func(commit func() error) error
		tries int // in the end a notice is acknowledged by this one; 0: by none
	}{
		{"an error", failing(syscall.EIO, 0), 0},
		{"no room", failing(syscall.ENOSPC, 0), 0},
		{"a disk gone read-only", failing(syscall.EROFS, 0), 0},
		{"a quota", failing(syscall.EDQUOT, 0), 0},
		{"a file server gone", failing(syscall.ESTALE, 0), 0},
		{"an error after all was written", func(commit func() error) error { return errors.Join(commit(), syscall.EIO) }, 0},
		{"a panic", func(func() error) error { panic("a page that is none") }, 0},
		{"a panic after all was written", func(commit func() error) error { panic(commit()) }, 0},
		{"every second commit works", failing(syscall.EIO, 2), 2},
		{"every fourth commit works", failing(syscall.EIO, 4), 4},
	} {
		no := fmt.Sprint("DF", i)
		w.buy(no, "1.00")
		w.Shop.forget()
		onCommit.Store(&c.fault)
		for try := 1; try <= 5; try++ { // Alipay sends it again
			status, body, told := http.StatusServiceUnavailable, "failure", 0
			if c.tries > 0 && try >= c.tries {
				status, body, told = http.StatusOK, "success", 1
			}
			w.wantNotify(w.notice(no, "1.00"), status, body)
			if n := len(w.Shop.deliveries()); n != told {
				t.Errorf("%s, try %d: the shop was told %d times", c.name, try, n)
			}
		}
		onCommit.Store(nil)
		w.wantNotify(w.notice(no, "1.00"), http.StatusOK, "success")
		w.Shop.wantTold(t, no+" 1 trade.paid TRADE_SUCCESS 0.00")
		o := must(w.openLedger().Order(t.Context(), trade.Key{AppID: w.Gateway.AppID, OutTradeNo: no}))
		if !o.Paid || o.Sequence != 1 || o.Accepted != 1 {
			t.Errorf("%s: the order is %+v", c.name, o)
		}
	}
}

// TestHangingDisk: a commit that does not return keeps nobody waiting for ever,
// and claims nothing before it has returned.
func TestHangingDisk(t *testing.T) {
	w := newFaultyWorld(t)
	w.buy("HD1", "1.00")
	hang := make(chan struct{})
	var once sync.Once
	release := func() { once.Do(func() { close(hang) }) }
	t.Cleanup(release)
	hold := func(commit func() error) error {
		<-hang
		return commit()
	}
	onCommit.Store(&hold)
	w.wantNotify(w.notice("HD1", "1.00"), http.StatusServiceUnavailable, "failure")
	w.Shop.wantTold(t)
	onCommit.Store(nil)
	release()
	w.wantNotify(w.notice("HD1", "1.00"), http.StatusOK, "success")
	w.Shop.wantTold(t, "HD1 1 trade.paid TRADE_SUCCESS 0.00")
}
