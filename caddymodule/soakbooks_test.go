// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// settle ends the faults, lets everyone who paid come back once more, has Alipay
// asked about everything, and has a person decide what is held, until nothing is
// left open. A person needs longer the longer the shop was open.
func (s *soak) settle() {
	if err := s.Gateway.SetFaults(sandbox.Faults{Switches: sandbox.DefaultSwitches()}); err != nil {
		s.t.Fatal(err)
	}
	s.Shop.setDeliver(nil)
	s.Gateway.Wait()
	for _, no := range s.orders {
		s.comeBack(no)
		if a := s.ask("POST", "/orders/"+no+"/query", ""); a.Status != http.StatusOK {
			s.t.Errorf("asking about %s was answered %d %s", no, a.Status, a.Body)
		}
		if s.byHand[no] { // its notice may have been lost, and Alipay's next try is hours away
			s.ask("GET", "/orders/"+no+"/refunds/H", "")
		}
	}
	for deadline := time.Now().Add(3*time.Minute + s.lasts); ; time.Sleep(200 * time.Millisecond) {
		open := s.decideHeld() + s.askAgain()
		s.Gateway.Wait()
		if open == 0 && s.undelivered() == 0 {
			return
		}
		for _, state := range []string{"undelivered", "dead"} {
			if a := s.ask("POST", "/events/redeliver", `{"limit":500,"state":"`+state+`"}`); a.Status != http.StatusOK {
				s.t.Errorf("telling again was answered %d %s", a.Status, a.Body)
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d statements and refunds are still open, %d orders undelivered", open, s.undelivered())
		}
	}
}

// list reads a whole listing of the API.
func list[T any](s *soak, path, name string) (all []T) {
	s.t.Helper()
	for next := ""; ; {
		a := s.ask("GET", path+"limit=500&cursor="+next, "")
		var page map[string]json.RawMessage
		var items []T
		if err := json.Unmarshal([]byte(a.Body), &page); err != nil || a.Status != http.StatusOK {
			s.t.Fatalf("%d %s: %v", a.Status, a.Body, err)
		}
		if err := json.Unmarshal(page[name], &items); err != nil {
			s.t.Fatal(err)
		}
		if err := json.Unmarshal(page["next_cursor"], &next); err != nil {
			s.t.Fatal(err)
		}
		if all = append(all, items...); next == "" {
			return all
		}
	}
}

type soakHeld struct {
	ID         string
	OutTradeNo string `json:"out_trade_no"`
	Reason     string
	Decision   struct{ Outcome string }
}

// decideHeld is a person who goes through what is held. He believes Alipay's
// answers: of the statements about what came too late he accepts the last one or
// has it given back, and dismisses the rest; then he accepts what waited for that.
// It returns how many were there.
func (s *soak) decideHeld() int {
	items := list[soakHeld](s, "/held?", "held")
	last := map[string]string{} // the last statement about a late payment, by order
	for _, h := range items {
		if h.Reason == string(trade.ReasonPaidAfterClose) {
			last[h.OutTradeNo] = h.ID
		}
	}
	var late, waiting []soakHeld
	for _, h := range items {
		switch {
		case h.Decision.Outcome == string(trade.RefundUnknown):
			s.decide(h, "refund")
		case last[h.OutTradeNo] == h.ID:
			late = append(late, h)
		case h.Reason == string(trade.ReasonContradicted):
			waiting = append(waiting, h)
		default:
			s.decide(h, "dismiss")
		}
	}
	for n, h := range late {
		// what is refused because another statement about the order has just come in
		// is decided in the next round: to dismiss it would leave its money with nobody
		if !s.decide(h, []string{"accept", "refund"}[n%2]) && s.isPaid(h.OutTradeNo) {
			s.decide(h, "dismiss")
		}
	}
	for _, h := range waiting {
		s.decide(h, "accept")
	}
	return len(items)
}

// decide takes a decision, and reports false if it is refused.
func (s *soak) decide(h soakHeld, word string) bool {
	a := s.ask("POST", "/held/"+h.ID+"/"+word, "")
	switch a.Status {
	case http.StatusOK, http.StatusAccepted:
		s.decided[h.Reason+" "+word]++
		return true
	case http.StatusConflict, http.StatusUnprocessableEntity:
	default:
		s.t.Errorf("%s of %s was answered %d %s", word, h.ID, a.Status, a.Body)
	}
	return false
}

// isPaid reports whether the ledger has an order as paid.
func (s *soak) isPaid(no string) bool {
	var o soakOrder
	a := s.ask("GET", "/orders/"+no, "")
	if err := json.Unmarshal([]byte(a.Body), &o); err != nil || a.Status != http.StatusOK {
		s.t.Errorf("%s was answered %d %s", no, a.Status, a.Body)
	}
	return o.PaidAt != ""
}

type soakOrder struct {
	OutTradeNo     string `json:"out_trade_no"`
	Status         string
	RefundedAmount string `json:"refunded_amount"`
	TotalAmount    string `json:"total_amount"`
	PaidAt         string `json:"paid_at"`
	Sequence       int
	Accepted       int
	Refunds        []struct {
		OutRequestNo string `json:"out_request_no"`
		RefundAmount string `json:"refund_amount"`
		Outcome      string
	}
}

// askAgain asks for each unknown refund again, and returns how many there are.
func (s *soak) askAgain() (unknown int) {
	for _, o := range list[soakOrder](s, "/orders?", "orders") {
		for _, r := range o.Refunds {
			if r.Outcome == string(trade.RefundUnknown) {
				s.refund(o.OutTradeNo, r.OutRequestNo, r.RefundAmount)
				unknown++
			}
		}
	}
	return unknown
}

func (s *soak) undelivered() (n int) {
	for _, o := range list[soakOrder](s, "/orders?", "orders") {
		if o.Accepted < o.Sequence {
			n++
		}
	}
	return n
}

// books are what the shop was told of one order.
type books struct {
	paid, refunded trade.Amount
	refunds        int
	next           int
	ids            map[string]string // sequence -> event id
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
		case "refund.succeeded":
			b.refunded = must(trade.ParseAmount(d.Header.Get("X-Alipay-Trade-Refunded-Amount")))
			b.refunds++
		}
	}
	return told
}

