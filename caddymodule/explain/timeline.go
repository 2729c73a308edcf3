// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"slices"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Order explains an order by its history.
func Order(h ledger.History) Report {
	o := &h.Order
	r := Report{
		OutTradeNo: o.OutTradeNo, Status: o.Status(), TradeNo: o.TradeNo, PublicURL: o.PublicURL(),
		TotalAmount: o.Total, RefundedAmount: o.Refunded(),
		Timeline: []Entry{}, Next: []Entry{},
	}
	t := timeline{history: &h}
	t.attempts()
	t.refunds()
	t.held()
	t.statements()
	t.events()
	slices.SortStableFunc(t.entries, func(a, b Entry) int {
		if c := a.moment().Compare(b.moment()); c != 0 {
			return c
		}
		return ranks[a.Kind] - ranks[b.Kind]
	})
	r.Timeline = fit(append(r.Timeline, t.entries...))
	r.Next = fit(append(r.Next, next(&h)...))
	return r
}

// fit brings times into Alipay's zone and takes from the words of others what could
// command a terminal, for JSON is printed there, too.
func fit(entries []Entry) []Entry {
	for i := range entries {
		e := &entries[i]
		e.Reason = lang.Plain(e.Reason)
		for _, t := range []*time.Time{&e.At, &e.ExpiresAt, &e.PaidAt} {
			if !t.IsZero() {
				*t = t.In(trade.Zone)
			}
		}
	}
	return entries
}

// moment is where an entry stands in the timeline.
func (e *Entry) moment() time.Time {
	if e.At.IsZero() {
		return e.key
	}
	return e.At
}

type timeline struct {
	history *ledger.History
	entries []Entry
}

func (t *timeline) add(e Entry) { t.entries = append(t.entries, e) }

func (t *timeline) attempts() {
	o := &t.history.Order
	if !o.Exists() {
		return
	}
	t.add(Entry{At: o.CreatedAt, Kind: KindCreated})
	for _, a := range o.Attempts {
		if t.acceptedAt(a.At) {
			continue // a person has accepted other terms; the buyer was not sent anywhere
		}
		t.add(Entry{
			At: a.At, Kind: KindSent, Amount: a.Total, Channel: a.Channel, ExpiresAt: a.ExpiresAt, Count: a.Count,
		})
	}
}

// acceptedAt reports whether a held statement was accepted at that very moment.
func (t *timeline) acceptedAt(at time.Time) bool {
	return slices.ContainsFunc(t.history.Held, func(h trade.Held) bool {
		return h.Decision.Word == trade.DecideAccept && h.Decision.At.Equal(at)
	})
}

func (t *timeline) refunds() {
	for _, i := range t.history.Order.Intents {
		t.add(Entry{At: i.At, Kind: KindRefundAsked, Amount: i.Amount, RequestNo: i.RequestNo, Reason: i.Reason})
		settled := Entry{At: i.SettledAt, Amount: i.Amount, RequestNo: i.RequestNo, Reason: i.Failure, key: i.At}
		switch i.Outcome {
		case trade.RefundSucceeded:
			settled.Kind = KindRefundSucceeded
		case trade.RefundFailed:
			settled.Kind = KindRefundFailed
		default:
			continue
		}
		t.add(settled)
	}
}

func (t *timeline) held() {
	for _, h := range t.history.Held {
		e := stated(h.Evidence)
		e.At, e.Kind, e.HeldID, e.Reason = h.At, KindHeld, h.ID, string(h.Reason)
		t.add(e)
		if d := h.Decision; d.Word != trade.DecideNone {
			t.add(Entry{
				At: d.At, Kind: KindDecided, HeldID: h.ID, Decision: d.Word,
				RequestNo: d.RequestNo, Status: h.Evidence.Status, Reason: decisionWord(d),
			})
		}
	}
}

// decisionWord is what became of a refund that a person has decided on.
func decisionWord(d trade.Decision) string {
	if d.Outcome == trade.RefundFailed && d.Failure != "" {
		return d.Failure
	}
	return string(d.Outcome)
}

// statements tells what has changed the order. A ledger may leave out of a statement
// what the order has as well: one that was folded in states the order's own total.
func (t *timeline) statements() {
	o := &t.history.Order
	for _, e := range t.history.Evidence {
		if paid := e.Status == trade.StatusSuccess || e.Status == trade.StatusFinished || e.Refunded > 0; paid && e.Total == 0 {
			e.Total, e.TradeNo, e.PaidAt = o.Total, o.TradeNo, o.PaidAt
		}
		entry := stated(e)
		entry.At, entry.Kind = e.ReceivedAt, KindStatement
		t.add(entry)
	}
}

// stated is what a statement of Alipay says.
func stated(e trade.Evidence) Entry {
	s := Entry{
		Source: e.Source, Status: e.Status, TradeNo: e.TradeNo, PaidAt: e.PaidAt,
		Amount: e.Total, Refunded: e.Refunded, RequestNo: e.RefundRequestNo,
	}
	if e.Refunded == 0 {
		s.Refund = e.RefundAmount
	}
	return s
}

func (t *timeline) events() {
	told := make(map[int]ledger.Telling)
	for _, x := range t.history.Tellings {
		told[x.Sequence] = x
	}
	for _, ev := range t.history.Events {
		base := Entry{Event: ev.Type, EventID: ev.ID, Sequence: ev.Sequence, key: ev.At}
		event := base
		event.At, event.Kind, event.Status, event.Refunded = ev.At, KindEvent, ev.Status, ev.Refunded
		t.add(event)
		x := told[ev.Sequence]
		if x.Refusals > 0 {
			refused := base
			refused.At, refused.Kind, refused.Count, refused.Reason = x.RefusedSince, KindRefused, x.Refusals, why(x.Refusal)
			t.add(refused)
		}
		if ev.Sequence <= t.history.Order.Accepted || !x.AcceptedAt.IsZero() {
			accepted := base
			accepted.At, accepted.Kind, accepted.Count = x.AcceptedAt, KindAccepted, x.Refusals
			accepted.key = later(ev.At, x.RefusedSince)
			t.add(accepted)
		}
	}
}

// refusedPrefix is what the shop's package begins each refusal with.
const refusedPrefix = "the shop did not accept the event: "

// why is a refusal without what the sentence around it says already.
func why(refusal string) string { return strings.TrimPrefix(refusal, refusedPrefix) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
