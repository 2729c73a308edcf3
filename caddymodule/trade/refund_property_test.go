// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// bank is Alipay as an order's refunds see it: one trade of 88.88, refunds by
// number, and all it has said about them, which may arrive whenever it likes.
type bank struct {
	refunds []trade.Refund // that have moved money, by sum
	said    []trade.Evidence
	clock   int
}

func (b *bank) sum() trade.Amount {
	if len(b.refunds) == 0 {
		return 0
	}
	return b.refunds[len(b.refunds)-1].Sum
}

func (b *bank) now() time.Time {
	b.clock++
	return bought.Add(2*time.Hour + time.Duration(b.clock)*time.Minute)
}

// refund moves money once for each number, and never more than was paid.
func (b *bank) refund(number string, amount trade.Amount) bool {
	if slices.ContainsFunc(b.refunds, func(r trade.Refund) bool { return r.RequestNo == number }) {
		return true
	}
	sum := b.sum() + amount
	if sum > 8888 {
		return false
	}
	at := b.now()
	b.refunds = append(b.refunds, trade.Refund{RequestNo: number, Sum: sum, At: at})
	status := trade.StatusSuccess
	if sum == 8888 {
		status = trade.StatusClosed
	}
	named := func(e *trade.Evidence) {
		refunded(sum, number)(e)
		e.RefundedAt = at
	}
	b.said = append(b.said,
		says(status, named), // a notice
		says(trade.StatusSuccess, named, source(trade.SourceRefund), func(e *trade.Evidence) { // the call's own answer
			e.Total, e.SellerID, e.PaidAt = 0, "", time.Time{}
		}),
		says(trade.StatusSuccess, source(trade.SourceRefund), func(e *trade.Evidence) { // refund.query
			e.Total, e.SellerID, e.PaidAt = 0, "", time.Time{}
			e.RefundAmount, e.RefundRequestNo, e.RefundedAt = amount, number, at
		}),
		says(trade.StatusSuccess, source(trade.SourceRefund), func(e *trade.Evidence) { // which need not tell the time
			e.Total, e.SellerID, e.PaidAt = 0, "", time.Time{}
			e.RefundAmount, e.RefundRequestNo = amount, number
		}))
	if sum == 8888 { // trade.query, which names no refund
		b.said = append(b.said, says(trade.StatusClosed, refunded(8888, ""), source(trade.SourceQuery)))
	}
	return true
}

// refunding is an order that is refunded through a bank.
type refunding struct {
	bank
	o      trade.Order
	events []trade.Event
}

func (m *refunding) fold(t *rapid.T, e trade.Evidence) {
	settled := map[string]trade.RefundOutcome{}
	for _, i := range m.o.Intents {
		settled[i.RequestNo] = i.Outcome
	}
	r := trade.Fold(m.o, e)
	if r.Held != nil {
		t.Fatalf("held as %s: %+v\norder %+v", r.Held.Reason, e, m.o)
	}
	m.o, m.events = r.Order, append(m.events, r.Events...)
	for _, i := range m.o.Intents {
		if settled[i.RequestNo] == trade.RefundSucceeded && i.Outcome != trade.RefundSucceeded {
			t.Fatalf("what had succeeded is %+v", i)
		}
	}
}

func (m *refunding) intend(t *rapid.T) {
	i := trade.RefundIntent{
		RequestNo: rapid.SampledFrom([]string{"R1", "R2", "R3", "R4", "R5"}).Draw(t, "number"),
		Amount:    trade.Amount(rapid.SampledFrom([]int64{1, 1111, 2222, 4444, 8888}).Draw(t, "amount")), At: m.now(),
	}
	before := m.o
	changed, err := m.o.Intend(i)
	known := before.Intent(i.RequestNo)
	switch {
	case errors.Is(err, trade.ErrRefundConflict):
		if known == nil || known.Amount == i.Amount {
			t.Fatalf("%+v conflicts with %+v", i, known)
		}
	case errors.Is(err, trade.ErrRefundSum):
		if before.Refunded()+i.Amount <= 8888-m.unknown(&before) {
			t.Fatalf("%+v would fit into %+v", i, before)
		}
	case err != nil:
		t.Fatalf("%+v: %v", i, err)
	case !changed && (known == nil || known.Outcome == trade.RefundFailed):
		t.Fatalf("%+v changed nothing in %+v", i, before)
	}
}

func (m *refunding) unknown(o *trade.Order) (sum trade.Amount) {
	for _, i := range o.Intents {
		if i.Outcome == trade.RefundUnknown {
			sum += i.Amount
		}
	}
	return sum
}