// audit holds the books against each other, order by order and in sum. A payment
// that came too late and was given back as a person decided is in the gateway's
// books alone, and is nothing there.
func (s *soak) audit() {
	told := s.told()
	var paid, refunded, unfit trade.Amount
	ledger := map[string]soakOrder{}
	for _, o := range list[soakOrder](s, "/orders?", "orders") {
		ledger[o.OutTradeNo] = o
	}
	for _, no := range s.orders {
		tr, err := s.Gateway.Trade(no)
		if err != nil {
			s.t.Fatal(err)
		}
		b := told[no]
		if b == nil {
			b = new(books)
		}
		took, gave := trade.Amount(0), must(trade.ParseSum(tr.RefundedAmount))
		if tr.GmtPayment != "" {
			took = must(trade.ParseAmount(tr.TotalAmount))
		}
		if b.paid == 0 && took > 0 && took == gave {
			unfit += took // given back, and the shop has never heard of it
			took, gave = 0, 0
		}
		o := ledger[no]
		if b.paid != took || b.refunded != gave || o.RefundedAmount != gave.String() || took > 0 && b.paid != s.bought[no] {
			s.t.Errorf("%s (%v): the gateway took %s and gave back %s; the shop was told %s and %s; the ledger has %+v", no, s.faults[no], took, gave, b.paid, b.refunded, o)
		}
		s.auditRefunds(no, tr.Refunds, o, b)
		paid += took
		refunded += gave
	}
	s.t.Logf("%d orders, %s yuan paid, %s refunded, equal at the gateway, in the ledger and at the shop; %s came too late and went back; decided: %v",
		len(s.orders), paid, refunded, unfit, s.decided)
	if paid == 0 || refunded == 0 {
		s.t.Error("nobody paid, or nobody was refunded: this test has shown nothing")
	}
}

// auditRefunds holds each refund of an order against the gateway's: none twice,
// none under two amounts, each told once.
func (s *soak) auditRefunds(no string, done []sandbox.Refund, o soakOrder, b *books) {
	at := map[string]string{}
	for _, r := range done {
		if _, twice := at[r.OutRequestNo]; twice {
			s.t.Errorf("%s: %s was refunded twice: %+v", no, r.OutRequestNo, done)
		}
		at[r.OutRequestNo] = r.RefundAmount
	}
	for _, r := range o.Refunds {
		if amount, there := at[r.OutRequestNo]; there != (r.Outcome == string(trade.RefundSucceeded)) || there && amount != r.RefundAmount {
			s.t.Errorf("%s: %+v; the gateway has %+v", no, r, done)
		}
	}
	if b.paid > 0 && b.refunds != len(done) && !s.byHand[no] {
		s.t.Errorf("%s: told of %d refunds; the gateway has %+v", no, b.refunds, done)
	}
}
