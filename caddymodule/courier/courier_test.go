// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const siteURL = "https://shop.example"

// office is a courier over a real ledger, with a shop and a clock of the test's.
type office struct {
	t      *testing.T
	c      *Courier
	ledger opened
	shop   *counter
	site   *shop.Shop
	close  func()

	mu  sync.Mutex
	now time.Time
}

// counter is the shop's counter: it counts and answers.
type counter struct {
	mu     sync.Mutex
	got    []string // event ids
	events []string
	status int
	inside int
	most   int
	hold   chan struct{} // if set, a delivery waits for it
}

func (s *counter) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	s.mu.Lock()
	s.got = append(s.got, r.Header.Get(shop.HeaderEventID))
	s.events = append(s.events, r.Header.Get(shop.HeaderEvent)+"/"+r.Header.Get(shop.HeaderSource))
	s.inside++
	s.most = max(s.most, s.inside)
	status, hold := s.status, s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside--
	return nil
}

func (s *counter) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *counter) seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

func newOffice(t *testing.T) *office {
	t.Helper()
	return newOfficeOver(t, inFile(t)())
}

// newOfficeOver is newOffice over a ledger that it closes in the end.
func newOfficeOver(t *testing.T, l opened) *office {
	t.Helper()
	o := newOfficeFor(t, l)
	t.Cleanup(o.end)
	return o
}

// newOfficeFor is newOfficeOver for who ends it himself.
func newOfficeFor(t *testing.T, l opened) *office {
	t.Helper()
	o := &office{t: t, now: start, shop: &counter{status: http.StatusOK}, ledger: l}
	u, _ := url.Parse(siteURL)
	o.site = &shop.Shop{Handler: o.shop, PublicURL: u, NotifyPath: "/pay/notify", Timeout: 30 * time.Second}
	o.c = New(o.ledger, "", o.clock)
	o.close = o.c.Open(o.site)
	return o
}

func (o *office) end() {
	o.close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := o.c.Wait(ctx); err != nil {
		o.t.Error("the courier's work did not end: ", err)
	}
	if err := o.ledger.Close(); err != nil {
		o.t.Error(err)
	}
}

func (o *office) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

// pass lets time pass and wakes whoever sleeps.
func (o *office) pass(d time.Duration) {
	o.mu.Lock()
	o.now = o.now.Add(d)
	o.mu.Unlock()
	o.c.mu.Lock()
	for _, l := range o.c.lanes {
		l.poke()
	}
	o.c.mu.Unlock()
	poke(o.c.askers.wake)
	poke(o.c.refunders.wake)
	poke(o.c.refunders.held.wake)
}

func (o *office) attempt(appID, no string, expires time.Duration) trade.Key {
	o.t.Helper()
	k := trade.Key{AppID: appID, OutTradeNo: no}
	_, err := o.ledger.Attempt(o.t.Context(), k, trade.Attempt{
		Total: 8888, PublicURL: siteURL, Channel: "page", At: o.clock(), ExpiresAt: o.clock().Add(expires),
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return k
}

// pays records a payment, as a notice does, and delivers it.
func (o *office) pays(no string) error {
	o.t.Helper()
	k := o.attempt("app", no, time.Hour)
	e := trade.Evidence{
		Source: trade.SourceNotify, AppID: k.AppID, OutTradeNo: k.OutTradeNo, TradeNo: "T" + no, Status: trade.StatusSuccess,
		Total: 8888, ReceivedAt: o.clock(), Raw: []byte("out_trade_no=" + no), ContentType: "application/x-www-form-urlencoded",
	}
	out, err := o.c.Record(o.t.Context(), e)
	if err != nil {
		o.t.Fatal(err)
	}
	return o.c.Deliver(o.t.Context(), &out, &e)
}

func (o *office) order(no string) trade.Order {
	o.t.Helper()
	got, err := o.ledger.Order(o.t.Context(), trade.Key{AppID: "app", OutTradeNo: no})
	if err != nil {
		o.t.Fatal(err)
	}
	return got
}

func (o *office) until(what string, is func() bool) {
	o.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			o.t.Fatalf("did not happen: %s", what)
		}
	}
}

func TestRefusedEventIsToldAgain(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.shop.answer(http.StatusInternalServerError)
	if err := o.pays("A1"); err == nil {
		t.Fatal("the shop's 500 was taken for an acceptance")
	}
	if got := o.order("A1"); got.Refusals != 1 || got.TellAt.Sub(o.clock()) > 6*time.Second {
		t.Fatalf("agenda %+v", got.Agenda)
	}
	o.shop.answer(http.StatusOK)
	o.pass(6 * time.Second)
	o.until("the second delivery is accepted", func() bool { got := o.order("A1"); return !got.Undelivered() })
	if o.shop.got[0] != o.shop.got[1] || len(o.shop.got) != 2 {
		t.Errorf("event ids %q", o.shop.got)
	}
	o.pass(time.Hour)
	if o.order("A1").TellAt != (time.Time{}) || o.shop.seen() != 2 {
		t.Error("told again after it was accepted")
	}
}

// TestOverdueAtStart: events of an earlier life are told when their site comes.
func TestOverdueAtStart(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.close()
	if err := o.pays("A1"); err == nil {
		t.Fatal("delivered without a site")
	}
	o.pass(time.Hour)
	o.close = o.c.Open(o.site)
	o.until("the overdue event is accepted", func() bool { got := o.order("A1"); return !got.Undelivered() })
}

