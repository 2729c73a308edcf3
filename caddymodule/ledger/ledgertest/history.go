// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// anyHistory compares the ledger with a model in memory that knows nothing but
// the pure functions of trade, over histories of any calls. All histories share one ledger, each
// with an app of its own.
func anyHistory(s *subject) {
	apps := 0
	rapid.Check(s.T, func(t *rapid.T) {
		apps++
		m := &model{
			s: s, app: fmt.Sprintf("app%d", apps), orders: map[trade.Key]*trade.Order{}, told: map[trade.Key][]ledger.Telling{},
		}
		actions := map[string]func(*rapid.T){
			"":            m.check,
			"attempt":     m.attempt,
			"record":      m.record,
			"record too":  m.record,
			"accept":      m.accept,
			"refuse":      m.refuse,
			"intend":      m.intend,
			"fail":        m.fail,
			"decide":      m.decide,
			"list orders": m.listOrders,
			"totals":      m.checkTotals,
			"history":     m.checkHistory,
			"restart": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
					s.reopen()
				}
			},
		}
		if s.harness.Move != nil {
			actions["move"] = func(t *rapid.T) { s.moveSometimes(t) }
		}
		t.Repeat(actions)
		m.checkJournal(t)
	})
}

type model struct {
	s      *subject
	app    string
	clock  int // seconds since bought
	orders map[trade.Key]*trade.Order
	listed []trade.Key // in the order of creation
	events []ledger.JournalEntry
	told   map[trade.Key][]ledger.Telling // of accepted events
	held   []trade.Held                   // decided ones included
}

func (m *model) now() time.Time {
	m.clock++
	return bought.Add(time.Duration(m.clock) * time.Second)
}

func (m *model) key(t *rapid.T) trade.Key {
	return trade.Key{AppID: m.app, OutTradeNo: rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "order")}
}

func (m *model) order(k trade.Key) trade.Order {
	if o := m.orders[k]; o != nil {
		return *o
	}
	return trade.Order{}
}

func (m *model) attempt(t *rapid.T) {
	k := m.key(t)
	a := terms()
	a.Total = trade.Amount(rapid.SampledFrom([]int64{8888, 8888, 9999}).Draw(t, "price"))
	a.At = m.now()
	want, wantErr := m.order(k).Attempt(k, a)
	got, err := m.s.Attempt(t.Context(), k, a)
	if !errors.Is(err, wantErr) {
		t.Fatalf("attempt: %v, want %v", err, wantErr)
	}
	same(t, "the order", got, want)
	if wantErr != nil {
		return
	}
	if m.orders[k] == nil {
		m.listed = append(m.listed, k)
	}
	m.orders[k] = &want
}

func (m *model) statement(t *rapid.T) trade.Evidence {
	k := m.key(t)
	e := says(k, rapid.SampledFrom([]trade.Status{
		trade.StatusWait, trade.StatusSuccess, trade.StatusSuccess, trade.StatusFinished, trade.StatusClosed, "ODD",
	}).Draw(t, "status"))
	e.Source = rapid.SampledFrom([]trade.Source{trade.SourceNotify, trade.SourceNotify, trade.SourceQuery, trade.SourceBill}).Draw(t, "source")
	if rapid.IntRange(0, 3).Draw(t, "refund") == 0 {
		number := rapid.SampledFrom([]string{"", "R1", "R2", "R3"}).Draw(t, "number")
		refunded(trade.Amount(rapid.SampledFrom([]int64{1, 500, 8888, 20000}).Draw(t, "sum")), number)(&e)
		if rapid.IntRange(0, 3).Draw(t, "without a sum") == 0 {
			e.Refunded, e.RefundAmount = 0, e.Refunded
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "total") == 0 {
		e.Total = 9999
	}
	e.TradeNo = k.AppID + k.OutTradeNo + rapid.SampledFrom([]string{"1", "1", "1", "1", "2", "22"}).Draw(t, "trade")
	if rapid.IntRange(0, 4).Draw(t, "bare") == 0 {
		e.Raw, e.ContentType, e.BuyerID, e.SellerID, e.PaidAt = nil, "", "", "", time.Time{}
	}
	e.ReceivedAt = m.now()
	return e
}

func (m *model) record(t *rapid.T) {
	e := m.statement(t)
	k := trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo}
	f := trade.Fold(m.order(k), e)
	want := ledger.Outcome{Order: f.Order, Events: f.Events, Held: f.Held, Repeat: !f.Changed}
	if h := m.answer(&e); h != nil {
		f = trade.Result{Order: m.order(k)}
		want = ledger.Outcome{Order: f.Order, Repeat: true}
		if h.Waits() {
			want.Held = h
		}
	} else if f.Held != nil {
		if i := slices.IndexFunc(m.held, func(h trade.Held) bool { return h.ID == f.Held.ID }); i >= 0 {
			want.Held = &m.held[i]
		} else {
			m.held = append(m.held, *f.Held)
			want.Repeat = false
		}
	}
	got, err := m.s.Record(t.Context(), e)
	if err != nil {
		t.Fatalf("recording %+v: %v", e, err)
	}
	if len(got.Events) != len(want.Events) {
		t.Fatalf("events %+v, want %+v", got.Events, want.Events)
	}
	for i := range want.Events {
		want.Events[i].ID = got.Events[i].ID // the ledger's choice
		m.events = append(m.events, ledger.JournalEntry{Key: k, Event: want.Events[i]})
	}
	same(t, "the outcome", got, want)
	if f.Order.Exists() {
		m.orders[k] = &f.Order
	}
}

