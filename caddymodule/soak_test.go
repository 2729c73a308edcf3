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
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// TestSoak buys and refunds at random under every fault of the gateway and with a
// shop that now and then fails, lets a person decide what is held, and then holds
// the books against each other: what the gateway took and gave back, what the
// ledger proves and what the shop was told, in fen, no order excepted. SOAK is how
// long it buys (default 3s), SOAK_SEED repeats a run's choices.
func TestSoak(t *testing.T) {
	s := newSoak(t)
	pace := time.NewTicker(s.lasts/mostSold + 1)
	defer pace.Stop()
	var workers sync.WaitGroup
	for n := range 4 {
		rng := rand.New(rand.NewPCG(s.seed, uint64(n)))
		workers.Go(func() {
			for i := 0; time.Now().Before(s.ends); i++ {
				s.buy(rng, fmt.Sprintf("S%d_%d", n, i))
				<-pace.C
			}
		})
	}
	workers.Wait()
	s.refunders.Wait()
	s.settle()
	s.audit()
}

// mostSold bounds the orders of a soak, however long it takes: all that was ever
// told is kept in memory, the gateway remembers 100,000, and each is asked about in
// the end.
const mostSold = 80_000

// mostFaulty is how many orders have a fault at a time: the gateway takes no more,
// and what is older has had its turn.
const mostFaulty = 8000

type soak struct {
	*desk
	seed  uint64
	lasts time.Duration
	ends  time.Time

	mu      sync.Mutex
	faults  map[string][]sandbox.Fault
	orders  []string
	bought  map[string]trade.Amount      // as the shop offered it
	wanted  map[string]map[string]string // refunds that were taken on: order, number, amount
	byHand  map[string]bool              // somebody has refunded by hand
	decided map[string]int               // decisions, by what was decided about what

	refunders sync.WaitGroup
	places    chan struct{} // for refunders
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
		desk: newDesk(t), seed: seed, lasts: lasts, ends: time.Now().Add(lasts), places: make(chan struct{}, 16),
		faults: map[string][]sandbox.Fault{}, bought: map[string]trade.Amount{},
		wanted: map[string]map[string]string{}, byHand: map[string]bool{}, decided: map[string]int{},
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
	fault, way := catalogue[rng.IntN(len(catalogue))].Name, rng.IntN(8)
	if way == 1 && rng.IntN(2) == 0 { // a buyer who comes too late and pays nevertheless
		fault = "paid_after_close"
	}
	s.mu.Lock()
	if rng.IntN(4) > 0 {
		s.faults[no] = []sandbox.Fault{{Name: fault, Delay: sandbox.Delay(200 * time.Millisecond)}}
	}
	odd := len(s.faults[no]) > 0 && strings.HasPrefix(fault, "paid_")
	s.orders, s.bought[no] = append(s.orders, no), amount
	if len(s.orders) > mostFaulty {
		delete(s.faults, s.orders[len(s.orders)-mostFaulty])
	}
	err := s.Gateway.SetFaults(sandbox.Faults{Orders: s.faults, Switches: sandbox.Switches{NotifyClosed: true, NotifyFinished: true, NotifyRefund: true}})
	s.mu.Unlock()
	if err != nil {
		s.t.Error(err)
		return
	}
	s.Shop.offer(no, amount.String())
	s.Gateway.Open(s.pay(no).String())
	switch way {
	case 0: // leaves
		return
	case 1: // comes too late
		s.late(rng, no)
	default:
		_ = s.Gateway.Pay(no, 1) // a fault may forbid it; the books will tell
	}
	if rng.IntN(2) == 0 {
		s.comeBack(no)
	}
	s.giveBack(rng, no, amount, odd)
}

// late is a buyer who logs in, leaves, and pays after the order was closed, if he
// is let.
func (s *soak) late(rng *rand.Rand, no string) {
	if s.Gateway.Pay(no, 3) == nil { // who has no money, but has logged in
		s.t.Errorf("%s was paid without money", no)
	}
	if s.Gateway.CloseTrade(no) == nil && rng.IntN(4) > 0 {
		_ = s.Gateway.Pay(no, 1) // only paid_after_close lets him
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

// giveBack lets the shop's staff refund an order, in full, in parts or twice over,
// or somebody by hand in Alipay's console, or Alipay end the time for it. Nobody
// refunds by hand what is held and waits for a person's decision.
func (s *soak) giveBack(rng *rand.Rand, no string, amount trade.Amount, odd bool) {
	parts := make([]trade.Amount, rng.IntN(4)) // none for one in four
	for i := range parts {
		if parts[i] = amount; rng.IntN(3) > 0 {
			parts[i] = trade.Amount(rng.Int64N(int64(amount)) + 1)
		}
	}
	hand, finish := rng.IntN(10) == 0 && !odd, rng.IntN(10) == 0
	s.refunders.Go(func() {
		s.places <- struct{}{}
		defer func() { <-s.places }()
		for i, part := range parts {
			s.refund(no, fmt.Sprintf("R%d", i), part.String())
		}
		if hand {
			s.refundByHand(no)
		}
		if finish {
			_ = s.Gateway.Finish(no) // only what is paid
		}
	})
}

// refund asks for a refund, and notes it if it was taken on.
func (s *soak) refund(no, number, amount string) {
	a := s.ask("POST", "/orders/"+no+"/refunds", fmt.Sprintf(`{"out_request_no":%q,"refund_amount":%q}`, number, amount))
	switch a.Status {
	case http.StatusOK, http.StatusAccepted:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.wanted[no] == nil {
			s.wanted[no] = map[string]string{}
		}
		s.wanted[no][number] = amount
	case http.StatusConflict, http.StatusUnprocessableEntity: // not paid, too much, refused
	default:
		s.t.Errorf("a refund of %s was answered %d %s", no, a.Status, a.Body)
	}
}

// refundByHand gives back one fen in Alipay's console.
func (s *soak) refundByHand(no string) {
	resp, err := http.PostForm(s.Gateway.GatewayURL(), s.Gateway.Form("alipay.trade.refund", sandboxtest.Biz{
		"out_trade_no": no, "out_request_no": "H", "refund_amount": "0.01",
	}, nil))
	if err != nil {
		s.t.Error(err)
		return
	}
	resp.Body.Close() // whatever it says: the books will tell
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byHand[no] = true
}
