// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
)

// stepDeath is one way to die between receive and acknowledge.
type stepDeath struct {
	step     string // with #n: the n-th time that the process comes to it
	by       string // notice, query or finish: how the payment becomes known
	paid     bool   // what the ledger holds of the order then
	tellings int    // how often the shop was told; -1 where two goroutines race
}

// Commits come in this order: of the attempt to pay, of the evidence, of the mark
// that the shop has accepted, which follows the answer by at most 50 ms.
var stepDeaths = []stepDeath{
	{"stored#1", "notice", false, 0},
	{"synced#1", "notice", false, 0},
	{"attempted", "notice", false, 0},
	{"verified", "notice", false, 0},
	{"stored#2", "notice", false, 0},
	{"synced#2", "notice", true, 0},
	{"recorded", "notice", true, 0},
	{"telling", "notice", true, 0},
	{"told", "notice", true, 1},
	{"accepted", "notice", true, 1},
	{"answering", "notice", true, 1},
	{"stored#3", "notice", true, 1},
	{"synced#3", "notice", true, 1},
	{"answered", "query", false, 0},
	{"stored#2", "query", false, 0},
	{"synced#2", "query", true, 0},
	{"recorded", "query", true, 0},
	{"telling", "query", true, 0},
	{"told", "query", true, 1},
	{"accepted", "query", true, 1},
	{"answering", "query", true, -1},
	{"stored#2", "finish", false, 0}, // one notice, two events
	{"synced#2", "finish", true, 0},
	{"telling#2", "finish", true, 1},
	{"told#2", "finish", true, 2},
	{"accepted#2", "finish", true, 2},
	{"answering", "finish", true, 2},
}

// TestEachStep kills the program at each named step between receive and
// acknowledge, so that no window is left to chance, looks at what it has left,
// and has the next one end the payment.
func TestEachStep(t *testing.T) {
	t.Parallel()
	deaths := map[string][]stepDeath{}
	steps := map[string]bool{}
	for _, d := range stepDeaths {
		deaths[d.by] = append(deaths[d.by], d)
		name, _, _ := strings.Cut(d.step, "#")
		steps[name] = true
	}
	wantAllSteps(t, steps)
	for by, list := range deaths {
		t.Run("bolt/"+by, func(t *testing.T) {
			t.Parallel() // much of it is waiting for what is told again after 5 s
			dieAtSteps(newWorld(t), list)
		})
		t.Run("postgres/"+by, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.inDatabase(postgrestest.Start(t))
			dieAtSteps(w, list)
		})
	}
}

func dieAtSteps(w *world, deaths []stepDeath) {
	faults := sandbox.Faults{Switches: sandbox.Switches{NotifyFinished: true, MagicAmounts: true}, Orders: map[string][]sandbox.Fault{}}
	again := 0
	w.use()
	used := w.ledger
	for i, d := range deaths {
		s := &step{world: w, stepDeath: d, no: numbered("D", i)}
		w.ledger = used.copied(w.t, i) // what an earlier one owes would come in between
		if d.by == "finish" {          // the payment's own notice waits until the end's has gone
			faults.Orders[s.no] = []sandbox.Fault{{Name: "notify_out_of_order"}}
			if err := w.gateway.SetFaults(faults); err != nil {
				w.t.Fatal(err)
			}
		}
		w.start(mortal, "ALIPAY_FAILPOINT="+d.step)
		s.buy()
		w.died()
		audit := newAuditor(w)
		audit.audit(func(l ledger.Ledger) { s.wantLeft(audit, l) })
		w.start(program)
		s.end()
		w.kill()
		audit.audit(func(l ledger.Ledger) { s.wantEnded(audit, l) })
		h := w.shop.of(s.no)
		again += h.tellings - len(h.ids)
	}
	w.t.Logf("killed at %d places between receive and acknowledge: nothing acknowledged was lost, %d events were told again under their id", len(deaths), again)
}

// use leaves a ledger to begin with in which nothing is left to do or to make: the
// keys that the program keeps with it are there, and a payment is told.
func (w *world) use() {
	w.t.Helper()
	w.start(program)
	s := &step{world: w, no: "USED"}
	s.buy()
	until(w.t, "the notice is acknowledged", func() bool { return len(w.notices.acknowledged()) == 1 })
	w.stop()
}

type step struct {
	*world
	stepDeath
	no     string
	opened bool // the buyer has come to the cashier, and paid
}

