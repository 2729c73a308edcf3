// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade_test

import (
	"errors"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

var decided = bought.Add(48 * time.Hour)

func decision(word trade.Decide) trade.Decision {
	d := trade.Decision{Word: word, At: decided, PublicURL: "https://shop.example"}
	if word == trade.DecideRefund {
		d.RequestNo, d.Outcome = "H1", trade.RefundUnknown
	}
	return d
}

// situation is an order and a statement that is held about it for a reason.
type situation struct {
	o      trade.Order
	before []trade.Evidence
	held   trade.Evidence
}

func situations(t *testing.T) map[trade.Reason]situation {
	t.Helper()
	paid, closed := says(trade.StatusSuccess), says(trade.StatusClosed)
	contradicted := []trade.Evidence{paid, closed}
	return map[trade.Reason]situation{
		trade.ReasonUnknownOrder:   {trade.Order{}, nil, paid},
		trade.ReasonSeller:         {order(t, 8888), nil, says(trade.StatusSuccess, seller("2089"))},
		trade.ReasonAmount:         {order(t, 8888), nil, says(trade.StatusSuccess, total(1))},
		trade.ReasonOlderPrice:     {order(t, 8888, 9999), nil, paid},
		trade.ReasonPaidAfterClose: {order(t, 8888), []trade.Evidence{closed}, paid},
		trade.ReasonClosedAfterPay: {order(t, 8888), []trade.Evidence{paid}, closed},
		trade.ReasonSecondTrade:    {order(t, 8888), []trade.Evidence{paid}, says(trade.StatusSuccess, tradeNo("T2"))},
		trade.ReasonRefundSum:      {order(t, 8888), []trade.Evidence{paid}, says(trade.StatusSuccess, refunded(9000, "R"))},
		trade.ReasonContradicted:   {order(t, 8888), contradicted, says(trade.StatusFinished)},
		trade.ReasonIncomplete: {order(t, 8888), nil, says(trade.StatusSuccess, func(e *trade.Evidence) {
			e.RefundAmountMissing = true
		})},
		trade.ReasonForeignTrade: {order(t, 8888), nil, paid},
	}
}

// hold is the situation's order with the item.
func (s situation) hold(t *testing.T, want trade.Reason) (trade.Order, trade.Held) {
	t.Helper()
	o, _, _ := run(s.o, s.before...)
	r := trade.Fold(o, s.held)
	if want == trade.ReasonForeignTrade {
		r = trade.Foreign(o, s.held)
	}
	if r.Held == nil || r.Held.Reason != want {
		t.Fatalf("%s: %+v", want, r.Held)
	}
	return r.Order, *r.Held
}

// TestAccept: what is accepted ends paid and told, or is refused and changes
// nothing.
func TestAccept(t *testing.T) {
	t.Parallel()
	acceptable := map[trade.Reason]bool{
		trade.ReasonUnknownOrder: true, trade.ReasonSeller: true, trade.ReasonAmount: true, trade.ReasonOlderPrice: true,
		trade.ReasonPaidAfterClose: true,
	}
	all := situations(t)
	for _, reason := range trade.Reasons() {
		o, h := all[reason].hold(t, reason)
		r, err := trade.Settle(o, h, decision(trade.DecideAccept), nil)
		if !acceptable[reason] {
			want := trade.ErrNotAcceptable
			if reason == trade.ReasonContradicted {
				want = trade.ErrOthersFirst
			}
			if !errors.Is(err, want) && reason != trade.ReasonForeignTrade || err == nil {
				t.Errorf("%s: %+v, %v", reason, r, err)
			}
			continue
		}
		got := r.Order
		if err != nil || !r.News || !r.Changed || !got.Paid || got.Closed || got.Contradicted || got.Total != h.Evidence.Total {
			t.Errorf("%s: %+v, %v", reason, r, err)
		}
		if len(r.Events) != 1 || r.Events[0].Type != trade.EventPaid || got.TellAt.IsZero() || got.PublicURL() != "https://shop.example" {
			t.Errorf("%s is told as %+v at %s", reason, r.Events, got.TellAt)
		}
		again, err := trade.Settle(got, r.Item, decision(trade.DecideAccept), nil)
		if err != nil || again.News || again.Changed || len(again.Events) > 0 {
			t.Errorf("%s, accepted again: %+v, %v", reason, again, err)
		}
		// its repeat and its end are folded, and the end that it overruled is no news
		o, events, held := run(got, h.Evidence, says(trade.StatusClosed, total(got.Total), seller(got.SellerID)))
		if reason != trade.ReasonPaidAfterClose {
			o, events, held = run(got, h.Evidence)
		}
		if len(events)+len(held) > 0 || o.Contradicted {
			t.Errorf("%s, what comes after: %v, held %v, %+v", reason, events, held, o)
		}
	}
}

// TestAcceptLater: a statement that was held only because its order was
// contradicted can be accepted once that is decided.
func TestAcceptLater(t *testing.T) {
	t.Parallel()
	o, h := situations(t)[trade.ReasonContradicted].hold(t, trade.ReasonContradicted)
	closing := *trade.Fold(o, says(trade.StatusClosed)).Held
	r, err := trade.Settle(o, closing, decision(trade.DecideDismiss), nil)
	if err != nil || r.Order.Contradicted {
		t.Fatalf("%+v, %v", r, err)
	}
	r, err = trade.Settle(r.Order, h, decision(trade.DecideAccept), nil)
	if err != nil || !r.Order.Finished || len(r.Events) != 1 || r.Events[0].Type != trade.EventFinished {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestGivenBackElsewhere: a payment is not accepted by one statement about it while
// another one's refund is under way or done, and is again once that has failed.
func TestGivenBackElsewhere(t *testing.T) {
	t.Parallel()
	o, h := situations(t)[trade.ReasonAmount].hold(t, trade.ReasonAmount)
	other := h
	other.ID = "other"
	accept := decision(trade.DecideAccept)
	for outcome, want := range map[trade.RefundOutcome]error{
		trade.RefundUnknown: trade.ErrDecided, trade.RefundSucceeded: trade.ErrDecided, trade.RefundFailed: nil,
	} {
		other.Decision = trade.Decision{Word: trade.DecideRefund, RequestNo: "held-other", Outcome: outcome}
		if _, err := trade.Settle(o, h, accept, []trade.Held{h, other}); !errors.Is(err, want) {
			t.Errorf("accepted while the other's refund is %s: %v", outcome, err)
		}
		elsewhere := other
		elsewhere.Evidence.TradeNo = "ANOTHER"
		if _, err := trade.Settle(o, h, accept, []trade.Held{elsewhere}); err != nil {
			t.Errorf("accepted while another trade's refund is %s: %v", outcome, err)
		}
	}
}

// TestUnknownOrderNeedsASite: nobody could be told of it.
func TestUnknownOrderNeedsASite(t *testing.T) {
	t.Parallel()
	o, h := situations(t)[trade.ReasonUnknownOrder].hold(t, trade.ReasonUnknownOrder)
	d := decision(trade.DecideAccept)
	d.PublicURL = ""
	if _, err := trade.Settle(o, h, d, nil); !errors.Is(err, trade.ErrNeedsSite) {
		t.Errorf("%v", err)
	}
	r, err := trade.Settle(o, h, decision(trade.DecideAccept), nil)
	if err != nil || r.Order.Key() != key || len(r.Order.Attempts) != 1 || !r.Order.CreatedAt.Equal(decided) {
		t.Errorf("%+v, %v", r, err)
	}
	known := order(t, 8888) // it was sent to the cashier meanwhile
	r, err = trade.Settle(known, h, d, nil)
	if err != nil || !r.Order.Paid || !r.Order.CreatedAt.Equal(bought) {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestFreeing: a decided contradiction frees its order, unless another waits.
func TestFreeing(t *testing.T) {
	t.Parallel()
	all := situations(t)
	for _, reason := range trade.Reasons() {
		for _, word := range []trade.Decide{trade.DecideDismiss, trade.DecideRefund} {
			o, h := all[reason].hold(t, reason)
			d := decision(word)
			if word == trade.DecideRefund {
				if reason == trade.ReasonClosedAfterPay {
					continue // nothing to refund
				}
				d.Outcome = trade.RefundSucceeded
			}
			contradicts := h.Contradicts()
			if o.Contradicted != (contradicts || reason == trade.ReasonContradicted) {
				t.Fatalf("%s: %+v", reason, o)
			}
			other := trade.Held{ID: "other", Reason: trade.ReasonClosedAfterPay, Evidence: says(trade.StatusClosed)}
			for _, others := range [][]trade.Held{{h, other}, {h}} {
				r, err := trade.Settle(o, h, d, others)
				free := contradicts && len(others) == 1
				if err != nil || r.Order.Contradicted != (o.Contradicted && !free) || len(r.Events) > 0 || !r.News {
					t.Errorf("%s of %s, held %d: %+v, %v", word, reason, len(others), r, err)
				}
				if free && (r.Order.TellAt.IsZero() != !o.Undelivered() || r.Order.Dead() || !r.Order.UpdatedAt.Equal(decided)) {
					t.Errorf("%s of %s leaves what waits untold: %+v", word, reason, r.Order)
				}
			}
		}
	}
}

// TestDecideAgain: the same again is no news, something else an error, but for a
// refund that has failed.
func TestDecideAgain(t *testing.T) {
	t.Parallel()
	o, h := situations(t)[trade.ReasonSecondTrade].hold(t, trade.ReasonSecondTrade)
	refund := func(number string, outcome trade.RefundOutcome) trade.Decision {
		return trade.Decision{Word: trade.DecideRefund, At: decided, RequestNo: number, Outcome: outcome}
	}
	dismiss, accept := decision(trade.DecideDismiss), decision(trade.DecideAccept)
	unknown, failed, succeeded := refund("H1", trade.RefundUnknown), refund("H1", trade.RefundFailed), refund("H1", trade.RefundSucceeded)
	for name, tt := range map[string]struct {
		was, now trade.Decision
		news     bool
		err      error
	}{
		"dismissed, dismissed":       {dismiss, dismiss, false, nil},
		"dismissed, refunded":        {dismiss, unknown, false, trade.ErrDecided},
		"dismissed, accepted":        {dismiss, accept, false, trade.ErrDecided},
		"unknown, unknown":           {unknown, unknown, false, nil},
		"unknown, another number":    {unknown, refund("H2", trade.RefundUnknown), false, nil},
		"unknown, another's outcome": {unknown, refund("H2", trade.RefundSucceeded), false, trade.ErrDecided},
		"unknown, succeeded":         {unknown, succeeded, true, nil},
		"unknown, failed":            {unknown, failed, true, nil},
		"unknown, dismissed":         {unknown, dismiss, false, trade.ErrDecided},
		"failed, tried again":        {failed, refund("H2", trade.RefundUnknown), true, nil},
		"failed, dismissed":          {failed, dismiss, true, nil},
		"failed, accepted":           {failed, accept, false, trade.ErrNotAcceptable},
		"succeeded, succeeded":       {succeeded, succeeded, false, nil},
		"succeeded, failed":          {succeeded, failed, false, nil},
		"succeeded, unknown":         {succeeded, unknown, false, nil},
		"succeeded, dismissed":       {succeeded, dismiss, false, trade.ErrDecided},
		"no word":                    {dismiss, trade.Decision{At: decided}, false, trade.ErrNoDecision},
		"another word":               {trade.Decision{}, trade.Decision{Word: "approve"}, false, trade.ErrNoDecision},
	} {
		h.Decision = tt.was
		r, err := trade.Settle(o, h, tt.now, nil)
		if !errors.Is(err, tt.err) || err == nil && r.News != tt.news {
			t.Errorf("%s: news %v, %v", name, r.News, err)
		}
		want := tt.was
		if tt.news {
			want = tt.now
		}
		if err == nil && r.Item.Decision != want {
			t.Errorf("%s: %+v, want %+v", name, r.Item.Decision, want)
		}
	}
}

// TestAnswers: which statements a decision has answered.
func TestAnswers(t *testing.T) {
	t.Parallel()
	o, h := situations(t)[trade.ReasonSecondTrade].hold(t, trade.ReasonSecondTrade)
	same, itsEnd := says(trade.StatusSuccess, tradeNo("T2")), says(trade.StatusFinished, tradeNo("T2"))
	itsRefund, other := says(trade.StatusClosed, tradeNo("T2"), refunded(8888, "H1")), says(trade.StatusSuccess, tradeNo("T3"))
	own := says(trade.StatusFinished)
	failed := decision(trade.DecideRefund)
	failed.Outcome = trade.RefundFailed
	for name, tt := range map[string]struct {
		d        trade.Decision
		answered []trade.Evidence
		news     []trade.Evidence
	}{
		"undecided": {trade.Decision{}, nil, []trade.Evidence{same, itsEnd, itsRefund, other, own}},
		"refunded":  {decision(trade.DecideRefund), []trade.Evidence{same, itsEnd, itsRefund}, []trade.Evidence{other, own}},
		"failed":    {failed, []trade.Evidence{same}, []trade.Evidence{itsEnd, itsRefund, other, own}},
		"dismissed": {decision(trade.DecideDismiss), []trade.Evidence{same, itsEnd, itsRefund}, []trade.Evidence{other, own}},
	} {
		h.Decision = tt.d
		for i, e := range tt.answered {
			if !h.Answers(&o, &e) {
				t.Errorf("%s does not answer %d", name, i)
			}
		}
		for i, e := range tt.news {
			if h.Answers(&o, &e) {
				t.Errorf("%s answers %d", name, i)
			}
		}
	}
	// what was dismissed as incomplete does not swallow the payment itself
	_, h = situations(t)[trade.ReasonIncomplete].hold(t, trade.ReasonIncomplete)
	h.Decision = decision(trade.DecideDismiss)
	unpaid, payment := order(t, 8888), says(trade.StatusSuccess, source(trade.SourceQuery), seller(""))
	if h.Answers(&unpaid, &payment) {
		t.Error("a dismissed statement without a sum answers the payment")
	}
}
