// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade_test

import (
	"errors"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Alipay asks for the gap, and a process that died leaves its refund for the grace.
const (
	gap   = 3 * time.Second
	grace = 30 * time.Second
)

// paidOrder is an order of 88.88, paid.
func paidOrder(t *testing.T) trade.Order {
	t.Helper()
	r := trade.Fold(order(t, 8888), says(trade.StatusSuccess))
	if !r.Order.Paid {
		t.Fatalf("%+v", r)
	}
	return r.Order
}

func intend(t *testing.T, o *trade.Order, no string, amount trade.Amount, at time.Time) {
	t.Helper()
	if changed, err := o.Intend(trade.RefundIntent{RequestNo: no, Amount: amount, At: at}); !changed || err != nil {
		t.Fatalf("%s: %v, %v", no, changed, err)
	}
}

// TestRefundsTakeTurns: a refund that waits moves neither the date nor the count
// of the one whose outcome is unknown, and gets its own when its turn comes.
func TestRefundsTakeTurns(t *testing.T) {
	t.Parallel()
	o, at := paidOrder(t), bought
	intend(t, &o, "R1", 100, at)
	if o.RefundTries != 0 || !o.RefundAt.Equal(at.Add(grace)) || !o.RefundFrom().IsZero() {
		t.Fatalf("%+v", o.Agenda)
	}
	sent := at.Add(12 * time.Second)
	o.RefundNext(sent)
	intend(t, &o, "R2", 200, at.Add(time.Second))
	if o.RefundTries != 1 || !o.RefundAt.Equal(sent) || o.UnknownRefund().RequestNo != "R1" {
		t.Errorf("the second one has moved the first: %+v", o.Agenda)
	}
	settled := at.Add(20 * time.Second)
	if !o.FailRefund("R1", "ACQ.SELLER_BALANCE_NOT_ENOUGH", settled) {
		t.Fatal("not failed")
	}
	if o.RefundTries != 0 || !o.RefundAt.Equal(settled.Add(gap)) || !o.RefundFrom().Equal(settled.Add(gap)) || o.UnknownRefund().RequestNo != "R2" {
		t.Errorf("the second one's turn: %+v", o.Agenda)
	}
	intend(t, &o, "R1", 100, settled) // once more, behind R2
	if o.UnknownRefund().RequestNo != "R2" || o.RefundTries != 0 {
		t.Errorf("%+v", o)
	}
}

// TestNumberOfAnotherAmount: Alipay names another amount under the number, so it
// was somebody else's refund: that one counts, and the one asked for has failed.
func TestNumberOfAnotherAmount(t *testing.T) {
	t.Parallel()
	o := paidOrder(t)
	intend(t, &o, "R1", 500, bought)
	e := says(trade.StatusSuccess, func(e *trade.Evidence) {
		e.Source, e.Total, e.RefundAmount, e.RefundRequestNo = trade.SourceRefund, 0, 300, "R1"
	})
	r := trade.Fold(o, e)
	if i := r.Order.Intent("R1"); i.Outcome != trade.RefundFailed || i.Failure != "ACQ.DISCORDANT_REPEAT_REQUEST" || r.Order.Refunded() != 300 || len(r.Events) != 1 {
		t.Errorf("%+v", r)
	}
	if again := trade.Fold(r.Order, e); again.Changed || len(again.Events) > 0 {
		t.Errorf("the repeat: %+v", again)
	}
}

// TestPartOfAFullRefund: the trade is known as refunded in full, and only then one
// of the steps is learnt, without a sum.
func TestPartOfAFullRefund(t *testing.T) {
	t.Parallel()
	o := paidOrder(t)
	intend(t, &o, "R1", 200, bought)
	o = trade.Fold(o, says(trade.StatusClosed, refunded(8888, ""))).Order
	r := trade.Fold(o, says(trade.StatusSuccess, func(e *trade.Evidence) {
		e.Source, e.Total, e.RefundAmount, e.RefundRequestNo = trade.SourceRefund, 0, 200, "R1"
	}))
	if r.Held != nil || r.Order.Refunded() != 8888 || r.Order.Intent("R1").Outcome != trade.RefundSucceeded || len(r.Order.Refunds) != 2 {
		t.Errorf("%+v", r)
	}
}

// TestOwnTradeIsNotRefundedAsHeld: a doubtful notice about the very trade that has
// paid the order is no reason to give its money back behind the order's back.
func TestOwnTradeIsNotRefundedAsHeld(t *testing.T) {
	t.Parallel()
	o := paidOrder(t)
	h := trade.Held{ID: "x", Reason: trade.ReasonAmount, Evidence: says(trade.StatusSuccess)}
	d := trade.Decision{Word: trade.DecideRefund, RequestNo: "held-x", Outcome: trade.RefundUnknown}
	if _, err := trade.Settle(o, h, d, nil); !errors.Is(err, trade.ErrOwnTrade) {
		t.Errorf("%v", err)
	}
	h.Evidence.TradeNo = "ANOTHER"
	if got, err := trade.Settle(o, h, d, nil); err != nil || !got.News {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestRefundsByHandBetween: a refund of which only the amount is stated takes its
// place among the others by Alipay's clock, and its own notice mends what a second
// was too coarse for.
func TestRefundsByHandBetween(t *testing.T) {
	t.Parallel()
	second := func(n int) time.Time { return bought.Add(24*time.Hour + time.Duration(n)*time.Second) }
	byHand := says(trade.StatusSuccess, refunded(700, "H"), func(e *trade.Evidence) { e.RefundedAt = second(5) })
	for name, tc := range map[string]struct {
		at   int
		want trade.Amount // before its notice
		sum  trade.Amount // in its notice
		end  trade.Amount
	}{
		"before it":             {3, 700, 200, 700},
		"after it":              {8, 900, 900, 900},
		"before it, who knows?": {5, 700, 200, 700},
		"after it, who knows?":  {5, 700, 900, 900},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := trade.Fold(paidOrder(t), byHand).Order
			o = trade.Fold(o, says(trade.StatusSuccess, func(e *trade.Evidence) {
				e.Source, e.Total, e.RefundAmount, e.RefundRequestNo, e.RefundedAt = trade.SourceRefund, 0, 200, "R1", second(tc.at)
			})).Order
			if o.Refunded() != tc.want || len(o.Refunds) != 2 {
				t.Errorf("%+v", o.Refunds)
			}
			o = trade.Fold(o, says(trade.StatusSuccess, refunded(tc.sum, "R1"))).Order
			if o.Refunded() != tc.end || len(o.Refunds) != 2 {
				t.Errorf("after the notice: %+v", o.Refunds)
			}
		})
	}
}