func (m *model) accept(t *rapid.T) {
	k := m.key(t)
	sequence := rapid.IntRange(0, 6).Draw(t, "sequence")
	at := m.now()
	err := m.s.Accept(t.Context(), k, sequence, at)
	o := m.orders[k]
	if o == nil {
		if !errors.Is(err, ledger.ErrNotFound) {
			t.Fatalf("accepting for an unknown order: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.tell(o, sequence, at)
}

// tell accepts in the model.
func (m *model) tell(o *trade.Order, sequence int, at time.Time) {
	for i := o.Accepted + 1; i <= min(sequence, o.Sequence); i++ {
		how := ledger.Telling{Sequence: i, AcceptedAt: at}
		if i == o.Accepted+1 {
			how.Refusals, how.RefusedSince, how.Refusal = o.Refusals, o.RefusedSince, o.Refusal
		}
		m.told[o.Key()] = append(m.told[o.Key()], how)
	}
	o.Accept(sequence)
}

// check holds what can be read of one order against the model.
func (m *model) check(t *rapid.T) {
	k := m.key(t)
	want := m.orders[k]
	got, err := m.s.Order(t.Context(), k)
	if want == nil {
		if !errors.Is(err, ledger.ErrNotFound) {
			t.Fatalf("an unknown order: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the order", got, *want)
	if want.TradeNo != "" {
		byTradeNo, err := m.s.OrderByTradeNo(t.Context(), m.app, want.TradeNo)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the order by trade number", byTradeNo, *want)
	}
	list, err := m.s.Undelivered(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	var waiting, wantWaiting []trade.Event
	for _, d := range list {
		waiting = append(waiting, d.Event)
		same(t, "the order with an event", d.Order, *want)
	}
	for _, e := range m.events {
		if e.Key == k && e.Event.Sequence > want.Accepted {
			wantWaiting = append(wantWaiting, e.Event)
		}
	}
	same(t, "what is undelivered", waiting, wantWaiting)
}

func (m *model) listOrders(t *rapid.T) {
	q := ledger.OrderQuery{AppID: m.app, Limit: rapid.IntRange(1, 4).Draw(t, "limit")}
	if status := rapid.SampledFrom([]trade.Status{
		"all", trade.StatusNone, trade.StatusWait, trade.StatusSuccess, trade.StatusFinished, trade.StatusClosed,
	}).Draw(t, "status"); status != "all" {
		q.Status = &status
	}
	if rapid.Bool().Draw(t, "since") {
		q.Since = bought.Add(time.Duration(rapid.IntRange(0, m.clock+1).Draw(t, "seconds")) * time.Second)
	}
	var want []trade.Order
	for _, k := range m.listed {
		o := m.order(k)
		if (q.Status == nil || o.Status() == *q.Status) && !o.CreatedAt.Before(q.Since) {
			want = append(want, o)
		}
	}
	got, err := allOrders(t.Context(), m.s.Ledger, q)
	if err != nil {
		t.Fatal(err)
	}
	same(t, fmt.Sprintf("the orders %+v", q), got, want)
}

func (m *model) checkJournal(t *rapid.T) {
	events, err := allEvents(t.Context(), m.s.Ledger, ledger.MaxLimit)
	if err != nil {
		t.Fatal(err)
	}
	held, err := allHeld(t.Context(), m.s.Ledger, ledger.HeldQuery{Limit: ledger.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	others := func(k trade.Key) bool { return k.AppID != m.app }
	events = slices.DeleteFunc(events, func(e ledger.JournalEntry) bool { return others(e.Key) })
	held = slices.DeleteFunc(held, func(h trade.Held) bool { return others(trade.Key{AppID: h.Evidence.AppID}) })
	for i := range m.events {
		o := m.order(m.events[i].Key)
		m.events[i].Accepted = m.events[i].Event.Sequence <= o.Accepted
		m.events[i].Dead = !m.events[i].Accepted && o.Dead()
	}
	same(t, "the journal", events, m.events)
	waiting := slices.DeleteFunc(slices.Clone(m.held), func(h trade.Held) bool { return !h.Waits() })
	same(t, "what is held", held, waiting)
}