func TestRefusedFor72HoursIsDead(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.shop.answer(http.StatusInternalServerError)
	if err := o.pays("A1"); err == nil {
		t.Fatal("accepted")
	}
	tries := 1
	for got := o.order("A1"); !got.Dead(); got = o.order("A1") {
		if tries++; tries > 60 {
			t.Fatal("never given up")
		}
		o.pass(got.TellAt.Sub(o.clock()) + probeEvery) // the circuit may be open, too
		o.until("the next try", func() bool { return o.shop.seen() == tries })
		o.until("the refusal is noted", func() bool { return o.order("A1").Refusals == tries })
	}
	if lived := o.clock().Sub(start); lived < 65*time.Hour || lived > 73*time.Hour {
		t.Errorf("given up after %s and %d tries", lived, tries)
	}
}

// TestCircuit: a shop that is down gets one delivery at a time, and all that
// waits once it is back.
func TestCircuit(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.shop.answer(http.StatusServiceUnavailable)
	const orders = 60
	for i := range orders {
		if err := o.pays(fmt.Sprintf("A%d", i)); err == nil {
			t.Fatal("accepted")
		}
	}
	o.pass(10 * time.Second)
	o.until("a probe", func() bool { return o.shop.seen() > orders })
	if extra := o.shop.seen() - orders; extra > 1 {
		t.Errorf("%d deliveries at once to a shop that is down", extra)
	}
	o.shop.answer(http.StatusOK)
	o.pass(2 * time.Minute)
	o.until("everything is delivered", func() bool {
		for i := range orders {
			if got := o.order(fmt.Sprintf("A%d", i)); got.Undelivered() {
				return false
			}
		}
		return true
	})
	if o.shop.most > maxAtOnce {
		t.Errorf("%d deliveries at once", o.shop.most)
	}
}

// TestAsking: a payment whose notice is lost, and whose buyer never comes back,
// is learnt by asking.
func TestAsking(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	g := newGateway(t, o)
	if err := g.SetFaults(sandbox.Faults{Global: []sandbox.Fault{{Name: "notify_never"}}}); err != nil {
		t.Fatal(err)
	}
	k := o.attempt(g.AppID, "A1", time.Hour)
	g.Open(g.PayURL("A1", "88.88", "https://shop.example/pay/notify", ""))
	if err := g.Pay("A1", 1); err != nil {
		t.Fatal(err)
	}
	o.pass(31 * time.Second)
	o.until("the payment is learnt and told", func() bool {
		got, err := o.ledger.Order(t.Context(), k)
		return err == nil && got.Paid && !got.Undelivered()
	})
	if o.shop.events[0] != "trade.paid/query" {
		t.Errorf("told %v", o.shop.events)
	}
}

// TestAskingGoesOn: in a shop with one buyer nobody else's order wakes the asker,
// so it has to set its own alarm after each question.
func TestAskingGoesOn(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	g := newGateway(t, o)
	k := o.attempt(g.AppID, "A1", time.Hour)
	o.pass(31 * time.Second)
	o.until("the asker's alarm is the order's next date", func() bool {
		got, err := o.ledger.Order(t.Context(), k)
		return err == nil && got.Asked == 1 && o.c.askers.next.Load() == got.AskAt.UnixNano()
	})
}

// TestExpiredOrderIsClosed: the buyer opened the cashier and did not pay in time.
// The gateway would still take the money; the sidecar closes the trade.
func TestExpiredOrderIsClosed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	g := newGateway(t, o)
	k := o.attempt(g.AppID, "A1", 10*time.Minute)
	if a := g.Call("alipay.trade.create", sandboxtest.Biz{
		"out_trade_no": "A1", "total_amount": "88.88", "subject": "tea", "buyer_id": "2088102146225101",
	}); a.Text("code") != "10000" {
		t.Fatalf("%s", a.Raw)
	}
	for range 60 {
		got, err := o.ledger.Order(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		if got.Closed {
			break
		}
		asked := got.Asked
		o.pass(max(0, got.AskAt.Sub(o.clock())) + time.Second)
		o.until("the next question", func() bool {
			got, err := o.ledger.Order(t.Context(), k)
			return err == nil && (got.Asked > asked || got.Closed)
		})
	}
	if tr, err := g.Trade("A1"); err != nil || tr.TradeStatus != "TRADE_CLOSED" {
		t.Fatalf("at the gateway: %+v, %v", tr, err)
	}
	o.until("the close is told", func() bool { return o.shop.seen() == 1 })
	if o.shop.events[0] != "trade.closed/query" {
		t.Errorf("told %v", o.shop.events)
	}
}

func newGateway(t *testing.T, o *office) *gatewayPair {
	t.Helper()
	p := &gatewayPair{Gateway: sandboxtest.New(t, sandboxtest.Options{Config: sandbox.Config{Clock: sandbox.NewClock(start, 1)}})}
	public, err := gateway.ParsePublicKey(p.PublicKeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	p.client, err = gateway.New(gateway.Config{
		AppID: p.AppID, PrivateKey: p.AppKey, AlipayKeys: []gateway.AlipayKey{{Public: public}}, URL: p.GatewayURL(), Now: o.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.client.Close)
	stop := o.c.Inquire(p.client)
	t.Cleanup(stop)
	return p
}

// gatewayPair is a sandbox and a client of it.
type gatewayPair struct {
	*sandboxtest.Gateway
	client *gateway.Gateway
}