// buy goes a buyer's way as far as the program lives.
func (s *step) buy() {
	s.t.Helper()
	amount := "88.88"
	if s.by == "query" {
		amount = lost
	}
	s.shop.offer(s.no, amount)
	if status, cashier, err := s.get(s.url + "/pay?out_trade_no=" + s.no); err == nil && status == http.StatusSeeOther {
		s.pay(cashier)
	}
	if s.opened && s.by == "query" {
		_, _, _ = s.get(s.back()) // the program may die before it answers
	}
}

func (s *step) pay(cashier string) {
	s.t.Helper()
	s.opened = true
	s.gateway.Open(cashier)
	if err := s.gateway.Pay(s.no, 1); err != nil {
		s.t.Fatal(err)
	}
	if s.by == "finish" {
		if err := s.gateway.Finish(s.no); err != nil {
			s.t.Fatal(err)
		}
	}
}

// back is the buyer's way back.
func (s *step) back() string {
	s.t.Helper()
	return must(s.gateway.Trade(s.no))(s.t).ReturnURL
}

// wantLeft holds what a dead program has left against what the step says.
func (s *step) wantLeft(a *auditor, l ledger.Ledger) {
	s.t.Helper()
	h := s.shop.of(s.no)
	if s.step != "stored#1" {
		if o := s.order(l, s.no); o.Paid != s.paid {
			s.t.Errorf("%s by %s: the ledger has %+v", s.step, s.by, o)
		}
	}
	if s.tellings >= 0 && h.tellings != s.tellings {
		s.t.Errorf("%s by %s: the shop was told %d times, want %d", s.step, s.by, h.tellings, s.tellings)
	}
	s.wantAcknowledgedKept(a, l)
}

func (s *step) wantAcknowledgedKept(a *auditor, l ledger.Ledger) {
	s.t.Helper()
	for _, n := range s.notices.acknowledged() {
		if n.no == s.no {
			a.wantKept(l, n)
		}
	}
}

// end has the next program end the payment.
func (s *step) end() {
	s.t.Helper()
	if !s.opened {
		status, cashier, err := s.get(s.url + "/pay?out_trade_no=" + s.no)
		if err != nil || status != http.StatusSeeOther {
			s.t.Fatalf("%s by %s: /pay was answered %d, %v", s.step, s.by, status, err)
		}
		s.pay(cashier)
	}
	if s.by == "query" {
		if status, _, err := s.get(s.back()); err != nil || status != http.StatusOK {
			s.t.Errorf("%s by %s: the return was answered %d, %v", s.step, s.by, status, err)
		}
	}
	s.again()
	next := time.Now().Add(resendEvery)
	until(s.t, "all notices are acknowledged, and the shop has accepted the payment", func() bool {
		if time.Now().After(next) { // on a busy machine one may have been answered failure
			s.again()
			next = time.Now().Add(resendEvery)
		}
		s.notices.mu.Lock()
		defer s.notices.mu.Unlock()
		return len(s.notices.pending) == 0 && s.shop.of(s.no).accepted == s.events()
	})
}

// resendEvery stands for Alipay's four minutes.
const resendEvery = 10 * time.Second

func (s *step) events() int {
	if s.by == "finish" {
		return 2
	}
	return 1
}

func (s *step) wantEnded(a *auditor, l ledger.Ledger) {
	s.t.Helper()
	h := s.shop.of(s.no)
	if o := s.order(l, s.no); !o.Paid || o.Sequence != s.events() || a.sequences[s.no] != o.Sequence {
		s.t.Errorf("%s by %s: in the end the ledger has %+v", s.step, s.by, o)
	}
	if h.tellings > 2*s.events() { // one death, one more time each
		s.t.Errorf("%s by %s: %d events were told %d times", s.step, s.by, s.events(), h.tellings)
	}
	s.wantAcknowledgedKept(a, l)
}

// wantAllSteps fails unless the program dies at each step that it knows.
func wantAllSteps(t *testing.T, died map[string]bool) {
	t.Helper()
	const file = "../../caddymodule/internal/failpoint/failpoint.go"
	all := regexp.MustCompile(`(?m)^\t[A-Z]\w+ += "(\w+)"`).FindAllSubmatch(must(os.ReadFile(file))(t), -1)
	if len(all) < 10 {
		t.Fatalf("%s names %d steps", file, len(all))
	}
	for _, name := range all {
		if !died[string(name[1])] {
			t.Errorf("no program dies at %s", name[1])
		}
	}
}

// TestFailpointsCostNothing: the program as users get it has none.
func TestFailpointsCostNothing(t *testing.T) {
	for binary, want := range map[string]bool{must(program())(t): false, must(mortal())(t): true} {
		if got := bytes.Contains(must(os.ReadFile(binary))(t), []byte("ALIPAY_FAILPOINT")); got != want {
			t.Errorf("%s can be told where to die: %v", binary, got)
		}
	}
}
