// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-alipay/caddy-alipay/caddymodule"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
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

// traffic is buyers, notices and returns without a pause.
type traffic struct {
	*world
	stop    chan struct{}
	senders sync.WaitGroup
	orders  atomic.Int32 // that have gone all the way
	cut     atomic.Int32 // connections that nobody had read from
}

// send begins with so many senders at once.
func (tr *traffic) send(senders int) {
	tr.stop = make(chan struct{})
	for s := range senders {
		tr.senders.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-tr.stop:
					return
				default:
					tr.order(fmt.Sprintf("RL%d_%d", s, i))
				}
			}
		})
	}
}

// order goes an order's way: to the cashier, a notice with two events, the return.
func (tr *traffic) order(no string) {
	tr.Shop.offer(no, "1.00")
	tr.insist(no, "GET /pay?out_trade_no="+no, "", http.StatusSeeOther, "")
	body := sign(alipayKey(), tr.notice(no, "1.00", "trade_status", "TRADE_FINISHED")).Encode()
	tr.insist(no, "POST /pay/notify", body, http.StatusOK, "success")
	tr.insist(no, "GET /pay/return?"+tr.returnQuery(no, "1.00"), "", http.StatusOK, "shop page /pay/return")
	tr.orders.Add(1)
}

// insist sends a request until it is answered, and fails unless that is as it
// should be, or if an answer is cut whose request has reached the shop.
func (tr *traffic) insist(no, request, body string, status int, want string) {
	head := tr.rawHead(request, "Content-Type: "+formType, fmt.Sprint("Content-Length: ", len(body)))
	message := strings.Join(append(head[:len(head)-1], body), "\r\n")
	method, _, _ := strings.Cut(request, " ")
	for {
		before := tr.Shop.traces(no)
		a, err := exchange(tr.URL, method, message)
		if err == nil {
			if a.Status != status || a.Body != want {
				tr.t.Errorf("%.30s was answered %d %q", request, a.Status, a.Body)
			}
			return
		}
		if tr.Shop.traces(no) > before {
			tr.t.Errorf("%.30s was read, and its answer cut: %v", request, err)
		}
		if tr.cut.Add(1) > 5000 { // a connection that nobody had read from: Alipay tries again, too
			tr.t.Errorf("%.30s: %v", request, err)
			return
		}
	}
}

// traces counts the requests about an order that have reached the shop.
func (s *fakeShop) traces(no string) int {
	return len(s.matching(func(r *received) bool {
		return r.Header.Get("X-Alipay-Trade-Out-Trade-No") == no || strings.HasSuffix(r.URI, "/"+no)
	}))
}

// TestReloadUnderLoad: a hundred reloads (PROOF_RELOADS: more) while people buy.
// Each request that Caddy has read is answered as ever, each event is told once,
// and neither goroutines nor file handles are left behind.
func TestReloadUnderLoad(t *testing.T) {
	reloads := 100
	if text := os.Getenv("PROOF_RELOADS"); text != "" {
		reloads = must(strconv.Atoi(text))
	}
	// a request that is under way at a reload leaves its connection to the shop
	// idle, and Caddy keeps it for two minutes, unless told otherwise
	const brief = "{\ntransport http {\nkeepalive 500ms\n}\n}"
	w := newWorld(t, "reverse_proxy SHOP "+brief, func(w *world) { w.shop = "shop " + w.Shop.Address() + " " + brief })
	w.reload() // whatever is made once, by the first reload, is no leak
	goroutines, handles := settled(runtime.NumGoroutine), settled(openHandles)
	tr := &traffic{world: w}
	tr.send(4)
	for range reloads {
		began := tr.orders.Load()
		w.reload()
		if n := w.couriersInUse(); n != 1 {
			t.Errorf("after a reload the courier has %d uses", n)
		}
		w.wantLocked(true)
		until(t, "people buy", func() bool { return tr.orders.Load() > began || t.Failed() })
	}
	close(tr.stop)
	tr.senders.Wait()
	n := int(tr.orders.Load())
	w.wantEachToldOnce(n)
	w.client.CloseIdleConnections()
	until(t, "no more goroutines and file handles are there than before", func() bool {
		return runtime.NumGoroutine() <= goroutines && openHandles() <= handles
	})
	t.Logf("%d reloads under load: %d orders, %d requests that were read all answered as ever, %d connections cut before anybody read from them, "+
		"%d events told once each; %d goroutines and %d file handles before, %d and %d after",
		reloads, n, 3*n, tr.cut.Load(), 2*n, goroutines, handles, runtime.NumGoroutine(), openHandles())
	w.stopped(func(l ledger.Ledger) {
		for _, d := range w.Shop.deliveries() {
			no := d.Header.Get("X-Alipay-Trade-Out-Trade-No")
			if o := w.order(l, no); o.Status() != trade.StatusFinished || o.Sequence != 2 || o.Accepted != 2 {
				t.Errorf("the order is %+v", o)
			}
		}
	})
	if n := w.couriersInUse(); n != 0 {
		t.Errorf("after the stop the courier has %d uses", n)
	}
}

// openHandles counts the files and sockets that this process has open; 0 where
// the system does not tell.
func openHandles() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
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
	taken := loopback.Address(t)
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