// send has Alipay carry out the oldest unknown refund, as the courier does.
// Whether we hear of it is another matter.
func (m *refunding) send(t *rapid.T) {
	i := m.o.UnknownRefund()
	if i == nil {
		return
	}
	m.o.RefundNext(m.now())
	refuses := rapid.IntRange(0, 3).Draw(t, "refuses") == 0
	if slices.ContainsFunc(m.refunds, func(r trade.Refund) bool { return r.RequestNo == i.RequestNo }) {
		return // Alipay takes it for what it has done already
	}
	if refuses {
		m.o.FailRefund(i.RequestNo, "ACQ.SELLER_BALANCE_NOT_ENOUGH", m.now())
		return
	}
	if !m.refund(i.RequestNo, i.Amount) {
		t.Fatalf("Alipay would have to refund more than was paid: %+v", m.o)
	}
}

func (m *refunding) hear(t *rapid.T) {
	if len(m.said) > 0 {
		e := rapid.SampledFrom(m.said).Draw(t, "heard")
		e.ReceivedAt = m.now()
		m.fold(t, e)
	}
}

func (m *refunding) check(t *rapid.T) {
	if committed := m.o.Refunded() + m.unknown(&m.o); !m.overlaps() && committed > 8888 || m.o.Refunded() > m.sum() {
		t.Fatalf("refunds of %s, of which Alipay has made %s: %+v", committed, m.sum(), m.o)
	}
	if unknown := m.o.UnknownRefund(); (unknown == nil) != m.o.RefundAt.IsZero() {
		t.Fatalf("the date %s for %+v", m.o.RefundAt, unknown)
	}
	told, last := 0, trade.Amount(0)
	for n, e := range m.events {
		if e.Sequence != n+1 || e.Refunded < last {
			t.Fatalf("events %+v", m.events)
		}
		last = e.Refunded
		if e.Type == trade.EventRefund {
			told++
		}
	}
	if told != len(m.o.Refunds) || last != m.o.Refunded() {
		t.Fatalf("%d refunds are told, up to %s: %+v", told, last, m.o)
	}
}

// overlaps: an unknown refund is part of what Alipay has stated without a number.
func (m *refunding) overlaps() bool {
	return slices.ContainsFunc(m.o.Refunds, func(r trade.Refund) bool { return r.RequestNo == "" })
}

// end hears all that was said, and then the order agrees with Alipay.
func (m *refunding) end(t *rapid.T) {
	for range 2 {
		for _, e := range m.said {
			m.fold(t, e)
		}
	}
	m.check(t)
	for i := range m.o.Refunds {
		if r := m.o.Refunds[i]; len(m.o.Refunds) != len(m.refunds) || r.RequestNo != m.refunds[i].RequestNo || r.Sum != m.refunds[i].Sum {
			t.Fatalf("refunds %+v, Alipay has made %+v", m.o.Refunds, m.refunds)
		}
	}
	for _, i := range m.o.Intents {
		made := slices.ContainsFunc(m.refunds, func(r trade.Refund) bool { return r.RequestNo == i.RequestNo })
		if made != (i.Outcome == trade.RefundSucceeded) {
			t.Fatalf("made %v, but %+v", made, i)
		}
	}
}

// TestAnyRefundsEndRight: whatever is asked for, refused, tried again and heard, in
// whatever order and however often, the refunds never exceed what was paid, each
// is settled and told once, and in the end the order agrees with Alipay.
func TestAnyRefundsEndRight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &refunding{o: order(t, 8888)}
		m.fold(t, says(trade.StatusSuccess))
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "intend": m.intend, "send": m.send, "hear": m.hear, "hear more": m.hear,
		})
		m.end(t)
	})
}

// TestRefundsByHand: refunds that were made in Alipay's own console state their
// sums, mostly no number of ours, and end right beside our own.
func TestRefundsByHand(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &refunding{o: order(t, 8888)}
		m.fold(t, says(trade.StatusSuccess))
		for n := range rapid.IntRange(1, 5).Draw(t, "refunds") {
			if !m.refund(fmt.Sprintf("hand%d", n), trade.Amount(rapid.SampledFrom([]int64{1, 1111, 8888}).Draw(t, "amount"))) {
				break
			}
		}
		m.said = slices.DeleteFunc(m.said, func(e trade.Evidence) bool { return e.RefundAmount > 0 })
		for range rapid.IntRange(0, 10).Draw(t, "heard") {
			m.hear(t)
			m.check(t)
		}
		m.end(t)
	})
}
