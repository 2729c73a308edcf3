// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// statement is evidence for an order of the office's.
func (o *office) statement(no string, status trade.Status, tradeNo string) trade.Evidence {
	return trade.Evidence{
		Source: trade.SourceNotify, AppID: "app", OutTradeNo: no, TradeNo: tradeNo, Status: status, Total: 8888,
		ReceivedAt: o.clock(), Raw: []byte("out_trade_no=" + no), ContentType: "application/x-www-form-urlencoded",
	}
}

func (o *office) record(e trade.Evidence) ledger.Outcome {
	o.t.Helper()
	out, err := o.c.Record(o.t.Context(), e)
	if err != nil {
		o.t.Fatal(err)
	}
	return out
}

// TestNoSite: an order of a site that is not configured is told to nobody.
func TestNoSite(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.close()
	err := o.pays("A1")
	if !errors.Is(err, ErrNoSite) || !strings.Contains(err.Error(), siteURL) {
		t.Errorf("%v", err)
	}
	if got := o.order("A1"); !got.Undelivered() || got.Refusals != 0 || o.shop.seen() != 0 {
		t.Errorf("%d deliveries, the order is %+v", o.shop.seen(), got)
	}
	o.close = o.c.Open(o.site)
	e := o.statement("A1", trade.StatusSuccess, "TA1")
	out := o.record(e)
	if err := o.c.Deliver(t.Context(), &out, &e); err != nil || o.shop.seen() != 1 {
		t.Errorf("%v, %d deliveries", err, o.shop.seen())
	}
}

// TestWithheld: nothing more is told of an order that contradicts itself, not
// even what was recorded before.
func TestWithheld(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.attempt("app", "A1", time.Hour)
	paid := o.statement("A1", trade.StatusSuccess, "TA1")
	o.record(paid) // and its process dies before it tells anybody
	if out := o.record(o.statement("A1", trade.StatusSuccess, "TOTHER")); out.Held == nil {
		t.Fatal("a second payment is not held")
	}
	out := o.record(paid)
	if err := o.c.Deliver(t.Context(), &out, &paid); !errors.Is(err, ErrWithheld) {
		t.Errorf("%v", err)
	}
	if o.shop.seen() != 0 {
		t.Errorf("told %v", o.shop.events)
	}
}

// TestJoinedFlight: whoever comes while an order is being told waits for that,
// as long as he likes to, and nobody tells twice.
func TestJoinedFlight(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.attempt("app", "A1", time.Hour)
	o.shop.hold = make(chan struct{})
	e := o.statement("A1", trade.StatusFinished, "TA1") // two events
	first := o.record(e)
	var all sync.WaitGroup
	all.Go(func() {
		if err := o.c.Deliver(t.Context(), &first, &e); err != nil {
			t.Error(err)
		}
	})
	o.until("the first delivery is under way", func() bool { return o.shop.seen() == 1 })
	impatient, leave := context.WithCancel(t.Context())
	leave()
	again := o.record(e)
	if err := o.c.Deliver(impatient, &again, &e); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	for range 10 {
		all.Go(func() {
			repeat := o.record(e)
			if err := o.c.Deliver(t.Context(), &repeat, &e); err != nil {
				t.Error(err)
			}
		})
	}
	close(o.shop.hold)
	all.Wait()
	if got := fmt.Sprint(o.shop.events); got != "[trade.paid/notify trade.finished/notify]" || o.shop.most != 1 {
		t.Errorf("told %s, %d at once", got, o.shop.most)
	}
	if len(o.c.flights) != 0 {
		t.Errorf("%d flights are left", len(o.c.flights))
	}
}

// TestPanicInTheShopsHandler is a refusal, and the next delivery works.
func TestPanicInTheShopsHandler(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"a handler's mistake", http.ErrAbortHandler, errors.New("x")} {
		o := newOffice(t)
		o.close()
		good := o.site.Handler
		broken := *o.site
		broken.Handler = panicking{value}
		o.close = o.c.Open(&broken)
		if err := o.pays("A1"); !errors.Is(err, shop.ErrRefused) {
			t.Errorf("%v: %v", value, err)
		}
		o.close()
		mended := *o.site
		mended.Handler = good
		o.close = o.c.Open(&mended)
		e := o.statement("A1", trade.StatusSuccess, "TA1")
		out := o.record(e)
		if err := o.c.Deliver(t.Context(), &out, &e); err != nil || o.shop.seen() != 1 {
			t.Errorf("%v: %v, %d deliveries", value, err, o.shop.seen())
		}
	}
}

type panicking struct{ value any }

func (p panicking) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	panic(p.value)
}

// faulty is a ledger that fails as it is told.
type faulty struct {
	ledger.Ledger
	accept, undelivered func() error
}

func (f *faulty) Accept(ctx context.Context, k trade.Key, sequence int, at time.Time) error {
	if f.accept != nil {
		if err := f.accept(); err != nil {
			return err
		}
	}
	return f.Ledger.Accept(ctx, k, sequence, at)
}

func (f *faulty) Undelivered(ctx context.Context, k trade.Key) ([]ledger.Delivery, error) {
	if f.undelivered != nil {
		if err := f.undelivered(); err != nil {
			return nil, err
		}
	}
	return f.Ledger.Undelivered(ctx, k)
}

