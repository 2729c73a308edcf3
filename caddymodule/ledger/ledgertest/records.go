// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func paymentIsRecorded(s *subject) {
	k := order("A1")
	before := s.attempt(k)
	e := says(k, trade.StatusSuccess)
	out := s.record(e)
	want := trade.Fold(before, e)
	same(s, "the order", out.Order, want.Order)
	same(s, "the order as read", s.order(k), want.Order)
	if len(out.Events) != 1 || out.Events[0].ID == "" || out.Held != nil || out.Repeat {
		s.Fatalf("outcome %+v", out)
	}
	want.Events[0].ID = out.Events[0].ID
	same(s, "the events", out.Events, want.Events)
	same(s, "what is undelivered", s.undelivered(k), []ledger.Delivery{{
		Order: want.Order, Event: want.Events[0], Original: e.Raw, ContentType: e.ContentType,
	}})
}

func repeatStoresNothing(s *subject) {
	k := order("A1")
	s.attempt(k)
	first := s.record(says(k, trade.StatusSuccess))
	for _, e := range []trade.Evidence{
		says(k, trade.StatusSuccess), // the very same
		says(k, trade.StatusSuccess, func(e *trade.Evidence) { e.ReceivedAt, e.NotifyID = bought.Add(48*time.Hour), "later" }),
		says(k, trade.StatusSuccess, source(trade.SourceQuery)),
		says(k, trade.StatusWait),
	} {
		out := s.record(e)
		if e.Status == trade.StatusWait {
			continue // it adds that the trade was waiting once
		}
		if !out.Repeat || len(out.Events) > 0 || out.Held != nil {
			s.Fatalf("a repeat by %s at %s: %+v", e.Source, e.ReceivedAt, out)
		}
		same(s, "the order", out.Order, first.Order)
	}
	if n := len(s.events()); n != 1 {
		s.Fatalf("%d events", n)
	}
}

func eventsInSequence(s *subject) {
	k := order("A1")
	s.attempt(k)
	var all []trade.Event
	for _, e := range []trade.Evidence{
		says(k, trade.StatusWait),
		says(k, trade.StatusSuccess, refunded(1000, "R1")), // implies the payment
		says(k, trade.StatusSuccess),
		says(k, trade.StatusSuccess, refunded(3000, "R2")),
		says(k, trade.StatusFinished, refunded(3000, "R2")),
	} {
		all = append(all, s.record(e).Events...)
	}
	ids := map[string]bool{}
	for i, ev := range all {
		if ev.Sequence != i+1 || ids[ev.ID] || ev.ID == "" {
			s.Fatalf("event %d is %+v", i, ev)
		}
		ids[ev.ID] = true
	}
	if len(all) != 4 {
		s.Fatalf("%d events: %+v", len(all), all)
	}
	var waiting []trade.Event
	for _, d := range s.undelivered(k) {
		waiting = append(waiting, d.Event)
	}
	same(s, "what is undelivered", waiting, all)
	if o := s.order(k); o.Sequence != 4 || o.Accepted != 0 {
		s.Fatalf("order %+v", o)
	}
}

