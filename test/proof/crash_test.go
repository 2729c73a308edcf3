// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

// amounts choose what goes wrong with an order's notices (sandbox.FaultCatalogue):
// half of them nothing, an eighth each never sent, sent twice at once, in GBK,
// with empty values.
var amounts = []string{"88.88", "0.01", "5.00", "12345.67", "666.01", "666.03", "666.07", "666.09"}

const lost = "666.01" // the notice never comes: the payment is learnt by asking

// TestCrash kills the program at random moments while buyers pay, notices come in
// and returns ask. What was acknowledged is in the ledger, and what was paid is
// told, at least once and under one id.
func TestCrash(t *testing.T) {
	t.Run("bolt", func(t *testing.T) { crash(newWorld(t), 50) })
	// once in a while the database server dies with it
	t.Run("postgres", func(t *testing.T) {
		w := newWorld(t)
		w.inDatabase(postgrestest.Start(t))
		crash(w, 15)
	})
}

func crash(w *world, kills uint64) {
	kills = fewer(number(w.t, "PROOF_KILLS", kills), 10)
	seed := number(w.t, "PROOF_SEED", uint64(time.Now().UnixNano()))
	w.t.Logf("PROOF_SEED=%d PROOF_KILLS=%d", seed, kills)
	if err := w.gateway.SetFaults(sandbox.Faults{Switches: sandbox.Switches{NotifyFinished: true, NotifyRefund: true, MagicAmounts: true}}); err != nil {
		w.t.Fatal(err)
	}
	first, refused := 0, 0
	w.shop.setRefuse(func(d *delivery) bool { // the lock is held; one event in eight is refused once
		if d.first {
			first++
		}
		if d.first && first%8 == 0 {
			refused++
			return true
		}
		return false
	})
	s := &stream{world: w, audit: newAuditor(w), seed: seed, paid: map[string][]string{}, checked: map[string]bool{}}
	rng := rand.New(rand.NewPCG(seed, 0))
	must(program())(w.t)
	s.begin()
	began := time.Now()
	for k := range kills {
		w.start(program)
		w.again()
		<-time.After(time.Duration(rng.Int64N(int64(400 * time.Millisecond)))) // the random moment
		w.perish(k%5 == 4)
		s.check(k%100 == 99)
	}
	took := time.Since(began)
	w.start(program)
	s.end()
	s.settle()
	w.kill()
	s.check(true)
	s.report(kills, took, refused)
}

// perish kills the program, after the server of its database if there is one and
// withServer says so.
func (w *world) perish(withServer bool) {
	w.t.Helper()
	if d, ok := w.ledger.(*database); ok && withServer {
		defer d.crash(w.t)()
	}
	w.kill()
}

// stream is buyers who never stop.
type stream struct {
	*world
	audit *auditor
	seed  uint64

	stop    chan struct{}
	buyers  sync.WaitGroup
	mu      sync.Mutex
	paid    map[string][]string // at the gateway, with the events that the shop has to hear of
	checked map[string]bool     // acknowledged or proved, and found in the ledger
	returns atomic.Int64
}

func (s *stream) begin() {
	s.stop = make(chan struct{})
	for n := range 8 {
		rng := rand.New(rand.NewPCG(s.seed, uint64(n+1)))
		s.buyers.Go(func() {
			for i := 0; s.goesOn(); i++ {
				s.buy(rng, fmt.Sprintf("C%d_%d", n, i), amounts[rng.IntN(len(amounts))])
			}
		})
	}
}

func (s *stream) goesOn() bool {
	select {
	case <-s.stop:
		return false
	default:
		return true
	}
}

// end lets the buyers finish what they have begun.
func (s *stream) end() {
	close(s.stop)
	s.buyers.Wait()
}