// TestLedgerFailsWhileTelling: an event whose acceptance could not be noted is
// told again under the same id, and a panic takes nobody along.
func TestLedgerFailsWhileTelling(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	broken := &faulty{Ledger: o.ledger, accept: func() error { return ledger.ErrUnavailable }}
	o.c.ledger = broken // before any delivery
	if err := o.pays("A1"); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	broken.accept = nil
	broken.undelivered = func() error { panic("a damaged page") }
	e := o.statement("A1", trade.StatusSuccess, "TA1")
	out := o.record(e)
	if err := o.c.Deliver(t.Context(), &out, &e); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("%v", err)
	}
	broken.undelivered = nil
	if err := o.c.Deliver(t.Context(), &out, &e); err != nil {
		t.Error(err)
	}
	if len(o.shop.got) != 2 || o.shop.got[0] != o.shop.got[1] {
		t.Errorf("told under the ids %q", o.shop.got)
	}
}

// TestNewestSite: a reload's shop takes over, and what it replaced comes back if
// the reload is undone.
func TestNewestSite(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	u, err := url.Parse(siteURL)
	if err != nil {
		t.Fatal(err)
	}
	newer := &counter{status: http.StatusOK}
	closeNewer := o.c.Open(&shop.Shop{Handler: newer, PublicURL: u, NotifyPath: "/pay/notify", Timeout: time.Minute})
	if err := o.pays("A1"); err != nil || newer.seen() != 1 || o.shop.seen() != 0 {
		t.Errorf("%v, %d at the new one, %d at the old one", err, newer.seen(), o.shop.seen())
	}
	closeNewer()
	closeNewer() // twice is fine
	if err := o.pays("A2"); err != nil || newer.seen() != 1 || o.shop.seen() != 1 {
		t.Errorf("%v, %d at the new one, %d at the old one", err, newer.seen(), o.shop.seen())
	}
}

// TestWatch: news of an order wakes those who watch it, repeats do not, and
// nothing is left behind.
func TestWatch(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	k := o.attempt("app", "A1", time.Hour)
	woken, end := o.c.Watch(k)
	left, endLeft := o.c.Watch(k)
	endLeft()
	other, endOther := o.c.Watch(trade.Key{AppID: "app", OutTradeNo: "A2"})
	o.record(o.statement("A1", trade.StatusSuccess, "TA1"))
	select {
	case <-woken:
	case <-t.Context().Done():
	}
	end()
	repeat, endRepeat := o.c.Watch(k)
	o.record(o.statement("A1", trade.StatusSuccess, "TA1"))
	for name, ch := range map[string]<-chan struct{}{"a watch that was ended": left, "another order's watch": other, "a repeat": repeat} {
		select {
		case <-ch:
			t.Errorf("%s was woken", name)
		default:
		}
	}
	endRepeat()
	endOther()
	if len(o.c.watchers) != 0 {
		t.Errorf("%d watchers are left", len(o.c.watchers))
	}
}

func TestRecentForgets(t *testing.T) {
	t.Parallel()
	var r recent
	key := func(i int) trade.Key { return trade.Key{AppID: "app", OutTradeNo: fmt.Sprint(i)} }
	for i := range 3 * len(r.ring) {
		r.add(key(i), 1)
		r.add(key(i), 2) // the same order takes no further place
	}
	if len(r.accepted) != len(r.ring) {
		t.Errorf("%d orders are remembered", len(r.accepted))
	}
	for i := 2 * len(r.ring); i < 3*len(r.ring); i++ {
		if r.accepted[key(i)] != 2 {
			t.Fatalf("order %d: %d", i, r.accepted[key(i)])
		}
	}
}

// TestObservers: the newest configuration's observer is told and, once that is
// undone, the one before it again.
func TestObservers(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var mu sync.Mutex
	var seen []string
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf(format, args...))
	}
	observer := func(name string) *Observer {
		return &Observer{
			Recorded: func(out ledger.Outcome) { note("%s recorded %d %v", name, len(out.Events), out.Held != nil) },
			Told: func(d *ledger.Delivery, took time.Duration, err error) {
				note("%s told %s after %s %v", name, d.Event.Type, took, err)
			},
		}
	}
	stopFirst := o.c.Observe(observer("first"))
	stopSecond := o.c.Observe(observer("second"))
	if err := o.pays("A1"); err != nil {
		t.Fatal(err)
	}
	o.record(o.statement("A1", trade.StatusSuccess, "TA1")) // a repeat
	stopSecond()
	o.record(o.statement("A1", trade.StatusSuccess, "TOTHER"))
	third := o.c.Observe(observer("third"))
	stopFirst()
	o.record(o.statement("none", trade.StatusSuccess, "T"))
	third()
	third()
	o.record(o.statement("none2", trade.StatusSuccess, "T")) // by a request that has outlived all
	unknown := o.statement("none", trade.StatusSuccess, "T")
	if _, err := o.c.Settle(t.Context(), nil, unknown.Digest(), trade.Decision{Word: trade.DecideAccept, PublicURL: siteURL}); err != nil {
		t.Fatal(err)
	}
	o.until("what was accepted is told", func() bool { got := o.order("none"); return !got.Undelivered() })
	mu.Lock()
	defer mu.Unlock()
	want := []string{
		"second recorded 1 false", "second told trade.paid after 0s <nil>", "first recorded 0 true", "third recorded 0 true",
		"third recorded 0 true", "third recorded 1 false", "third told trade.paid after 0s <nil>",
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("observed %q, want %q", seen, want)
	}
}
