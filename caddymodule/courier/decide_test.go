// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// contest is what two people decide in the same moment, through a Caddy each.
type contest struct {
	name   string
	words  [2]trade.Decide
	apart  bool // about two statements of one payment, and not about one statement
	wins   int  // how many of them are taken
	always bool // the payment is refunded whoever comes first
}

var contests = []contest{
	{"accept or refund, two statements", [2]trade.Decide{trade.DecideAccept, trade.DecideRefund}, true, 1, false},
	{"accept or refund, one statement", [2]trade.Decide{trade.DecideAccept, trade.DecideRefund}, false, 1, false},
	{"dismiss or refund, one statement", [2]trade.Decide{trade.DecideDismiss, trade.DecideRefund}, false, 1, false},
	{"refund twice, one statement", [2]trade.Decide{trade.DecideRefund, trade.DecideRefund}, false, 2, true},
	// both may be tried, and Alipay gives back no more than was paid
	{"refund twice, two statements", [2]trade.Decide{trade.DecideRefund, trade.DecideRefund}, true, 2, true},
}

// TestTwoPeopleDecide about one payment in the same moment, through two Caddys over
// one ledger, or one: what is accepted and told as paid was not given back, and what
// is given back is given back once.
func TestTwoPeopleDecide(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, open func() opened) {
		tl := newTillOver(t, open())
		colleague := tl.c
		if tl.c.shared {
			colleague = tl.colleague(open())
		}
		for n, c := range contests {
			first := [2]int{}
			for round := range 12 {
				no := fmt.Sprintf("P%d_%d", n, round)
				deciders := [2]*Courier{tl.c, colleague}
				if round%2 == 1 {
					deciders = [2]*Courier{colleague, tl.c}
				}
				taken := tl.decide(&c, no, deciders)
				for i := range taken {
					if taken[i] {
						first[i]++
					}
				}
			}
			t.Logf("%s: taken %d and %d times of 12", c.name, first[0], first[1])
		}
	})
}

// colleague is the courier of another Caddy over the same orders.
func (tl *till) colleague(l opened) *Courier {
	t := tl.office.t
	c := New(l, "", tl.clock)
	c.wait = tl.skip
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// heldTwice has an order paid that was never sent to the cashier. Of its payment
// both the answer to a query and a notice are held.
func (tl *till) heldTwice(no string) (asked, noticed string) {
	t := tl.office.t
	t.Helper()
	tl.Buy(no, "88.88", "", "")
	e, err := tl.client.Query(t.Context(), no)
	if err != nil {
		t.Fatal(err)
	}
	first, err := tl.c.Record(t.Context(), e)
	if err != nil || first.Held == nil {
		t.Fatalf("%+v, %v", first, err)
	}
	e.Source, e.SellerID = trade.SourceNotify, sandbox.DefaultSellerID
	second, err := tl.c.Record(t.Context(), e)
	if err != nil || second.Held == nil {
		t.Fatalf("%+v, %v", second, err)
	}
	return first.Held.ID, second.Held.ID
}

// decide has two people decide, and holds what they are told against the order and
// Alipay's books.
func (tl *till) decide(c *contest, no string, deciders [2]*Courier) (taken [2]bool) {
	t := tl.office.t
	t.Helper()
	asked, noticed := tl.heldTwice(no)
	ids := [2]string{noticed, asked}
	if !c.apart {
		ids[1] = noticed
	}
	var errs [2]error
	var both sync.WaitGroup
	ready := make(chan struct{})
	for i := range deciders {
		both.Go(func() {
			<-ready
			_, errs[i] = deciders[i].Settle(t.Context(), tl.client, ids[i], trade.Decision{Word: c.words[i], PublicURL: siteURL})
		})
	}
	close(ready)
	both.Wait()
	wins := 0
	for i, err := range errs {
		if taken[i] = err == nil; taken[i] {
			wins++
		} else if !errors.Is(err, trade.ErrDecided) && !errors.Is(err, trade.ErrOwnTrade) {
			t.Errorf("%s, %s: %s: %v", c.name, no, c.words[i], err)
		}
	}
	if wins != c.wins {
		t.Errorf("%s, %s: %d decisions were taken, want %d: %v", c.name, no, wins, c.wins, errs)
	}
	tl.wantOutcome(c, no, taken)
	return taken
}

// wantOutcome: the payment is given back in full exactly if that was decided, and
// then the order is not paid.
func (tl *till) wantOutcome(c *contest, no string, taken [2]bool) {
	t := tl.office.t
	t.Helper()
	refund, accepted := c.always, false
	for i, word := range c.words {
		refund = refund || taken[i] && word == trade.DecideRefund
		accepted = accepted || taken[i] && word == trade.DecideAccept
	}
	want := "0.00"
	if refund {
		want = "88.88"
	}
	tl.wantRefunded(no, want)
	o, err := tl.ledger.Order(t.Context(), trade.Key{AppID: tl.AppID, OutTradeNo: no})
	if paid := err == nil && o.Paid; paid != accepted || paid && refund {
		t.Errorf("%s, %s: taken %v, and the order is paid: %v", c.name, no, taken, paid)
	}
}