// buy goes one buyer's way. He tries again whenever nobody answers.
func (s *stream) buy(rng *rand.Rand, no, amount string) {
	s.shop.offer(no, amount)
	cashier := s.insist(s.url+"/pay?out_trade_no="+no, http.StatusSeeOther)
	s.gateway.Open(cashier)
	if err := s.gateway.Pay(no, 1); err != nil {
		s.t.Errorf("%s: %v", no, err)
		return
	}
	events := []string{"trade.paid"}
	if amount != lost {
		events = append(events, s.later(no, rng.IntN(4))...)
	}
	s.mu.Lock()
	s.paid[no] = events
	s.mu.Unlock()
	if amount == lost || rng.IntN(3) == 0 {
		tr, err := s.gateway.Trade(no)
		if err != nil {
			s.t.Error(err)
			return
		}
		s.insist(tr.ReturnURL, http.StatusOK)
		s.returns.Add(1)
	}
}

// later is what becomes of a payment: nothing, its end, or a refund of a fen.
func (s *stream) later(no string, what int) (events []string) {
	switch what {
	case 0:
		if err := s.gateway.Finish(no); err != nil {
			s.t.Errorf("%s: %v", no, err)
		}
		return []string{"trade.finished"}
	case 1:
		a := s.gateway.Call("alipay.trade.refund", sandboxtest.Biz{"out_trade_no": no, "refund_amount": "0.01", "out_request_no": "R" + no})
		if a.Text("code") != "10000" {
			s.t.Errorf("%s: %s", no, a.Raw)
		}
		return []string{"refund.succeeded"}
	}
	return nil
}

// insist opens a page until it is answered as it should be.
func (s *stream) insist(target string, want int) (location string) {
	for tries := 0; ; tries++ {
		status, location, err := s.get(target)
		switch {
		case err == nil && status == want:
			return location
		case err == nil && status < 500:
			u, _ := url.Parse(target)
			s.t.Errorf("%s was answered %d", u.Path, status)
			return location
		case tries > 20_000:
			s.t.Errorf("nobody answers: %d, %v", status, err)
			return ""
		}
		<-time.After(5 * time.Millisecond)
	}
}

// check looks at what a dead program has left: every order that was acknowledged
// or proved since the last time or, with all, ever.
func (s *stream) check(all bool) {
	s.t.Helper()
	acknowledged := s.notices.acknowledged() // before the ledger is read
	var proved []string
	s.mu.Lock()
	for no := range s.paid {
		if s.shop.hasProof(no) && (all || !s.checked[no]) {
			proved = append(proved, no)
		}
	}
	s.mu.Unlock()
	s.audit.audit(func(l ledger.Ledger) {
		for _, no := range proved {
			if o := s.order(l, no); !o.Paid {
				s.t.Errorf("%s was shown as paid to its buyer; the ledger has %+v", no, o)
			}
			s.checked[no] = true
		}
		for id, n := range acknowledged {
			if all || !s.checked[id] {
				s.audit.wantKept(l, n)
				s.checked[id] = true
			}
		}
	})
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// settle waits until the shop has accepted what was paid.
func (s *stream) settle() {
	s.t.Helper()
	next := time.Now()
	until(s.t, "the shop has accepted everything that was paid", func() bool {
		if time.Now().After(next) { // Alipay sends again what was not acknowledged
			s.again()
			next = time.Now().Add(2 * time.Second)
		}
		for no, events := range s.paid {
			if s.shop.of(no).accepted < len(events) {
				return false
			}
		}
		return true
	})
}

func (s *stream) report(kills uint64, took time.Duration, refused int) {
	told, again := 0, 0
	for no, events := range s.paid {
		h := s.shop.of(no)
		told += len(h.ids)
		again += h.tellings - len(h.ids)
		if !slices.Equal(h.types, events) {
			s.t.Errorf("%s: the shop was told %v, want %v", no, h.types, events)
		}
	}
	if n := s.shop.orders(); n != len(s.paid) {
		s.t.Errorf("the shop was told of %d orders, %d were paid", n, len(s.paid))
	}
	s.t.Logf("killed %d times in %s: %d orders paid; %d notices acknowledged, all of them in the ledger after each kill, and %d sent in vain; "+
		"%d returns; %d events told, each under one id, without a gap and in sequence, %d of them again (%d were refused once); the ledger sound each time",
		kills, took.Round(time.Second), len(s.paid), len(s.notices.acknowledged()), s.notices.failures, s.returns.Load(), told, again, refused)
	if uint64(len(s.paid)) < kills {
		s.t.Error("fewer orders than kills: this test has shown little")
	}
}
