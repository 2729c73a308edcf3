// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// sums are those of ledger.Totals that each transaction keeps up to date, one
// record an app: what they count may be millions of orders.
type sums struct {
	paid, refunded         trade.Amount // by the orders' records
	refundedTold, accepted trade.Amount // by the events
}

func (s *sums) add(t sums) {
	s.paid += t.paid
	s.refunded += t.refunded
	s.refundedTold += t.refundedTold
	s.accepted += t.accepted
}

func appendSums(b []byte, s *sums) []byte {
	b = appendUint(b, 1, uint64(s.paid))
	b = appendUint(b, 2, uint64(s.refunded))
	b = appendUint(b, 3, uint64(s.refundedTold))
	return appendUint(b, 4, uint64(s.accepted))
}

func decodeSums(data []byte) (s sums, err error) {
	f := fields{rest: data}
	for f.next() {
		switch f.num {
		case 1:
			s.paid = trade.Amount(f.value)
		case 2:
			s.refunded = trade.Amount(f.value)
		case 3:
			s.refundedTold = trade.Amount(f.value)
		case 4:
			s.accepted = trade.Amount(f.value)
		}
	}
	return s, f.failed
}

func (v *view) sums(appID string) (sums, error) {
	s, err := decodeSums(v.tx.Bucket(bucketTotals).Get([]byte(appID)))
	if err != nil {
		return s, unavailable("reading", fmt.Errorf("the totals: %w", err))
	}
	return s, nil
}

// sum is what this group adds to an app's sums.
func (g *group) sum(appID string) *sums {
	if g.added == nil {
		g.added = make(map[string]*sums)
	}
	s := g.added[appID]
	if s == nil {
		s = new(sums)
		g.added[appID] = s
	}
	return s
}

// saveTotals counts what the records of this group differ by.
func (g *group) saveTotals(touched []*entry) error {
	for _, e := range touched {
		if paid, refunded := paidBy(&e.Order), e.Refunded(); paid != e.was.paid || refunded != e.was.refunded {
			s := g.sum(e.AppID)
			s.paid += paid - e.was.paid
			s.refunded += refunded - e.was.refunded
		}
	}
	for i := range g.events {
		if ev := &g.events[i]; ev.Type == trade.EventRefund {
			before, err := g.refundsTold(ev.of.events[:ev.Sequence-1])
			if err != nil {
				return err
			}
			g.sum(ev.of.AppID).refundedTold += ev.Refunded - before
		}
	}
	b := g.tx.Bucket(bucketTotals)
	for appID, added := range g.added {
		s, err := g.sums(appID)
		if err != nil {
			return err
		}
		s.add(*added)
		if err := b.Put([]byte(appID), g.encoded(func(b []byte) []byte { return appendSums(b, &s) })); err != nil {
			return err
		}
	}
	return nil
}

// paidBy is what an order counts for in the sum of what was paid.
func paidBy(o *trade.Order) trade.Amount {
	if !o.Paid {
		return 0
	}
	return o.Total
}

// refundsTold is the sum that the last refund of these events, which are an
// order's first, tells.
func (v *view) refundsTold(events []uint64) (trade.Amount, error) {
	for _, id := range slices.Backward(events) {
		ev, err := v.event(id)
		if err != nil {
			return 0, err
		}
		if ev.Type == trade.EventRefund {
			return ev.Refunded, nil
		}
	}
	return 0, nil
}

// counted are the sums that an order's record and events ask for.
func (v *view) counted(r *orderRecord) (s sums, err error) {
	s.paid, s.refunded = paidBy(&r.Order), r.Refunded()
	if s.refundedTold, err = v.refundsTold(r.events); err != nil {
		return s, err
	}
	for _, id := range r.events[:min(max(r.Accepted, 0), len(r.events))] {
		ev, err := v.event(id)
		if err != nil {
			return s, err
		}
		if ev.Type == trade.EventPaid {
			s.accepted += r.Total
		}
	}
	return s, nil
}

