// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// scripted is a shop that answers as the script says, and keeps its own books: a
// payment is booked when the shop has done its work, whatever becomes of the
// answer.
type scripted struct {
	mu      sync.Mutex
	script  func(call int, w http.ResponseWriter, r *http.Request) (booked bool)
	calls   int
	booked  map[string][]string // event ids by order, in the order of booking
	entered int                 // requests that are with the shop now
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	s.mu.Lock()
	s.calls++
	call, script := s.calls, s.script
	s.entered++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.entered--
	}()
	if script(call, w, r) {
		s.book(r)
	}
	return nil
}

func (s *scripted) book(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	no := r.Header.Get(shop.HeaderOutTradeNo)
	s.booked[no] = append(s.booked[no], r.Header.Get(shop.HeaderEventID))
}

func (s *scripted) says(script func(call int, w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

func (s *scripted) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func (s *scripted) of(no string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.booked[no])
}

// accepts, down, login are scripts.
func accepts(_ int, w http.ResponseWriter, _ *http.Request) bool {
	_, _ = io.WriteString(w, "success")
	return true
}

func down(_ int, w http.ResponseWriter, _ *http.Request) bool {
	w.WriteHeader(http.StatusServiceUnavailable)
	return false
}

func login(_ int, w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!DOCTYPE html><title>请登录 Log in</title>")
	return false
}

// newScripted is an office whose shop is scripted.
func newScripted(t *testing.T, l opened, timeout time.Duration) (*office, *scripted) {
	t.Helper()
	o := newOfficeOver(t, l)
	o.close()
	s := &scripted{script: accepts, booked: map[string][]string{}}
	site := *o.site
	site.Handler, site.Timeout = s, timeout
	o.site = &site
	o.close = o.c.Open(o.site)
	return o, s
}

// overdue counts the orders of which something is due now.
func (o *office) overdue(orders []string) (n int) {
	now := o.clock()
	for _, no := range orders {
		if got := o.order(no); !got.TellAt.IsZero() && !got.TellAt.After(now) {
			n++
		}
	}
	return n
}

// waiting counts the orders of which something is to be told by itself.
func (o *office) waiting(orders []string) (n int) {
	for _, no := range orders {
		if got := o.order(no); !got.TellAt.IsZero() {
			n++
		}
	}
	return n
}

// undelivered counts the orders whose events the shop has not accepted all.
func (o *office) undelivered(orders []string) (n int) {
	for _, no := range orders {
		if got := o.order(no); got.Undelivered() {
			n++
		}
	}
	return n
}

// wantBooked fails unless the shop has booked each event of each order, under
// the id that the ledger's journal has, in sequence, and none but for the first
// more than once.
func (o *office) wantBooked(s *scripted, orders []string, again int) {
	o.t.Helper()
	more := 0
	for _, no := range orders {
		h, err := o.ledger.History(o.t.Context(), trade.Key{AppID: "app", OutTradeNo: no})
		if err != nil {
			o.t.Fatal(err)
		}
		var want []string
		for _, e := range h.Events {
			want = append(want, e.ID)
		}
		got := s.of(no)
		more += len(got) - len(want)
		if !slices.Equal(slices.Compact(got), want) {
			o.t.Errorf("%s: booked %q, the journal has %q", no, got, want)
		}
	}
	if more != again {
		o.t.Errorf("%d events were booked again, want %d", more, again)
	}
}

// TestOutageOf72Hours: for three days the shop takes nothing, and people go on
// buying. It is probed, not stormed; once it is back, everything is told, in
// sequence and once. Events of a shop that was down for longer wait for a person.
func TestOutageOf72Hours(t *testing.T) {
	t.Parallel()
	for name, lasts := range map[string]time.Duration{"back after 68 hours": 68 * time.Hour, "back after 80 hours": 80 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, open func() opened) { longOutage(t, open(), lasts) })
		})
	}
}