// originals: the shop gets Alipay's own message where it states this very event,
// and only messages of the kind that a shop's notify handler reads.
func originals(s *subject) {
	paid := func(from trade.Source) func(trade.Key) trade.Evidence {
		return func(k trade.Key) trade.Evidence { return says(k, trade.StatusSuccess, source(from)) }
	}
	tests := []struct {
		number string
		says   func(trade.Key) trade.Evidence
		want   []bool // which events have an original
	}{
		{"notice", paid(trade.SourceNotify), []bool{true}},
		{"query", paid(trade.SourceQuery), []bool{false}},
		{"bill", paid(trade.SourceBill), []bool{false}},
		{"refund", func(k trade.Key) trade.Evidence { return says(k, trade.StatusSuccess, refunded(10, "R")) }, []bool{false, true}},
		{"finished", func(k trade.Key) trade.Evidence { return says(k, trade.StatusFinished) }, []bool{false, true}},
		{"closed", func(k trade.Key) trade.Evidence { return says(k, trade.StatusClosed) }, []bool{true}},
		{"no message", func(k trade.Key) trade.Evidence {
			e := says(k, trade.StatusSuccess)
			e.Raw, e.ContentType = nil, ""
			return e
		}, []bool{false}},
	}
	for _, tt := range tests {
		k := order(tt.number)
		s.attempt(k)
		e := tt.says(k)
		s.record(e)
		list := s.undelivered(k)
		if len(list) != len(tt.want) {
			s.Fatalf("%s: %d events", tt.number, len(list))
		}
		for i, d := range list {
			if tt.want[i] && (!bytes.Equal(d.Original, e.Raw) || d.ContentType != e.ContentType) {
				s.Errorf("%s: event %d has the original %q (%s)", tt.number, i, d.Original, d.ContentType)
			}
			if !tt.want[i] && len(d.Original) > 0 {
				s.Errorf("%s: event %d has an original", tt.number, i)
			}
		}
	}
}

func tradeNumbers(s *subject) {
	k := order("A1")
	s.attempt(k)
	s.record(says(k, trade.StatusWait, tradeNo("T-waiting")))
	find := func(no string) (trade.Order, bool) {
		o, err := s.OrderByTradeNo(s.Context(), appID, no)
		return o, err == nil
	}
	if o, ok := find("T-waiting"); !ok || o.OutTradeNo != "A1" {
		s.Fatalf("by the number of the waiting trade: %+v", o)
	}
	s.record(says(k, trade.StatusSuccess, tradeNo("2026031422001468450512505578")))
	o, ok := find("2026031422001468450512505578")
	if !ok {
		s.Fatal("not found by the number of the paid trade")
	}
	same(s, "the order", o, s.order(k))
	if _, ok := find("T-waiting"); ok {
		s.Fatal("still found by a number that is not the order's any more")
	}
	for _, no := range []string{"202603142200146845051250557", "20260314220014684505125055780", "2026031422001468450512505579"} {
		if _, ok := find(no); ok {
			s.Errorf("found by %s", no)
		}
	}
}

// foreignTrades: evidence whose trade is another order's is held, whatever order it
// comes in, and no decision about it moves that order's money. Other apps' numbers
// are none of its business.
func foreignTrades(s *subject) {
	owner, other, unknown := order("A1"), order("A2"), order("A3")
	s.attempt(owner)
	s.attempt(other)
	s.record(says(owner, trade.StatusSuccess, tradeNo("T1")))
	e := says(other, trade.StatusSuccess, tradeNo("T1"))
	out := s.record(e)
	if out.Held == nil || out.Held.Reason != trade.ReasonForeignTrade || out.Order.Paid || len(out.Events) > 0 || string(out.Held.Evidence.Raw) != string(e.Raw) {
		s.Fatalf("a trade of another order: %+v", out)
	}
	if again := s.record(e); again.Held == nil || !again.Repeat {
		s.Errorf("once more: %+v", again)
	}
	made := s.record(says(unknown, trade.StatusSuccess, tradeNo("T1")))
	for _, id := range []string{out.Held.ID, made.Held.ID} {
		for _, word := range []trade.Decide{trade.DecideAccept, trade.DecideRefund} {
			d := deciding(word)
			d.PublicURL = site
			if _, err := s.Decide(s.Context(), id, d); !errors.Is(err, trade.ErrOwnTrade) && !errors.Is(err, trade.ErrNotAcceptable) {
				s.Errorf("deciding %s about another order's trade: %v", word, err)
			}
		}
		s.decide(id, deciding(trade.DecideDismiss))
	}
	s.reopen()
	if o := s.order(other); o.Paid || o.TradeNo != "" || o.Contradicted {
		s.Errorf("the other order: %+v", o)
	}
	if out := s.record(says(other, trade.StatusSuccess, tradeNo("T2"))); !out.Order.Paid || len(out.Events) != 1 {
		s.Errorf("its own payment: %+v", out)
	}
	foreignApp := trade.Key{AppID: "2021000000000002", OutTradeNo: "A1"}
	s.attempt(foreignApp)
	if out := s.record(says(foreignApp, trade.StatusSuccess, tradeNo("T1"))); !out.Order.Paid {
		s.Errorf("another app's trade of the same number: %+v", out)
	}
}