// Totals implements ledger.Ledger. It reads the orders that have something to do
// and the held items that wait, and no others.
func (l *Ledger) Totals(ctx context.Context, appID string) (t ledger.Totals, err error) {
	marks := l.accepts.at()
	err = l.view(ctx, func(v *view) error {
		s, err := v.sums(appID)
		if err != nil {
			return err
		}
		t = ledger.Totals{Paid: s.paid, Refunded: s.refunded, RefundedTold: s.refundedTold, Accepted: s.accepted}
		if err := v.countOpen(ctx, appID, marks, &t); err != nil {
			return err
		}
		return v.countHeld(ctx, appID, &t)
	})
	if err != nil {
		return ledger.Totals{}, err
	}
	return t, nil
}

// countOpen counts what the orders on the agenda owe to the shop.
func (v *view) countOpen(ctx context.Context, appID string, marks overlay, t *ledger.Totals) error {
	c := v.tx.Bucket(bucketAgenda).Cursor()
	looked := 0
	for k, data := c.First(); k != nil; k, data = c.Next() {
		if looked++; looked%256 == 0 && ctx.Err() != nil {
			return leaving(ctx)
		}
		var plan orderRecord
		plan.Sequence = maxSequence
		if err := decodeAgenda(data, &plan); err != nil {
			return unavailable("reading", err)
		}
		if !plan.AskAt.IsZero() && !plan.Undelivered() {
			continue // not paid yet: most of what is open
		}
		id, _ := parseID(k)
		r, err := v.orderAt(id)
		if err != nil {
			return err
		}
		if r.AppID != appID {
			continue
		}
		if err := v.countOrder(&r, marks, t); err != nil {
			return err
		}
	}
	return nil
}

// maxSequence is above any that an order has.
const maxSequence = math.MaxInt32

func (v *view) countOrder(r *orderRecord, marks overlay, t *ledger.Totals) error {
	for i := range r.Intents {
		if r.Intents[i].Outcome == trade.RefundUnknown {
			t.Unknown++
		}
	}
	stored := r.Accepted
	marks.apply(&r.Order)
	if stored < 0 || r.Sequence > len(r.events) {
		return unavailable("reading", fmt.Errorf("%w: order %d lacks events", errDamaged, r.id))
	}
	for i, id := range r.events[stored:r.Sequence] {
		ev, err := v.event(id)
		if err != nil {
			return err
		}
		accepted := stored+i < r.Accepted
		if ev.Type == trade.EventPaid {
			if accepted {
				t.Accepted += r.Total
			} else {
				t.Undelivered += r.Total
			}
		}
		if accepted {
			continue
		}
		t.UndeliveredEvents++
		t.UndeliveredSince = sooner(t.UndeliveredSince, ev.At)
		if r.Dead() {
			t.DeadEvents++
		}
	}
	return nil
}

// countHeld counts what waits for a person. Alipay states a trade several times,
// but its buyer has paid once.
func (v *view) countHeld(ctx context.Context, appID string, t *ledger.Totals) error {
	trades := make(map[string]bool)
	for entry := range v.waiting().from(setBottom) {
		if ctx.Err() != nil {
			return leaving(ctx)
		}
		id, _ := parseID(entry)
		h, err := v.heldAt(id)
		if err != nil {
			return err
		}
		e := &h.Evidence
		if e.AppID != appID {
			continue
		}
		t.HeldItems++
		t.HeldSince = sooner(t.HeldSince, h.At)
		if paid := h.Pays(); paid == 0 || trades[e.TradeNo] {
			continue
		}
		trades[e.TradeNo] = true
		r, found, err := v.order(trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo})
		if err != nil {
			return err
		}
		if !found || !r.Paid || r.TradeNo != e.TradeNo { // else the order counts it
			t.HeldPaid += h.Pays()
		}
	}
	return nil
}
