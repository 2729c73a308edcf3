// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade_test

import (
	"errors"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

var (
	cst    = time.FixedZone("CST", 8*3600)
	bought = time.Date(2026, 3, 14, 10, 20, 0, 0, cst)
	key    = trade.Key{AppID: "2021000000000001", OutTradeNo: "A1"}
)

func order(t interface{ Fatalf(string, ...any) }, prices ...trade.Amount) trade.Order {
	var o trade.Order
	for i, p := range prices {
		var err error
		o, err = o.Attempt(key, trade.Attempt{
			Total: p, SellerID: "2088", PublicURL: "https://shop.example", Channel: "page",
			At: bought.Add(time.Duration(i) * time.Minute),
		})
		if err != nil {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	return o
}

// says is a statement about the order of 88.88 under test; change alters it.
func says(status trade.Status, change ...func(*trade.Evidence)) trade.Evidence {
	e := trade.Evidence{
		Source: trade.SourceNotify, AppID: key.AppID, OutTradeNo: key.OutTradeNo, TradeNo: "T1", Status: status,
		Total: 8888, SellerID: "2088", ReceivedAt: bought.Add(time.Hour),
	}
	if status == trade.StatusSuccess || status == trade.StatusFinished {
		e.PaidAt, e.BuyerID = bought.Add(9*time.Second), "2099"
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

func refunded(sum trade.Amount, no string) func(*trade.Evidence) {
	return func(e *trade.Evidence) {
		e.Refunded, e.RefundRequestNo, e.RefundedAt = sum, no, bought.Add(24*time.Hour)
		e.PaidAt, e.BuyerID = bought.Add(9*time.Second), "2099"
	}
}

func total(a trade.Amount) func(*trade.Evidence)  { return func(e *trade.Evidence) { e.Total = a } }
func seller(id string) func(*trade.Evidence)      { return func(e *trade.Evidence) { e.SellerID = id } }
func tradeNo(no string) func(*trade.Evidence)     { return func(e *trade.Evidence) { e.TradeNo = no } }
func source(s trade.Source) func(*trade.Evidence) { return func(e *trade.Evidence) { e.Source = s } }

// run folds in turn and collects the events and the reasons of what is held.
func run(o trade.Order, set ...trade.Evidence) (trade.Order, []trade.Event, []trade.Reason) {
	var events []trade.Event
	var held []trade.Reason
	for _, e := range set {
		r := trade.Fold(o, e)
		o = r.Order
		events = append(events, r.Events...)
		if r.Held != nil {
			held = append(held, r.Held.Reason)
		}
	}
	return o, events, held
}

func TestFold(t *testing.T) {
	t.Parallel()
	wait, paid := says(trade.StatusWait), says(trade.StatusSuccess)
	finished, closed := says(trade.StatusFinished), says(trade.StatusClosed)
	part := says(trade.StatusSuccess, refunded(1000, "R1"))
	full := says(trade.StatusClosed, refunded(8888, "R2"))
	tests := []struct {
		name   string
		prices []trade.Amount
		set    []trade.Evidence
		status trade.Status
		events []trade.EventType
		held   []trade.Reason
	}{
		{"wait", nil, []trade.Evidence{wait}, trade.StatusWait, nil, nil},
		{"paid", nil, []trade.Evidence{paid}, trade.StatusSuccess, []trade.EventType{trade.EventPaid}, nil},
		{"paid twice", nil, []trade.Evidence{paid, paid}, trade.StatusSuccess, []trade.EventType{trade.EventPaid}, nil},
		{"late wait", nil, []trade.Evidence{paid, wait}, trade.StatusSuccess, []trade.EventType{trade.EventPaid}, nil},
		{"finished first implies paid", nil, []trade.Evidence{finished}, trade.StatusFinished,
			[]trade.EventType{trade.EventPaid, trade.EventFinished}, nil},
		{"partial refund first implies paid", nil, []trade.Evidence{part}, trade.StatusSuccess,
			[]trade.EventType{trade.EventPaid, trade.EventRefund}, nil},
		{"full refund first implies paid", nil, []trade.Evidence{full}, trade.StatusClosed,
			[]trade.EventType{trade.EventPaid, trade.EventRefund}, nil},
		{"refunds the wrong way round", nil, []trade.Evidence{full, part, paid}, trade.StatusClosed,
			[]trade.EventType{trade.EventPaid, trade.EventRefund, trade.EventRefund}, nil},
		{"closed unpaid", nil, []trade.Evidence{wait, closed, closed}, trade.StatusClosed, []trade.EventType{trade.EventClosed}, nil},
		{"paid after closed", nil, []trade.Evidence{closed, paid}, trade.StatusClosed,
			[]trade.EventType{trade.EventClosed}, []trade.Reason{trade.ReasonPaidAfterClose}},
		{"closed after paid", nil, []trade.Evidence{paid, closed, finished}, trade.StatusSuccess,
			[]trade.EventType{trade.EventPaid}, []trade.Reason{trade.ReasonClosedAfterPay, trade.ReasonContradicted}},
		{"second trade", nil, []trade.Evidence{paid, says(trade.StatusSuccess, tradeNo("T2"))}, trade.StatusSuccess,
			[]trade.EventType{trade.EventPaid}, []trade.Reason{trade.ReasonSecondTrade}},
		{"wrong amount", nil, []trade.Evidence{says(trade.StatusSuccess, total(8887))}, trade.StatusNone, nil,
			[]trade.Reason{trade.ReasonAmount}},
		{"no amount", nil, []trade.Evidence{says(trade.StatusSuccess, total(0))}, trade.StatusNone, nil,
			[]trade.Reason{trade.ReasonAmount}},
		{"wrong seller", nil, []trade.Evidence{says(trade.StatusSuccess, seller("2000"))}, trade.StatusNone, nil,
			[]trade.Reason{trade.ReasonSeller}},
		{"no seller named", nil, []trade.Evidence{says(trade.StatusSuccess, seller(""))}, trade.StatusSuccess,
			[]trade.EventType{trade.EventPaid}, nil},
		{"older price", []trade.Amount{8888, 9999}, []trade.Evidence{paid}, trade.StatusNone, nil,
			[]trade.Reason{trade.ReasonOlderPrice}},
		{"back to the first price", []trade.Amount{8888, 9999, 8888}, []trade.Evidence{paid}, trade.StatusSuccess,
			[]trade.EventType{trade.EventPaid}, nil},
		{"refund above the total", nil, []trade.Evidence{says(trade.StatusSuccess, refunded(9000, "R"))}, trade.StatusNone, nil,
			[]trade.Reason{trade.ReasonRefundSum}},
		{"closed by less than a full refund", nil, []trade.Evidence{says(trade.StatusClosed, refunded(10, "R"))}, trade.StatusNone, nil,
			[]trade.Reason{trade.ReasonRefundSum}},
		{"refund without a sum", nil, []trade.Evidence{paid, says(trade.StatusSuccess, func(e *trade.Evidence) { e.RefundAmountMissing = true })},
			trade.StatusSuccess, []trade.EventType{trade.EventPaid}, []trade.Reason{trade.ReasonIncomplete}},
		{"paid without a trade number", nil, []trade.Evidence{says(trade.StatusSuccess, tradeNo(""))}, trade.StatusNone, nil,
			[]trade.Reason{trade.ReasonIncomplete}},
		{"refund of a trade that waits", nil, []trade.Evidence{says(trade.StatusWait, refunded(10, "R"))}, trade.StatusNone, nil,
			[]trade.Reason{trade.ReasonIncomplete}},
		{"unknown status", nil, []trade.Evidence{says("TRADE_PENDING")}, trade.StatusNone, nil, []trade.Reason{trade.ReasonIncomplete}},
		{"query still at the older price", []trade.Amount{8888, 9999}, []trade.Evidence{says(trade.StatusWait, source(trade.SourceQuery))},
			trade.StatusNone, nil, nil},
		{"query without send_pay_date after a full refund", nil, []trade.Evidence{full, says(trade.StatusClosed, source(trade.SourceQuery))},
			trade.StatusClosed, []trade.EventType{trade.EventPaid, trade.EventRefund}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			prices := tt.prices
			if prices == nil {
				prices = []trade.Amount{8888}
			}
			o, events, held := run(order(t, prices...), tt.set...)
			if o.Status() != tt.status {
				t.Errorf("status %q, want %q", o.Status(), tt.status)
			}
			checkSame(t, "events", types(events), tt.events)
			checkSame(t, "held", held, tt.held)
			for i, ev := range events {
				if ev.Sequence != i+1 {
					t.Errorf("event %d has sequence %d", i, ev.Sequence)
				}
			}
		})
	}
}

func TestUnknownOrderIsHeld(t *testing.T) {
	t.Parallel()
	r := trade.Fold(trade.Order{}, says(trade.StatusSuccess))
	if r.Held == nil || r.Held.Reason != trade.ReasonUnknownOrder || r.Order.Exists() || r.Changed {
		t.Errorf("got %+v", r)
	}
}

// TestEventsTellNoOlderState: a refund heard of late may not take the shop back
// to the smaller sum, for the shop keeps the state of the highest sequence.
func TestEventsTellNoOlderState(t *testing.T) {
	t.Parallel()
	_, events, _ := run(order(t, 8888),
		says(trade.StatusClosed, refunded(8888, "R2")), says(trade.StatusSuccess, refunded(1000, "R1")))
	if len(events) != 3 || events[0].Refunded != 0 || events[0].Status != trade.StatusSuccess || events[0].Direct {
		t.Fatalf("events %+v", events)
	}
	for _, ev := range events[1:] {
		if ev.Refunded != 8888 || ev.Status != trade.StatusClosed {
			t.Errorf("event %d tells %s refunded, %s", ev.Sequence, ev.Refunded, ev.Status)
		}
	}
}

func TestAttempt(t *testing.T) {
	t.Parallel()
	o := order(t, 8888, 8888, 9999)
	if n := len(o.Attempts); n != 2 || o.Attempts[0].Count != 2 || o.Latest().Total != 9999 || o.Total != 9999 {
		t.Errorf("attempts %+v", o.Attempts)
	}
	for want, set := range map[error][]trade.Evidence{
		trade.ErrPaid:         {says(trade.StatusSuccess)},
		trade.ErrClosed:       {says(trade.StatusClosed)},
		trade.ErrContradicted: {says(trade.StatusSuccess), says(trade.StatusClosed)},
	} {
		o, _, _ := run(order(t, 8888), set...)
		after, err := o.Attempt(key, trade.Attempt{Total: 1, At: bought})
		if !errors.Is(err, want) || after.Total != o.Total || len(after.Attempts) != 1 {
			t.Errorf("attempt: %v, want %v; order %+v", err, want, after)
		}
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	prices := make([]trade.Amount, 100)
	for i := range prices {
		prices[i] = trade.Amount(i + 1)
	}
	if o := order(t, prices...); len(o.Attempts) != 16 || o.Latest().Total != 100 {
		t.Errorf("%d attempts, latest %s", len(o.Attempts), o.Latest().Total)
	}
}

func types(events []trade.Event) []trade.EventType {
	var out []trade.EventType
	for _, e := range events {
		out = append(out, e.Type)
	}
	return out
}

func checkSame[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s %v, want %v", what, got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s %v, want %v", what, got, want)
			return
		}
	}
}
