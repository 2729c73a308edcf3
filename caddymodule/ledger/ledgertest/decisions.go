// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"errors"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// decidedAt is when a person decides in these tests.
var decidedAt = bought.Add(48*time.Hour + 678*time.Nanosecond)

func deciding(word trade.Decide) trade.Decision {
	d := trade.Decision{Word: word, At: decidedAt}
	if word == trade.DecideRefund {
		d.RequestNo, d.Outcome = "H1", trade.RefundUnknown
	}
	return d
}

func (s *subject) decide(id string, d trade.Decision) trade.Decided {
	s.Helper()
	r, err := s.Decide(s.Context(), id, d)
	if err != nil {
		s.Fatalf("deciding %s: %v", d.Word, err)
	}
	item, err := s.HeldItem(s.Context(), id)
	if err != nil {
		s.Fatalf("the decided item: %v", err)
	}
	same(s, "the item as read", item, r.Item)
	if r.Order.Exists() {
		same(s, "the order as read", s.order(r.Order.Key()), r.Order)
	}
	return r
}

// wantHeld checks what waits, and what is listed with the decided ones.
func (s *subject) wantHeld(waiting, all int) {
	s.Helper()
	if got, list := s.held(), s.allHeld(); len(got) != waiting || len(list) != all {
		s.Errorf("%d wait of %d, want %d of %d", len(got), len(list), waiting, all)
	}
	for _, h := range s.held() {
		if !h.Waits() {
			s.Errorf("listed although it waits for nobody: %+v", h)
		}
	}
}

// allHeld is all that is or was held.
func (s *subject) allHeld() []trade.Held {
	s.Helper()
	list, err := allHeld(s.Context(), s.Ledger, ledger.HeldQuery{Decided: true, Limit: 2})
	if err != nil {
		s.Fatalf("held: %v", err)
	}
	return list
}

// accepting what was held about an unknown order makes the order and tells it.
func acceptingHeld(s *subject) {
	k := order("U")
	e := says(k, trade.StatusSuccess)
	id := s.record(e).Held.ID
	if _, err := s.Decide(s.Context(), id, deciding(trade.DecideAccept)); !errors.Is(err, trade.ErrNeedsSite) {
		s.Fatalf("accepting for no site: %v", err)
	}
	s.wantHeld(1, 1)
	d := deciding(trade.DecideAccept)
	d.PublicURL = site
	r := s.decide(id, d)
	if !r.News || len(r.Events) != 1 || r.Events[0].ID == "" || !r.Order.Paid || r.Item.Decision.Word != trade.DecideAccept {
		s.Fatalf("accepting: %+v", r)
	}
	d.At = decidedAt.Truncate(time.Microsecond)
	same(s, "the decision", r.Item.Decision, d)
	s.reopen()
	list := s.undelivered(k)
	if len(list) != 1 || list[0].Event.ID != r.Events[0].ID || string(list[0].Original) != string(e.Raw) {
		s.Errorf("undelivered: %+v", list)
	}
	s.wantHeld(0, 1)
	if out := s.record(e); !out.Repeat || out.Held != nil || len(out.Events) > 0 {
		s.Errorf("the statement once more: %+v", out)
	}
	if again := s.decide(id, d); again.News || len(again.Events) > 0 {
		s.Errorf("accepting again: %+v", again)
	}
	for _, word := range []trade.Decide{trade.DecideDismiss, trade.DecideRefund} {
		if _, err := s.Decide(s.Context(), id, deciding(word)); !errors.Is(err, trade.ErrDecided) {
			s.Errorf("deciding %s after accept: %v", word, err)
		}
	}
	if orders := s.orders(ledger.OrderQuery{}); len(orders) != 1 || orders[0].PublicURL() != site {
		s.Errorf("orders: %+v", orders)
	}
}