// longOutage has a shop be down; what it was not told for 72 hours is given up.
func longOutage(t *testing.T, l opened, lasts time.Duration) {
	o, s := newScripted(t, l, 30*time.Second)
	s.says(down)
	var orders []string
	ends := start.Add(lasts)
	for hours := 0; o.clock().Before(ends); hours++ {
		if hours < 30 { // an order an hour; the first of them is oldest
			no := fmt.Sprint("O", hours)
			orders = append(orders, no)
			if err := o.pays(no); !errors.Is(err, shop.ErrRefused) {
				t.Fatalf("%s: %v", no, err)
			}
		}
		o.hourOfOutage(s, orders)
	}
	probes := s.count() - len(orders)
	o.comeBack(s, orders, lasts > 72*time.Hour)
	if most := int(lasts / probeEvery); probes > most {
		t.Errorf("%d deliveries to a shop that was down, at most %d probes", probes, most)
	}
	t.Logf("%d orders, shop down for %s: %d tries meanwhile, then each accepted once, by hand where it was given up", len(orders), lasts, probes)
}

// hourOfOutage lets an hour pass in steps of five minutes, and each step's probes
// end.
func (o *office) hourOfOutage(s *scripted, orders []string) {
	o.t.Helper()
	for range 12 {
		before := s.count()
		o.pass(5 * time.Minute)
		if o.overdue(orders) > 0 {
			o.until("a probe", func() bool { return s.count() > before })
		}
		o.until("the probe is noted", func() bool {
			return o.quiet(s)
		})
	}
}

// quiet reports whether nothing is on its way to the shop.
func (o *office) quiet(s *scripted) bool {
	o.c.mu.Lock()
	flying := len(o.c.flights)
	o.c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return flying == 0 && s.entered == 0
}

// comeBack ends the outage and wants everything accepted: by itself, or for what
// was given up, by hand.
func (o *office) comeBack(s *scripted, orders []string, dead bool) {
	o.t.Helper()
	s.says(accepts)
	for tries := 0; o.waiting(orders) > 0; tries++ {
		if tries > 500 {
			o.t.Fatalf("%d orders are still undelivered", o.undelivered(orders))
		}
		before := s.count()
		o.pass(2 * time.Minute)
		if o.overdue(orders) > 0 {
			o.until("a delivery", func() bool { return s.count() > before })
		}
		o.until("the deliveries end", func() bool { return o.quiet(s) })
	}
	left := o.undelivered(orders)
	if dead && left == 0 || !dead && left > 0 {
		o.t.Errorf("%d orders were given up", left)
	}
	for _, no := range orders {
		if got := o.order(no); got.Undelivered() {
			page, err := o.ledger.Undelivered(o.t.Context(), got.Key())
			if err != nil || !got.Dead() {
				o.t.Fatalf("%s: %v, %+v", no, err, got)
			}
			if _, err := o.c.Redeliver(o.t.Context(), page[0].Event.ID); err != nil {
				o.t.Errorf("%s, by hand: %v", no, err)
			}
		}
	}
	o.wantBooked(s, orders, 0)
}

// TestFlappingShop takes every other call, at random. Two events of each order
// come in sequence, and none is lost or booked twice.
func TestFlappingShop(t *testing.T) {
	t.Parallel()
	overEach(t, flappingShop)
}

func flappingShop(t *testing.T, open func() opened) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	o, s := newScripted(t, open(), 30*time.Second)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 1))
	s.says(func(call int, w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		up := rng.IntN(2) == 0
		mu.Unlock()
		if up {
			return accepts(call, w, r)
		}
		return down(call, w, r)
	})
	var orders []string
	for i := range 60 {
		no := fmt.Sprint("O", i)
		orders = append(orders, no)
		_ = o.pays(no) // accepted or refused, as it comes
		if i%2 == 0 {
			e := o.statement(no, trade.StatusFinished, "T"+no)
			out := o.record(e)
			_ = o.c.Deliver(t.Context(), &out, &e)
		}
	}
	for tries := 0; o.waiting(orders) > 0; tries++ {
		if tries > 1000 {
			t.Fatalf("%d orders are still undelivered", o.undelivered(orders))
		}
		before := s.count()
		o.pass(time.Minute)
		if o.overdue(orders) > 0 {
			o.until("a delivery", func() bool { return s.count() > before })
		}
		o.until("the deliveries end", func() bool { return o.quiet(s) })
	}
	o.wantBooked(s, orders, 0)
	t.Logf("90 events to a shop that takes every other call: %d calls, each booked once", s.count())
}

