// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-alipay/caddy-alipay/caddymodule"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// couriersInUse counts the uses of the world's courier.
func (w *world) couriersInUse() int {
	w.t.Helper()
	path, err := bolt.CanonicalPath(w.path("alipay.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	n, _ := caddymodule.Couriers.References(w.Gateway.AppID + "@" + path)
	return n
}

// wantLocked fails unless the ledger is open (or not) in this process.
func (w *world) wantLocked(locked bool) {
	w.t.Helper()
	l, err := bolt.Open(w.path("alipay.db"), bolt.Options{LockTimeout: 1})
	if err == nil {
		err = l.Close()
		if locked {
			w.t.Error("the ledger is not open any more")
		}
		if err != nil {
			w.t.Error(err)
		}
	} else if !locked {
		w.t.Errorf("the ledger is still open: %v", err)
	}
}

// TestReloadUnderLoad: twenty reloads while notices come in. Each notice that
// Caddy has read is answered success, and each event is told once.
func TestReloadUnderLoad(t *testing.T) {
	w := newWorld(t, "")
	const senders, each = 4, 40
	for i := range senders * each {
		w.buy(fmt.Sprint("RL", i), "1.00")
	}
	var sent, cut atomic.Int32
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for i := range each {
				no := fmt.Sprint("RL", s*each+i)
				body := sign(alipayKey(), w.notice(no, "1.00", "trade_status", "TRADE_FINISHED")).Encode()
				head := w.rawHead("POST /pay/notify", "Content-Type: "+formType, fmt.Sprint("Content-Length: ", len(body)))
				message := strings.Join(append(head[:len(head)-1], body), "\r\n")
				for {
					a, err := exchange(w.URL, http.MethodPost, message)
					if err == nil {
						if a.Status != http.StatusOK || a.Body != "success" {
							t.Errorf("%s was answered %d %q", no, a.Status, a.Body)
						}
						break
					}
					if w.Shop.heard(no) {
						t.Errorf("%s was read, and its answer cut: %v", no, err)
					}
					if cut.Add(1) > 1000 { // a connection that nobody had read from: Alipay tries again, too
						t.Errorf("%s: %v", no, err)
						return
					}
				}
				sent.Add(1)
			}
		})
	}
	for range 20 {
		began := sent.Load()
		w.reload()
		if n := w.couriersInUse(); n != 1 {
			t.Errorf("after a reload the courier has %d uses", n)
		}
		w.wantLocked(true)
		until(t, "notices come in", func() bool { return sent.Load() > began || sent.Load() == senders*each })
	}
	all.Wait()
	t.Logf("%d connections were cut before anybody read from them", cut.Load())
	w.wantEachToldOnce(senders * each)
	w.stopped(func(l ledger.Ledger) {
		for i := range senders * each {
			if o := w.order(l, fmt.Sprint("RL", i)); o.Status() != trade.StatusFinished || o.Sequence != 2 || o.Accepted != 2 {
				t.Errorf("the order is %+v", o)
			}
		}
	})
	if n := w.couriersInUse(); n != 0 {
		t.Errorf("after the stop the courier has %d uses", n)
	}
}

// wantEachToldOnce fails unless the shop was told of each order's two events, in
// sequence, once.
func (w *world) wantEachToldOnce(orders int) {
	w.t.Helper()
	last := map[string]string{}
	for _, d := range w.Shop.deliveries() {
		no, seq := d.Header.Get("X-Alipay-Trade-Out-Trade-No"), d.Header.Get("X-Alipay-Trade-Sequence")
		if want := map[string]string{"": "1", "1": "2"}[last[no]]; seq != want {
			w.t.Errorf("%s: event %s came after %q", no, seq, last[no])
		}
		last[no] = seq
	}
	if len(last) != orders {
		w.t.Errorf("the shop was told of %d orders, want %d", len(last), orders)
	}
}

// heard reports whether the shop was told anything of an order.
func (s *fakeShop) heard(outTradeNo string) bool {
	return len(s.matching(func(r *received) bool { return r.Header.Get("X-Alipay-Trade-Out-Trade-No") == outTradeNo })) > 0
}

// TestReloadWhileTelling: a delivery that the old configuration has begun ends
// under the new one, and is not begun again.
func TestReloadWhileTelling(t *testing.T) {
	w := newWorld(t, "")
	w.buy("RT1", "1.00")
	first, release := make(chan struct{}), make(chan struct{})
	w.Shop.setDeliver(func(_ http.ResponseWriter, r *received) {
		if r.Header.Get("X-Alipay-Trade-Sequence") == "1" {
			close(first)
			<-release
		}
	})
	answered := make(chan answer, 1)
	go func() {
		body := sign(alipayKey(), w.notice("RT1", "1.00", "trade_status", "TRADE_FINISHED")).Encode()
		head := w.rawHead("POST /pay/notify", "Content-Type: "+formType, fmt.Sprint("Content-Length: ", len(body)))
		answered <- raw(t, w.URL, append(head[:len(head)-1], body)...)
	}()
	<-first
	for range 3 {
		w.reload()
	}
	if n := w.couriersInUse(); n != 1 {
		t.Errorf("the courier has %d uses", n)
	}
	close(release)
	if a := <-answered; a.Status != http.StatusOK || a.Body != "success" {
		t.Errorf("answered %d %q", a.Status, a.Body)
	}
	w.wantEachToldOnce(1)
}