// acceptingOtherTerms: what is accepted are the order's terms from then on.
func acceptingOtherTerms(s *subject) {
	for number, change := range map[string]func(*trade.Evidence){
		"amount": total(8887),
		"seller": func(e *trade.Evidence) { e.SellerID = "2088000000000009" },
	} {
		k := order(number)
		s.attempt(k)
		out := s.record(says(k, trade.StatusSuccess, change))
		r := s.decide(out.Held.ID, deciding(trade.DecideAccept))
		if !r.Order.Paid || len(r.Events) != 1 || r.Order.Total != out.Held.Evidence.Total {
			s.Errorf("%s: %+v", number, r)
		}
		if out := s.record(says(k, trade.StatusFinished, change)); out.Held != nil || len(out.Events) != 1 {
			s.Errorf("%s, its next statement: %+v", number, out)
		}
	}
	s.wantHeld(0, 2)
}

// dismissing frees an order of its contradictions, one after the other.
func dismissing(s *subject) {
	k := s.paid("A")
	closed, second := says(k, trade.StatusClosed), says(k, trade.StatusSuccess, tradeNo("T2"))
	first, other := s.record(closed).Held.ID, s.record(second).Held.ID
	if list := s.undelivered(k); len(list) != 1 || !s.order(k).Contradicted {
		s.Fatalf("contradicted: %+v", list)
	}
	if r := s.decide(first, deciding(trade.DecideDismiss)); !r.News || !r.Order.Contradicted || len(r.Events) > 0 {
		s.Fatalf("with one of two dismissed: %+v", r)
	}
	r := s.decide(other, deciding(trade.DecideDismiss))
	if !r.News || r.Order.Contradicted || !r.Changed || r.Order.TellAt.IsZero() || len(r.Events) > 0 {
		s.Fatalf("with both dismissed: %+v", r)
	}
	s.reopen()
	before := s.order(k)
	for _, e := range []trade.Evidence{closed, second} {
		if out := s.record(e); !out.Repeat || out.Held != nil || out.Order.Contradicted {
			s.Errorf("a dismissed statement once more: %+v", out)
		}
	}
	same(s, "the order", s.order(k), before)
	s.wantHeld(0, 2)
	s.wantDue(ledger.TaskTell, site, "one", decidedAt.Add(time.Minute), "A")
	if again := s.decide(first, deciding(trade.DecideDismiss)); again.News {
		s.Errorf("dismissed again: %+v", again)
	}
	if out := s.record(says(k, trade.StatusFinished)); len(out.Events) != 1 {
		s.Errorf("what comes after: %+v", out)
	}
}

// refundingHeld: a decided refund waits for its outcome, and frees the order with
// its success.
func refundingHeld(s *subject) {
	k := s.paid("A")
	e := says(k, trade.StatusSuccess, tradeNo("T2"))
	id := s.record(e).Held.ID
	d := deciding(trade.DecideRefund)
	if r := s.decide(id, d); !r.News || !r.Order.Contradicted {
		s.Fatalf("deciding to refund: %+v", r)
	}
	if r := s.decide(id, d); r.News {
		s.Errorf("deciding so again: %+v", r)
	}
	s.wantHeld(1, 1)
	if out := s.record(e); !out.Repeat || out.Held == nil || out.Held.Decision.Word != trade.DecideRefund {
		s.Errorf("the statement while its refund is open: %+v", out)
	}
	if _, err := s.Decide(s.Context(), id, deciding(trade.DecideDismiss)); !errors.Is(err, trade.ErrDecided) {
		s.Errorf("dismissing what is being refunded: %v", err)
	}
	d.Outcome, d.Failure = trade.RefundFailed, "ACQ.SELLER_BALANCE_NOT_ENOUGH"
	if r := s.decide(id, d); !r.News || r.Item.Decision.Failure != d.Failure {
		s.Errorf("a failed refund: %+v", r)
	}
	s.reopen()
	s.wantHeld(1, 1)
	d = deciding(trade.DecideRefund)
	d.RequestNo = "H2"
	s.decide(id, d)
	d.Outcome = trade.RefundSucceeded
	if r := s.decide(id, d); !r.News || r.Order.Contradicted || r.Order.TellAt.IsZero() {
		s.Errorf("refunded: %+v", r)
	}
	s.wantHeld(0, 1)
	if out := s.record(e); !out.Repeat || out.Held != nil || out.Order.Contradicted {
		s.Errorf("the statement after its refund: %+v", out)
	}
}