// TestLostAnswers: the shop has booked the payment, and its answer is lost. The
// event is told again under the same id, which is how a shop knows.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(w http.ResponseWriter, r *http.Request){
		"the connection breaks":           func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"the answer comes too late":       func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"the shop fails after its work":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"a proxy answers in its place":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"the shop sends its visitor away": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, open func() opened) {
				o, s := newScripted(t, open(), 300*time.Millisecond)
				s.says(func(_ int, w http.ResponseWriter, r *http.Request) bool {
					s.book(r)
					lose(w, r)
					return false
				})
				if err := o.pays("A1"); !errors.Is(err, shop.ErrRefused) {
					t.Fatalf("%v", err)
				}
				s.says(accepts)
				o.pass(6 * time.Second)
				o.until("it is told again", func() bool { got := o.order("A1"); return !got.Undelivered() })
				o.wantBooked(s, []string{"A1"}, 1)
			})
		})
	}
}

// TestNoAcceptance: answers that a shop's framework or a proxy gives in the shop's
// place for three days in a row are never taken for an acceptance.
func TestNoAcceptance(t *testing.T) {
	t.Parallel()
	overEach(t, noAcceptance)
}

func noAcceptance(t *testing.T, open func() opened) {
	o, s := newScripted(t, open(), 300*time.Millisecond)
	scripts := []func(int, http.ResponseWriter, *http.Request) bool{
		login, down,
		func(_ int, w http.ResponseWriter, _ *http.Request) bool { // an app of one page has one for every path
			_, _ = io.WriteString(w, "<!doctype html><div id=app></div>")
			return false
		},
		func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Location", "/login")
			w.WriteHeader(http.StatusFound)
			return false
		},
		func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, "failure")
			return false
		},
		func(_ int, _ http.ResponseWriter, r *http.Request) bool { // it hangs
			<-r.Context().Done()
			return false
		},
	}
	s.says(scripts[0])
	if err := o.pays("A1"); !errors.Is(err, shop.ErrRefused) {
		t.Fatalf("%v", err)
	}
	tries := 1
	for got := o.order("A1"); !got.Dead(); got = o.order("A1") {
		s.says(scripts[tries%len(scripts)])
		tries++
		o.pass(got.TellAt.Sub(o.clock()) + probeEvery)
		o.until("the next refusal is noted", func() bool { return o.order("A1").Refusals == tries })
	}
	if got := s.of("A1"); len(got) != 0 || tries < 25 {
		t.Errorf("booked %q after %d tries", got, tries)
	}
	t.Logf("%d answers in three days, none taken for an acceptance", tries)
}

// TestHangingShop: background deliveries that hang take no more than their share,
// and each new notice still gets its own answer.
func TestHangingShop(t *testing.T) {
	t.Parallel()
	overEach(t, hangingShop)
}

func hangingShop(t *testing.T, open func() opened) {
	o, s := newScripted(t, open(), 2*time.Second)
	s.says(down)
	var orders []string
	for i := range opensAfter - 1 { // not enough to open the circuit
		orders = append(orders, fmt.Sprint("O", i))
		_ = o.pays(orders[i])
	}
	release := make(chan struct{})
	s.says(func(call int, w http.ResponseWriter, r *http.Request) bool {
		if slices.Contains(orders, r.Header.Get(shop.HeaderOutTradeNo)) {
			select {
			case <-release:
			case <-r.Context().Done():
				return false
			}
		}
		return accepts(call, w, r)
	})
	o.pass(10 * time.Second)
	o.until("all of them hang", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.entered == len(orders) })
	for i := range 20 {
		if err := o.pays(fmt.Sprint("L", i)); err != nil {
			t.Errorf("a live notice while others hang: %v", err)
		}
	}
	close(release)
	o.until("the others are accepted", func() bool { return o.undelivered(orders) == 0 })
	o.wantBooked(s, orders, 0)
}