// TestFailedReload leaves what runs alone, wherever it fails.
func TestFailedReload(t *testing.T) {
	w := newWorld(t, "")
	good := w.caddyfile()
	if err := os.WriteFile(w.path("bad.pem"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := freeAddress(t)
	for name, bad := range map[string]string{
		"a bad key":            strings.Replace(good, w.path("app.pem"), w.path("bad.pem"), 1),
		"a missing key":        strings.Replace(good, w.path("app.pem"), w.path("none.pem"), 1),
		"a bad public key":     strings.Replace(good, w.path("alipay.pem"), w.path("bad.pem"), 1),
		"a bad ledger":         strings.Replace(good, w.path("alipay.db"), w.Dir, 1),
		"a foreign ledger":     strings.Replace(good, w.path("alipay.db"), w.path("bad.pem"), 1),
		"a bad public_url":     strings.Replace(good, "public_url "+w.URL, "public_url ftp://x", 1),
		"a bad order":          strings.Replace(good, "{out_trade_no}", "x", 1),
		"a bad expire":         strings.Replace(good, "order ", "expire 30s\norder ", 1),
		"an unknown account":   strings.Replace(good, "order ", "account other\norder ", 1),
		"a second, bad site":   good + "\nhttp://" + taken + " {\nalipay {\nshop localhost:1\norder /x/{out_trade_no}\npublic_url nonsense\n}\n}",
		"a second, bad module": good + "\nhttp://" + taken + " {\nreverse_proxy localhost:1 {\ntransport http {\ntls_client_auth none.pem no.pem\n}\n}\n}",
		"an address in use":    good + "\n" + w.Shop.URL + " {\nrespond 200\n}",
	} {
		if err := load(bad); err == nil {
			t.Errorf("%s was loaded", name)
		}
		if n := w.couriersInUse(); n != 1 {
			t.Errorf("%s: the courier has %d uses", name, n)
		}
		w.wantLocked(true)
		no := "RF" + strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' {
				return r
			}
			return -1
		}, name)
		w.Shop.forget()
		w.buy(no, "1.00")
		w.wantNotify(w.notice(no, "1.00"), http.StatusOK, "success")
		w.Shop.wantTold(t, no+" 1 trade.paid TRADE_SUCCESS 0.00")
	}
	if err := load(good); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	w.wantLocked(false)
}

// TestReloadsLeakNothing: neither goroutines nor uses, whatever the reload
// changes.
func TestReloadsLeakNothing(t *testing.T) {
	w := newWorld(t, "")
	good := w.caddyfile()
	variants := []string{
		good,
		strings.Replace(good, "public_url "+w.URL, "public_url https://other.example", 1),
		strings.Replace(good, w.path("alipay.db"), w.path("other.db"), 1),
		strings.Replace(good, "order ", "shop_timeout 3s\norder ", 1),
		"{\nadmin off\npersist_config off\nauto_https off\n}\n" + w.URL + " {\nrespond 200\n}", // without the module
	}
	cycle := func() {
		for _, v := range append(variants, good) {
			if err := load(v); err != nil {
				t.Fatal(err)
			}
			_ = load(strings.Replace(v, "respond 200", "respond x y z", 1) + "\nnonsense")
		}
		w.client.CloseIdleConnections()
	}
	cycle()
	before := settled(runtime.NumGoroutine)
	for range 5 {
		cycle()
	}
	until(t, "the goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	if n := w.couriersInUse(); n != 1 {
		t.Errorf("the courier has %d uses", n)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	w.wantLocked(false)
	if n := w.couriersInUse(); n != 0 {
		t.Errorf("after the stop the courier has %d uses", n)
	}
}

// settled is a count that has stood still for a while.
func settled(count func() int) int {
	n := count()
	for same := 0; same < 1000; same++ {
		runtime.Gosched()
		if now := count(); now != n {
			n, same = now, 0
		}
	}
	return n
}

// TestLostSite: events of a site that left the configuration wait for it.
func TestLostSite(t *testing.T) {
	w := newWorld(t, "")
	w.buy("RS1", "1.00")
	good := w.caddyfile()
	if err := load(strings.Replace(good, "public_url "+w.URL, "public_url https://other.example", 1)); err != nil {
		t.Fatal(err)
	}
	w.wantNotify(w.notice("RS1", "1.00"), http.StatusServiceUnavailable, "failure")
	w.Shop.wantTold(t)
	if err := load(good); err != nil {
		t.Fatal(err)
	}
	w.wantNotify(w.notice("RS1", "1.00"), http.StatusOK, "success")
	w.Shop.wantTold(t, "RS1 1 trade.paid TRADE_SUCCESS 0.00")
}
