// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
)

// result is all that becomes of an order that does not depend on when.
type result struct {
	name   string // the kind of order
	events string
	amount string
}

// orders are one of each kind: paid with a notice, refused once by the shop, with
// a lost notice and a return, ended before its payment's notice came.
func (w *world) orders(round string) (of map[string]string) {
	w.t.Helper()
	of = map[string]string{}
	for kind, amount := range map[string]string{"noticed": "88.88", "refused once": "5.00", "asked about": lost, "finished": "7.00"} {
		no := fmt.Sprintf("%s_%d", round, len(of))
		of[kind] = no
		w.shop.offer(no, amount)
		status, cashier, err := w.get(w.url + "/pay?out_trade_no=" + no)
		if err != nil || status != http.StatusSeeOther {
			w.t.Fatalf("/pay was answered %d, %v", status, err)
		}
		w.gateway.Open(cashier)
	}
	return of
}

// settle has the buyers pay and come back, and Alipay send again what was not
// acknowledged, and waits for the outcome.
func (w *world) settle(of map[string]string) (results []result) {
	w.t.Helper()
	for kind, no := range of {
		if err := w.gateway.Pay(no, 1); err != nil {
			w.t.Fatalf("%s: %v", no, err)
		}
		switch kind {
		case "asked about":
			if status, _, err := w.get(must(w.gateway.Trade(no))(w.t).ReturnURL); err != nil || status != http.StatusOK {
				w.t.Errorf("%s: the return was answered %d, %v", no, status, err)
			}
		case "finished":
			if err := w.gateway.Finish(no); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	w.gateway.Wait()
	w.again()
	w.gateway.Wait()
	for _, kind := range []string{"noticed", "refused once", "asked about", "finished"} {
		no := of[kind]
		events := 1
		if kind == "finished" {
			events = 2
		}
		until(w.t, "the shop has accepted "+no, func() bool { return w.shop.of(no).accepted == events })
		h := w.shop.of(no)
		tr := must(w.gateway.Trade(no))(w.t)
		if paid, err := time.Parse(time.RFC3339, h.paidAt); err != nil || h.paidAt != tr.GmtPayment || h.paidAt[19:] != "+08:00" {
			w.t.Errorf("%s was paid at %s (%s, %v), the shop was told %s", no, tr.GmtPayment, paid, err, h.paidAt)
		}
		results = append(results, result{kind, fmt.Sprint(h.types), h.amount})
	}
	return results
}

// wantSame fails unless all rounds have come to the same.
func wantSame(t *testing.T, rounds map[string][]result, usual string) {
	t.Helper()
	for name, got := range rounds {
		for i, r := range got {
			if r != rounds[usual][i] {
				t.Errorf("%s: %+v, as usual %+v", name, r, rounds[usual][i])
			}
		}
	}
}

func newClockWorld(t *testing.T) *world {
	w := newWorld(t)
	w.site = "expire 3h" // longer than the clock is wrong
	if err := w.gateway.SetFaults(sandbox.Faults{Switches: sandbox.Switches{NotifyFinished: true, MagicAmounts: true}}); err != nil {
		t.Fatal(err)
	}
	w.shop.setRefuse(func(d *delivery) bool { return d.first && w.shop.prices[d.no] == "5.00" })
	return w
}

// TestWrongZone: in whatever zone the program believes to be, payments come to
// the same, and times are Alipay's.
func TestWrongZone(t *testing.T) {
	w := newClockWorld(t)
	rounds := map[string][]result{}
	zones := []string{"Asia/Shanghai", "UTC", "Pacific/Kiritimati", "America/St_Johns", "Etc/GMT+12", "No/Where"}
	for i, zone := range zones {
		w.ledger = boltFile(w.path(fmt.Sprint(i, ".db")))
		w.start(program, "TZ="+zone)
		rounds[zone] = w.settle(w.orders(fmt.Sprint("Z", i)))
		w.kill()
	}
	wantSame(t, rounds, "Asia/Shanghai")
	t.Logf("%d zones, %d orders of four kinds in each: the same outcomes, times in +08:00 throughout", len(zones), len(rounds["UTC"]))
}

// TestClockJumps: the program's clock jumps by an hour, forth and back, between
// the cashier and the payment, and the outcome is the usual.
func TestClockJumps(t *testing.T) {
	w := newClockWorld(t)
	clock := w.path("clock")
	set := func(wrong string) {
		if err := os.WriteFile(clock+".new", []byte(wrong), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(clock+".new", clock); err != nil {
			t.Fatal(err)
		}
	}
	set("0s")
	w.start(mortal, "ALIPAY_CLOCK="+clock)
	rounds := map[string][]result{"as usual": w.settle(w.orders("U"))}
	var owed []map[string]string
	jumps := []string{"1h", "0s", "-1h", "0s", "1h", "-1h", "1h", "-1h", "0s"}
	for i, to := range jumps {
		name := fmt.Sprintf("J%d", i)
		of := w.orders(name) // at the cashier before the jump, paid after it
		set(to)
		rounds[name] = w.settle(of)
		owed = append(owed, of)
	}
	audit := newAuditor(w)
	w.kill()
	audit.audit(func(l ledger.Ledger) {
		for _, of := range owed {
			for kind, no := range of {
				if o := w.order(l, no); !o.Paid || o.Contradicted || o.Sequence != len(w.shop.of(no).ids) {
					t.Errorf("%s (%s): the ledger has %+v", no, kind, o)
				}
			}
		}
	})
	wantSame(t, rounds, "as usual")
	t.Logf("%d jumps of the clock, of one or two hours, with %d orders of four kinds under way in each: the same outcomes", len(jumps), len(rounds["as usual"]))
}
