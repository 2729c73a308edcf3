// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// TestSoak buys at random under every fault of the gateway and with a shop that
// now and then fails, then holds the books against each other: what the gateway
// took, what the ledger proves and what the shop was told, in fen. SOAK is how
// long it buys (default 3s), SOAK_SEED repeats a run's choices.
func TestSoak(t *testing.T) {
	s := newSoak(t)
	var workers sync.WaitGroup
	for n := range 4 {
		rng := rand.New(rand.NewPCG(s.seed, uint64(n)))
		workers.Go(func() {
			for i := 0; time.Now().Before(s.ends); i++ {
				s.buy(rng, fmt.Sprintf("S%d_%d", n, i))
			}
		})
	}
	workers.Wait()
	s.settle()
	s.audit()
}

type soak struct {
	*world
	seed uint64
	ends time.Time

	mu     sync.Mutex
	faults map[string][]sandbox.Fault
	orders []string
	bought map[string]trade.Amount // as the shop offered it
}

func newSoak(t *testing.T) *soak {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SOAK_SEED"); text != "" {
		seed = must(strconv.ParseUint(text, 10, 64))
	}
	lasts := 3 * time.Second
	if text := os.Getenv("SOAK"); text != "" {
		lasts = must(time.ParseDuration(text))
	}
	t.Logf("SOAK_SEED=%d", seed)
	s := &soak{
		world: newWorld(t, ""), seed: seed, ends: time.Now().Add(lasts),
		faults: map[string][]sandbox.Fault{}, bought: map[string]trade.Amount{},
	}
	var calls int
	s.Shop.setDeliver(func(w http.ResponseWriter, _ *received) { // a shop that fails one time in eight
		s.mu.Lock()
		calls++
		fails := calls%8 == 0
		s.mu.Unlock()
		if fails {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	return s
}

// buy goes one buyer's way, as far as chance lets it.
func (s *soak) buy(rng *rand.Rand, no string) {
	amount := trade.Amount(rng.Int64N(1_000_000) + 1)
	catalogue := sandbox.FaultCatalogue()
	fault := catalogue[rng.IntN(len(catalogue))].Name
	s.mu.Lock()
	if rng.IntN(4) > 0 {
		s.faults[no] = []sandbox.Fault{{Name: fault, Delay: sandbox.Delay(200 * time.Millisecond)}}
	}
	s.orders, s.bought[no] = append(s.orders, no), amount
	err := s.Gateway.SetFaults(sandbox.Faults{Orders: s.faults, Switches: sandbox.Switches{NotifyClosed: true, NotifyFinished: true, NotifyRefund: true}})
	s.mu.Unlock()
	if err != nil {
		s.t.Error(err)
		return
	}
	s.Shop.offer(no, amount.String())
	s.Gateway.Open(s.pay(no).String())
	switch rng.IntN(8) {
	case 0: // leaves
		return
	case 1: // comes too late
		if s.Gateway.CloseTrade(no) == nil && rng.IntN(2) == 0 {
			_ = s.Gateway.Pay(no, 1) // only paid_after_close lets him
		}
	default:
		_ = s.Gateway.Pay(no, 1) // a fault may forbid it; the books will tell
	}
	if rng.IntN(2) == 0 {
		s.comeBack(no)
	}
}

// comeBack is the buyer's return, if the gateway sends him back.
func (s *soak) comeBack(no string) {
	tr, err := s.Gateway.Trade(no)
	if err != nil || tr.ReturnURL == "" {
		return
	}
	if u, err := url.Parse(tr.ReturnURL); err == nil {
		s.get(u.RequestURI())
	}
}

// settle ends the faults and lets everyone who paid come back once more.
func (s *soak) settle() {
	if err := s.Gateway.SetFaults(sandbox.Faults{Switches: sandbox.DefaultSwitches()}); err != nil {
		s.t.Fatal(err)
	}
	s.Gateway.Wait()
	for _, no := range s.orders {
		s.comeBack(no)
	}
}

// books are what the shop was told of one order.
type books struct {
	paid   trade.Amount
	closed bool
	next   int
	ids    map[string]string // sequence -> event id
}

// told reads the shop's side: every sequence once, under one id.
func (s *soak) told() map[string]*books {
	told := map[string]*books{}
	for _, d := range s.Shop.deliveries() {
		no, seq := d.Header.Get("X-Alipay-Trade-Out-Trade-No"), d.Header.Get("X-Alipay-Trade-Sequence")
		b := told[no]
		if b == nil {
			b = &books{next: 1, ids: map[string]string{}}
			told[no] = b
		}
		id := d.Header.Get("X-Alipay-Trade-Event-Id")
		if known, again := b.ids[seq]; again {
			if known != id {
				s.t.Errorf("%s: sequence %s came as %s and as %s", no, seq, known, id)
			}
			continue
		}
		if seq != strconv.Itoa(b.next) {
			s.t.Errorf("%s: sequence %s after %d events", no, seq, b.next-1)
		}
		b.ids[seq], b.next = id, b.next+1
		switch event := d.Header.Get("X-Alipay-Trade-Event"); event {
		case "trade.paid":
			b.paid = must(trade.ParseAmount(d.Header.Get("X-Alipay-Trade-Total-Amount")))
		case "trade.closed":
			b.closed = true
		}
	}
	return told
}

// audit holds the books against each other. Contradicting faults (paid after the
// close, paid twice) end as held and are left out of the sum that must be told,
// never of what must not be.
func (s *soak) audit() {
	owed := map[string]trade.Amount{}
	var paid trade.Amount
	for _, no := range s.orders {
		tr, err := s.Gateway.Trade(no)
		if err != nil || tr.GmtPayment == "" {
			continue
		}
		if f := s.faults[no]; len(f) > 0 && (strings.HasPrefix(f[0].Name, "paid_") || tr.GmtClose != "" && tr.TradeStatus == "TRADE_CLOSED") {
			continue
		}
		owed[no] = s.bought[no]
		paid += s.bought[no]
	}
	until(s.t, "the shop is told of everything that was paid", func() bool {
		told := s.told()
		for no := range owed {
			if told[no] == nil || told[no].paid == 0 {
				return false
			}
		}
		return true
	})
	for no, b := range s.told() {
		tr, err := s.Gateway.Trade(no)
		if b.paid > 0 && (err != nil || tr.GmtPayment == "" || b.paid != s.bought[no] || tr.TotalAmount != b.paid.String()) {
			s.t.Errorf("%s: told %s as paid; at the gateway: %s %s %q", no, b.paid, tr.TradeStatus, tr.TotalAmount, tr.GmtPayment)
		}
		if b.paid > 0 && b.closed {
			s.t.Errorf("%s: told as paid and as closed unpaid", no)
		}
	}
	s.t.Logf("%d orders, %d paid, %s yuan, equal at the gateway and the shop", len(s.orders), len(owed), paid)
	if len(owed) == 0 {
		s.t.Error("nobody paid: this test has shown nothing")
	}
}