// decisionsReachOn: what goes on about a decided trade is no news, and marks no
// order again.
func decisionsReachOn(s *subject) {
	refundedTrade, left := s.paid("A"), s.paid("B")
	second := s.record(says(refundedTrade, trade.StatusSuccess, tradeNo("T2"))).Held.ID
	d := deciding(trade.DecideRefund)
	s.decide(second, d)
	d.Outcome = trade.RefundSucceeded
	s.decide(second, d)
	s.decide(s.record(says(left, trade.StatusSuccess, tradeNo("T2"))).Held.ID, deciding(trade.DecideDismiss))

	closedLate := order("C")
	s.attempt(closedLate)
	s.record(says(closedLate, trade.StatusClosed))
	s.decide(s.record(says(closedLate, trade.StatusSuccess)).Held.ID, deciding(trade.DecideAccept))
	closedTwice := s.paid("D")
	s.decide(s.record(says(closedTwice, trade.StatusClosed)).Held.ID, deciding(trade.DecideDismiss))

	s.reopen()
	events := len(s.events())
	for _, e := range []trade.Evidence{
		says(refundedTrade, trade.StatusClosed, tradeNo("T2"), refunded(8888, "H1")), says(refundedTrade, trade.StatusFinished, tradeNo("T2")),
		says(left, trade.StatusFinished, tradeNo("T2")), says(closedLate, trade.StatusClosed),
		says(closedTwice, trade.StatusClosed, source(trade.SourceQuery), func(e *trade.Evidence) { e.SellerID = "" }),
	} {
		if out := s.record(e); !out.Repeat || out.Held != nil || out.Order.Contradicted || !out.Order.Paid {
			s.Errorf("%s of %s of %s: %+v", e.Status, e.TradeNo, e.OutTradeNo, out)
		}
	}
	if n := len(s.events()); n != events || len(s.held()) > 0 {
		s.Errorf("%d events after %d, held %+v", n, events, s.held())
	}
	// another trade is news
	if out := s.record(says(refundedTrade, trade.StatusSuccess, tradeNo("T3"))); out.Held == nil || !out.Order.Contradicted {
		s.Errorf("a third trade: %+v", out)
	}
}

// openRefundIsNamed: what goes on about a trade that is being refunded is a repeat
// that names the item, also where it would change nothing anyway.
func openRefundIsNamed(s *subject) {
	k := order("A")
	s.attempt(k)
	closed := says(k, trade.StatusClosed)
	s.record(closed)
	item := s.record(says(k, trade.StatusSuccess)).Held.ID
	s.decide(item, deciding(trade.DecideRefund))
	for range 2 {
		closed.ReceivedAt = closed.ReceivedAt.Add(time.Second)
		if out := s.record(closed); !out.Repeat || out.Held == nil || out.Held.ID != item {
			s.Errorf("while the refund is open: %+v", out)
		}
	}
}

// othersFirst: a late payment cannot be accepted while another one waits, and can
// once that is decided.
func othersFirst(s *subject) {
	k := order("A")
	s.attempt(k)
	s.record(says(k, trade.StatusClosed))
	first := s.record(says(k, trade.StatusSuccess)).Held.ID
	second := s.record(says(k, trade.StatusSuccess, tradeNo("T2"))).Held.ID
	before := s.everything()
	if _, err := s.Decide(s.Context(), first, deciding(trade.DecideAccept)); !errors.Is(err, trade.ErrOthersFirst) {
		s.Errorf("accepting beside another: %v", err)
	}
	same(s, "everything", s.everything(), before)
	s.decide(second, deciding(trade.DecideDismiss))
	if done := s.decide(first, deciding(trade.DecideAccept)); !done.Order.Paid || done.Order.Contradicted {
		s.Errorf("accepted: %+v", done.Order)
	}
}

