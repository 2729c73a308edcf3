// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// consistent draws what Alipay may truthfully say about one trade of 88.88,
// over all sources, with the fields that sources leave out left out.
func consistent(t *rapid.T) []trade.Evidence {
	life := rapid.SampledFrom([]string{"waits", "closes", "pays", "refunds", "finishes"}).Draw(t, "life")
	set := []trade.Evidence{says(trade.StatusWait, varied(t, "wait"))}
	switch life {
	case "waits":
		return set
	case "closes":
		return append(set, says(trade.StatusClosed, varied(t, "closed")))
	}
	set = append(set, says(trade.StatusSuccess, varied(t, "paid")), says(trade.StatusSuccess, varied(t, "paid again")))
	if life == "pays" {
		return set
	}
	var sum trade.Amount
	for i := range rapid.IntRange(1, 4).Draw(t, "refunds") {
		sum += trade.Amount(rapid.Int64Range(1, 2200).Draw(t, "refund"))
		set = append(set, says(trade.StatusSuccess, refunded(sum, fmt.Sprintf("R%d", i)), varied(t, "refund"), keepTotal))
	}
	if life == "finishes" {
		return append(set, says(trade.StatusFinished, varied(t, "finished")))
	}
	if rapid.Bool().Draw(t, "in full") {
		set = append(set, says(trade.StatusClosed, refunded(8888, "RX"), varied(t, "full")))
	}
	return set
}

func keepTotal(e *trade.Evidence) { e.Total = 8888 }

// varied leaves out what not every statement carries and moves the clock.
func varied(t *rapid.T, what string) func(*trade.Evidence) {
	return func(e *trade.Evidence) {
		e.Source = rapid.SampledFrom([]trade.Source{trade.SourceNotify, trade.SourceQuery, trade.SourceBill}).Draw(t, what+" source")
		if e.Source != trade.SourceNotify {
			e.SellerID = ""
		}
		if e.Refunded == 0 && rapid.Bool().Draw(t, what+" bare") {
			e.BuyerID, e.PaidAt = "", time.Time{}
		}
		e.ReceivedAt = bought.Add(time.Duration(rapid.IntRange(1, 1000).Draw(t, what+" at")) * time.Second)
	}
}

// arrival draws a permutation of the set with repetitions, none left out.
func arrival(t *rapid.T, set []trade.Evidence, label string) []trade.Evidence {
	twice := slices.Clone(set)
	for range rapid.IntRange(0, 6).Draw(t, label+" repeats") {
		twice = append(twice, rapid.SampledFrom(set).Draw(t, label+" repeated"))
	}
	return rapid.Permutation(twice).Draw(t, label)
}

// told is a set of events without what depends on when they were caused.
func told(events []trade.Event) map[trade.EventType]int {
	n := map[trade.EventType]int{}
	for _, e := range events {
		n[e.Type]++
	}
	return n
}

func TestAnyArrivalEndsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set := consistent(t)
		one, oneEvents, held1 := run(order(t, 8888), arrival(t, set, "one")...)
		two, twoEvents, held2 := run(order(t, 8888), arrival(t, set, "two")...)
		if len(held1)+len(held2) > 0 {
			t.Fatalf("held %v and %v", held1, held2)
		}
		// these are about us and not about the trade
		one.UpdatedAt, two.UpdatedAt = time.Time{}, time.Time{}
		one.Agenda, two.Agenda = trade.Agenda{}, trade.Agenda{}
		if !reflect.DeepEqual(one, two) {
			t.Fatalf("records differ:\n%+v\n%+v", one, two)
		}
		if !reflect.DeepEqual(told(oneEvents), told(twoEvents)) {
			t.Fatalf("events differ: %v and %v", types(oneEvents), types(twoEvents))
		}
		checkEvents(t, one, oneEvents)
	})
}

// checkEvents holds what the shop may rely on: sequences without gaps, the
// payment told first and once, one event a refund, never a smaller state.
func checkEvents(t *rapid.T, o trade.Order, events []trade.Event) {
	n := told(events)
	if o.Paid && (n[trade.EventPaid] != 1 || events[0].Type != trade.EventPaid) {
		t.Fatalf("paid order's events are %v", types(events))
	}
	if n[trade.EventRefund] != len(o.Refunds) || n[trade.EventFinished] > 1 || n[trade.EventClosed] > 1 {
		t.Fatalf("events %v for %d refunds", types(events), len(o.Refunds))
	}
	var sum trade.Amount
	for i, e := range events {
		if e.Sequence != i+1 || e.Refunded < sum {
			t.Fatalf("event %d: %+v after a sum of %s", i, e, sum)
		}
		sum = e.Refunded
	}
	if o.Sequence != len(events) || sum != o.Refunded() {
		t.Fatalf("record says %d events and %s refunded; events say %d and %s", o.Sequence, o.Refunded(), len(events), sum)
	}
}

// TestNothingMovesAPaidOrderBack: whatever arrives, also contradictions.
func TestNothingMovesAPaidOrderBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o, _, _ := run(order(t, 8888), says(trade.StatusSuccess))
		noise := append(consistent(t), says(trade.StatusClosed), says(trade.StatusSuccess, tradeNo("T2")),
			says(trade.StatusSuccess, total(1)), says(trade.StatusWait, total(1)))
		for _, e := range arrival(t, noise, "noise") {
			before := o
			o = trade.Fold(o, e).Order
			if !o.Paid || o.TradeNo != "T1" || o.Total != 8888 || o.Refunded() < before.Refunded() || o.Sequence < before.Sequence {
				t.Fatalf("moved back from %+v to %+v by %+v", before, o, e)
			}
		}
	})
}

// TestContradictionsEndHeld: in every order of arrival something is held, the
// order is marked, and no event follows that tells it as paid.
func TestContradictionsEndHeld(t *testing.T) {
	t.Parallel()
	sets := map[string][]trade.Evidence{
		"closed unpaid and paid":     {says(trade.StatusClosed), says(trade.StatusSuccess), says(trade.StatusFinished)},
		"closed unpaid and refunded": {says(trade.StatusClosed), says(trade.StatusClosed, refunded(8888, "R"))},
		"two trades paid":            {says(trade.StatusSuccess), says(trade.StatusSuccess, tradeNo("T2"))},
	}
	for name, set := range sets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				o := order(t, 8888)
				marked := false
				for _, e := range arrival(t, set, "arrival") {
					r := trade.Fold(o, e)
					if marked && len(r.Events) > 0 {
						t.Fatalf("told %v after the contradiction", types(r.Events))
					}
					o = r.Order
					marked = marked || r.Held != nil
				}
				if !marked || !o.Contradicted {
					t.Fatalf("not held: %+v", o)
				}
			})
		})
	}
}