// foreignTradesAtOnce: of orders that get one trade number at the same moment, one
// is paid by it, and what is said of the others is held; what else is recorded in
// the same moment is not in their way.
func foreignTradesAtOnce(s *subject) {
	const orders = 24
	outs := make([]ledger.Outcome, orders)
	errs := make([]error, orders)
	var all sync.WaitGroup
	for i := range orders {
		s.attempt(order(fmt.Sprint("A", i)))
	}
	for i := range orders {
		no := fmt.Sprint("T", i)
		if i%4 == 0 {
			no = "T"
		}
		e := says(order(fmt.Sprint("A", i)), trade.StatusSuccess, tradeNo(no))
		all.Go(func() { outs[i], errs[i] = s.Record(s.Context(), e) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		s.Fatal(err)
	}
	paid, held := 0, 0
	for i := range outs {
		switch o := s.order(order(fmt.Sprint("A", i))); {
		case o.Paid && outs[i].Held == nil:
			paid++
		case !o.Paid && outs[i].Held != nil && outs[i].Held.Reason == trade.ReasonForeignTrade:
			held++
		default:
			s.Errorf("%d: %+v, and %+v", i, outs[i], o)
		}
	}
	if paid != orders*3/4+1 || held != orders/4-1 {
		s.Errorf("%d of %d orders are paid, and %d statements held", paid, orders, held)
	}
}

// timesAndTexts: times are kept to the microsecond and come back in UTC, the
// zero time as the zero time; texts come back as they were.
func timesAndTexts(s *subject) {
	texts := []string{"0", "00", "9f", "-1", "007", strings.Repeat("1", 64), "\xff\x12", "\xfe", "订单", "a b", "123456789012345678901234567"}
	for i, text := range texts {
		k := order("n" + text)
		s.attempt(k, func(a *trade.Attempt) {
			a.At, a.ExpiresAt = bought.Add(time.Duration(i)*time.Hour+999), time.Time{}
			a.SellerID, a.PublicURL, a.Channel = "", "https://shop.example/"+text, text
		})
		s.record(says(k, trade.StatusSuccess, refunded(1, text), func(e *trade.Evidence) {
			e.BuyerID, e.TradeNo, e.SellerID = text, "t"+text, text
			e.PaidAt, e.RefundedAt = time.Unix(0, 0).Add(time.Nanosecond), time.Time{}
		}))
		s.reopen()
		o := s.order(k)
		if o.BuyerID != text || o.SellerID != text || o.TradeNo != "t"+text || o.Refunds[0].RequestNo != text || o.Attempts[0].Channel != text {
			s.Fatalf("texts of %q: %+v", text, o)
		}
		at := bought.Add(time.Duration(i) * time.Hour)
		if !o.CreatedAt.Equal(at) || !o.PaidAt.Equal(time.Unix(0, 0)) || !o.Attempts[0].ExpiresAt.IsZero() || !o.Refunds[0].At.IsZero() {
			s.Fatalf("times of %q: %+v", text, o)
		}
		if _, offset := o.CreatedAt.Zone(); offset != 0 {
			s.Fatalf("created at %s, not in UTC", o.CreatedAt)
		}
		if _, err := s.OrderByTradeNo(s.Context(), appID, "t"+text); err != nil {
			s.Fatalf("by trade number t%q: %v", text, err)
		}
	}
}