// givenBackIsNotAccepted: of two statements about one payment, one is not accepted
// while the other's refund is under way; and a payment that was accepted by one is
// not refunded by the other.
func givenBackIsNotAccepted(s *subject) {
	d := deciding(trade.DecideAccept)
	d.PublicURL = site
	twice := func(k trade.Key) (asked, noticed string) {
		asked = s.record(says(k, trade.StatusSuccess, source(trade.SourceQuery), func(e *trade.Evidence) { e.SellerID = "" })).Held.ID
		return asked, s.record(says(k, trade.StatusSuccess)).Held.ID
	}
	asked, noticed := twice(order("U"))
	refund := deciding(trade.DecideRefund)
	s.decide(asked, refund)
	if _, err := s.Decide(s.Context(), noticed, d); !errors.Is(err, trade.ErrDecided) {
		s.Errorf("accepting what is being given back: %v", err)
	}
	refund.Outcome, refund.Failure = trade.RefundFailed, "ACQ.SELLER_BALANCE_NOT_ENOUGH"
	s.decide(asked, refund)
	s.reopen()
	if r := s.decide(noticed, d); !r.Order.Paid || len(r.Events) != 1 {
		s.Errorf("accepting what could not be given back: %+v", r)
	}
	if _, err := s.Decide(s.Context(), asked, deciding(trade.DecideRefund)); !errors.Is(err, trade.ErrOwnTrade) {
		s.Errorf("giving back what was accepted: %v", err)
	}
}

// decisionsAreRefused: the error comes back as it is, and nothing has changed.
func decisionsAreRefused(s *subject) {
	k := s.paid("A")
	closed := s.record(says(k, trade.StatusClosed)).Held.ID
	second := s.record(says(k, trade.StatusSuccess, tradeNo("T2"))).Held.ID
	before := s.everything()
	for _, tt := range []struct {
		id   string
		word trade.Decide
		want error
	}{
		{"none", trade.DecideDismiss, ledger.ErrNotFound},
		{"", trade.DecideDismiss, ledger.ErrNotFound},
		{closed, trade.DecideAccept, trade.ErrNotAcceptable},
		{closed, trade.DecideRefund, trade.ErrNoMoney},
		{second, trade.DecideAccept, trade.ErrNotAcceptable},
		{second, trade.DecideNone, trade.ErrNoDecision},
		{second, "approve", trade.ErrNoDecision},
	} {
		if _, err := s.Decide(s.Context(), tt.id, deciding(tt.word)); !errors.Is(err, tt.want) || errors.Is(err, ledger.ErrUnavailable) {
			s.Errorf("%s of %q: %v, want %v", tt.word, tt.id, err, tt.want)
		}
	}
	if _, err := s.HeldItem(s.Context(), "none"); !errors.Is(err, ledger.ErrNotFound) {
		s.Errorf("an unknown item: %v", err)
	}
	same(s, "everything", s.everything(), before)
}

// heldByApp: items are listed for one app, too.
func heldByApp(s *subject) {
	other := trade.Key{AppID: "2021000000000002", OutTradeNo: "A"}
	var want []trade.Held
	for _, number := range []string{"A", "B", "C"} {
		want = append(want, *s.record(says(order(number), trade.StatusSuccess)).Held)
		s.record(says(other, trade.StatusSuccess, tradeNo("T"+number)))
	}
	got, err := allHeld(s.Context(), s.Ledger, ledger.HeldQuery{AppID: appID, Limit: 1})
	if err != nil {
		s.Fatal(err)
	}
	same(s, "what is held for the app", got, want)
	s.decide(want[1].ID, deciding(trade.DecideDismiss))
	got, err = allHeld(s.Context(), s.Ledger, ledger.HeldQuery{AppID: appID, Limit: 1})
	if err != nil {
		s.Fatal(err)
	}
	same(s, "what waits for the app", got, []trade.Held{want[0], want[2]})
}
