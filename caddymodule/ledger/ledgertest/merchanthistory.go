// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// The merchant's part of any history: refusals of the shop, refunds, decisions,
// and what is read of them.

// change makes a change in the ledger and in the model, and compares.
func (m *model) change(t *rapid.T, k trade.Key, change func(*trade.Order) (bool, error)) {
	got, err := m.s.Change(t.Context(), k, change)
	o := m.orders[k]
	if o == nil {
		if !errors.Is(err, ledger.ErrNotFound) {
			t.Fatalf("changing an unknown order: %v", err)
		}
		return
	}
	want := *o
	want.Intents = slices.Clone(o.Intents)
	if _, wantErr := change(&want); wantErr != nil {
		if !errors.Is(err, wantErr) {
			t.Fatalf("changing: %v, want %v", err, wantErr)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the changed order", got, want)
	m.orders[k] = &want
}

func (m *model) refuse(t *rapid.T) {
	k, at := m.key(t), m.now()
	sequence := rapid.IntRange(1, 3).Draw(t, "sequence")
	next := rapid.SampledFrom([]time.Time{{}, at.Add(time.Minute)}).Draw(t, "next")
	why := rapid.SampledFrom([]string{"it answered 500", "它没有回答"}).Draw(t, "why")
	m.change(t, k, func(o *trade.Order) (bool, error) { return o.Refuse(sequence, why, at, next), nil })
}

func (m *model) intend(t *rapid.T) {
	k := m.key(t)
	i := trade.RefundIntent{
		RequestNo: rapid.SampledFrom([]string{"R1", "R2", "R3"}).Draw(t, "number"),
		Amount:    trade.Amount(rapid.SampledFrom([]int64{1, 500, 8388, 8888}).Draw(t, "amount")),
		Reason:    "late", At: m.now(),
	}
	m.change(t, k, func(o *trade.Order) (bool, error) { return o.Intend(i) })
}

func (m *model) fail(t *rapid.T) {
	k, at := m.key(t), m.now()
	number := rapid.SampledFrom([]string{"R1", "R2", "R3"}).Draw(t, "number")
	m.change(t, k, func(o *trade.Order) (bool, error) { return o.FailRefund(number, "ACQ.X", at), nil })
}

// answer is the item whose decision has answered e: the one with its digest, else
// the oldest.
func (m *model) answer(e *trade.Evidence) (answer *trade.Held) {
	o := m.order(trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo})
	for i := range m.held {
		h := &m.held[i]
		if h.Evidence.OutTradeNo == e.OutTradeNo && h.Answers(&o, e) && (answer == nil || h.ID == e.Digest()) {
			answer = h
		}
	}
	return answer
}

func (m *model) decide(t *rapid.T) {
	if len(m.held) == 0 {
		return
	}
	h := &m.held[rapid.IntRange(0, len(m.held)-1).Draw(t, "item")]
	d := trade.Decision{At: m.now(), PublicURL: rapid.SampledFrom([]string{"", site}).Draw(t, "site")}
	d.Word = rapid.SampledFrom([]trade.Decide{trade.DecideAccept, trade.DecideRefund, trade.DecideDismiss}).Draw(t, "word")
	if d.Word == trade.DecideRefund {
		d.RequestNo = rapid.SampledFrom([]string{"H1", "H2"}).Draw(t, "number")
		d.Outcome = rapid.SampledFrom([]trade.RefundOutcome{trade.RefundUnknown, trade.RefundSucceeded, trade.RefundFailed}).Draw(t, "outcome")
	}
	k := trade.Key{AppID: h.Evidence.AppID, OutTradeNo: h.Evidence.OutTradeNo}
	about := slices.DeleteFunc(slices.Clone(m.held), func(other trade.Held) bool { return other.Evidence.OutTradeNo != k.OutTradeNo })
	want, wantErr := trade.Settle(m.order(k), *h, d, about)
	got, err := m.s.Decide(t.Context(), h.ID, d)
	if wantErr != nil {
		if !errors.Is(err, wantErr) {
			t.Fatalf("deciding: %v, want %v", err, wantErr)
		}
		return
	}
	if err != nil || len(got.Events) != len(want.Events) {
		t.Fatalf("deciding: %+v, %v, want %+v", got, err, want)
	}
	for i := range want.Events {
		want.Events[i].ID = got.Events[i].ID
		m.events = append(m.events, ledger.JournalEntry{Key: k, Event: want.Events[i]})
	}
	same(t, "the decision", got, want)
	*h = want.Item
	if want.Order.Exists() {
		if m.orders[k] == nil {
			m.listed = append(m.listed, k)
		}
		m.orders[k] = &want.Order
	}
}

func (m *model) checkHistory(t *rapid.T) {
	k := m.key(t)
	o := m.orders[k]
	h, err := m.s.History(t.Context(), k)
	if o == nil {
		if !errors.Is(err, ledger.ErrNotFound) {
			t.Fatalf("the history of an unknown order: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	want := ledger.History{Order: *o, Evidence: h.Evidence, Tellings: slices.Clone(m.told[k])}
	for _, e := range m.events {
		if e.Key == k {
			want.Events = append(want.Events, e.Event)
		}
	}
	if o.Undelivered() && o.Refusals > 0 {
		want.Tellings = append(want.Tellings, ledger.Telling{
			Sequence: o.Accepted + 1, Refusals: o.Refusals, RefusedSince: o.RefusedSince, Refusal: o.Refusal,
		})
	}
	for _, held := range m.held {
		if held.Evidence.OutTradeNo == k.OutTradeNo {
			held.Evidence.Raw, held.Evidence.ContentType = nil, ""
			want.Held = append(want.Held, held)
		}
	}
	same(t, "the history", h, want)
}

func (m *model) checkTotals(t *rapid.T) {
	var want ledger.Totals
	for k, o := range m.orders {
		want.Refunded += o.Refunded()
		if o.Paid {
			want.Paid += o.Total
		}
		for i := range o.Intents {
			if o.Intents[i].Outcome == trade.RefundUnknown {
				want.Unknown++
			}
		}
		told := trade.Amount(0)
		for _, e := range m.events {
			if e.Key == k {
				told = max(told, e.Event.Refunded)
				count(&want, o, &e.Event)
			}
		}
		want.RefundedTold += told
	}
	m.countHeld(&want)
	got, err := m.s.Totals(t.Context(), m.app)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the totals", got, want)
	if got.Paid != got.Accepted+got.Undelivered || got.Refunded != got.RefundedTold {
		t.Fatalf("the totals do not add up: %+v", got)
	}
}

// count counts one event of an order.
func count(t *ledger.Totals, o *trade.Order, e *trade.Event) {
	accepted := e.Sequence <= o.Accepted
	switch {
	case e.Type == trade.EventPaid && accepted:
		t.Accepted += o.Total
	case e.Type == trade.EventPaid:
		t.Undelivered += o.Total
	}
	if accepted {
		return
	}
	t.UndeliveredEvents++
	if t.UndeliveredSince.IsZero() || e.At.Before(t.UndeliveredSince) {
		t.UndeliveredSince = e.At
	}
	if o.Dead() {
		t.DeadEvents++
	}
}

func (m *model) countHeld(t *ledger.Totals) {
	trades := map[string]bool{}
	for i := range m.held {
		h := &m.held[i]
		if !h.Waits() {
			continue
		}
		if t.HeldItems++; t.HeldItems == 1 {
			t.HeldSince = h.At
		}
		o := m.order(trade.Key{AppID: m.app, OutTradeNo: h.Evidence.OutTradeNo})
		if no := h.Evidence.TradeNo; h.Pays() > 0 && !trades[no] && !(o.Paid && o.TradeNo == no) {
			trades[no] = true
			t.HeldPaid += h.Pays()
		}
	}
}
