// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

var otherKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// hold has an order paid at the sandbox that was never sent to its cashier from
// here, and returns the id of what is held because of it.
func (tl *till) hold(no string) string {
	tl.office.t.Helper()
	tl.Buy(no, "12.34", "", "")
	e, err := tl.client.Query(tl.office.t.Context(), no)
	if err != nil {
		tl.office.t.Fatal(err)
	}
	out, err := tl.c.Record(tl.office.t.Context(), e)
	if err != nil || out.Held == nil {
		tl.office.t.Fatalf("%+v, %v", out, err)
	}
	return out.Held.ID
}

func (tl *till) settle(id string, word trade.Decide) trade.Decision {
	tl.office.t.Helper()
	done, err := tl.c.Settle(tl.office.t.Context(), tl.client, id, trade.Decision{Word: word})
	if err != nil {
		tl.office.t.Fatal(err)
	}
	return done.Item.Decision
}

func (tl *till) decision(id string) trade.Decision {
	tl.office.t.Helper()
	item, err := tl.ledger.HeldItem(tl.office.t.Context(), id)
	if err != nil {
		tl.office.t.Fatal(err)
	}
	return item.Decision
}

func (tl *till) wantRefunded(no, amount string) {
	tl.office.t.Helper()
	tr, err := tl.Trade(no)
	if err != nil || tr.RefundedAmount != amount {
		tl.office.t.Errorf("%s: refunded %s, want %s (%v)", no, tr.RefundedAmount, amount, err)
	}
}

// TestRefundHeld gives back in full what was paid for an order that nobody knows,
// once, and no other decision is taken after it.
func TestRefundHeld(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	id := tl.hold("U1")
	for range 2 {
		if d := tl.settle(id, trade.DecideRefund); d.Outcome != trade.RefundSucceeded || d.RequestNo != "held-"+id {
			t.Errorf("%+v", d)
		}
	}
	tl.wantCalls(refunding)
	tl.wantRefunded("U1", "12.34")
	if _, err := tl.c.Settle(t.Context(), tl.client, id, trade.Decision{Word: trade.DecideDismiss}); !errors.Is(err, trade.ErrDecided) {
		t.Errorf("dismissed afterwards: %v", err)
	}
	if _, err := tl.c.Settle(t.Context(), tl.client, "no such id", trade.Decision{Word: trade.DecideRefund}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestRefundHeldUnknown: the courier goes on by itself, also in another process.
func TestRefundHeldUnknown(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	id := tl.hold("U1")
	tl.line.losing(func(string) string { return "answer" })
	if d := tl.settle(id, trade.DecideRefund); d.Outcome != trade.RefundUnknown {
		t.Errorf("%+v", d)
	}
	tl.line.losing(nil)
	tl.pass(14 * time.Second)
	tl.until("it is known", func() bool { return tl.decision(id).Outcome == trade.RefundSucceeded })
	tl.wantRefunded("U1", "12.34")
	tl.wantCalls(refunding, asking)

	// one that an earlier process has left
	id = tl.hold("U2")
	if _, err := tl.ledger.Decide(t.Context(), id, trade.Decision{
		Word: trade.DecideRefund, At: tl.clock(), RequestNo: "held-" + id, Outcome: trade.RefundUnknown,
	}); err != nil {
		t.Fatal(err)
	}
	next := New(tl.ledger, tl.AppID, tl.clock)
	stop := next.Inquire(tl.client)
	tl.until("it is read", func() bool { got, _ := next.refunders.held.earliest(); return got == id })
	tl.pass(14 * time.Second)
	poke(next.refunders.held.wake)
	tl.until("it is taken over", func() bool { return tl.decision(id).Outcome == trade.RefundSucceeded })
	tl.wantRefunded("U2", "12.34")
	stop()
	if err := next.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRefundHeldRefused: it failed for good, may be tried again, or decided
// otherwise.
func TestRefundHeldRefused(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	id := tl.hold("U1")
	tl.faults(sandbox.Fault{Name: "refund_seller_balance"})
	if d := tl.settle(id, trade.DecideRefund); d.Outcome != trade.RefundFailed || d.Failure != "ACQ.SELLER_BALANCE_NOT_ENOUGH" {
		t.Errorf("%+v", d)
	}
	tl.wantRefunded("U1", "0.00")
	tl.faults()
	if d := tl.settle(id, trade.DecideRefund); d.Outcome != trade.RefundSucceeded {
		t.Errorf("%+v", d)
	}
	tl.wantRefunded("U1", "12.34")
}

// TestAcceptHeld: what is accepted is told, and refunded like any order then.
func TestAcceptHeld(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	id := tl.hold("U1")
	tl.until("the first order is told", func() bool { return tl.shop.seen() == 1 })
	if _, err := tl.c.Settle(t.Context(), tl.client, id, trade.Decision{Word: trade.DecideAccept}); !errors.Is(err, trade.ErrNeedsSite) {
		t.Errorf("without a site: %v", err)
	}
	done, err := tl.c.Settle(t.Context(), tl.client, id, trade.Decision{Word: trade.DecideAccept, PublicURL: siteURL})
	if err != nil || !done.Order.Paid {
		t.Fatalf("%+v, %v", done, err)
	}
	tl.until("the shop is told", func() bool { return tl.shop.seen() == 2 })
	tl.key.OutTradeNo = "U1"
	if got := tl.refund("R1", 1234); got.Outcome != trade.RefundSucceeded {
		t.Errorf("%+v", got)
	}
	tl.wantRefunded("U1", "12.34")
}

// TestGivenBackIsNotAccepted: a notice and a query's answer about one payment are
// two statements. Once one has led to a refund, the other is not accepted as paid,
// whether the order exists or not.
func TestGivenBackIsNotAccepted(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	for _, no := range []string{"U1", "C1"} {
		if no == "C1" {
			k := tl.attempt(tl.AppID, no, time.Hour)
			if _, err := tl.c.Record(t.Context(), trade.Evidence{
				Source: trade.SourceQuery, AppID: k.AppID, OutTradeNo: no, Status: trade.StatusClosed, Total: 8888, ReceivedAt: tl.clock(),
			}); err != nil {
				t.Fatal(err)
			}
		}
		tl.Buy(no, "88.88", "", "")
		e, err := tl.client.Query(t.Context(), no)
		if err != nil {
			t.Fatal(err)
		}
		asked, err := tl.c.Record(t.Context(), e)
		if err != nil || asked.Held == nil {
			t.Fatalf("%+v, %v", asked, err)
		}
		e.Source, e.SellerID = trade.SourceNotify, sandbox.DefaultSellerID
		noticed, err := tl.c.Record(t.Context(), e)
		if err != nil || noticed.Held == nil || noticed.Held.ID == asked.Held.ID {
			t.Fatalf("%+v, %v", noticed, err)
		}
		if d := tl.settle(asked.Held.ID, trade.DecideRefund); d.Outcome != trade.RefundSucceeded {
			t.Fatalf("%+v", d)
		}
		_, err = tl.c.Settle(t.Context(), tl.client, noticed.Held.ID, trade.Decision{Word: trade.DecideAccept, PublicURL: siteURL})
		if !errors.Is(err, trade.ErrDecided) {
			t.Errorf("%s: %v", no, err)
		}
		tl.settle(noticed.Held.ID, trade.DecideDismiss)
	}
}

// TestOwnTradeIsRefundedByItsOrder: a doubtful statement about the trade that pays
// an order is not refunded behind the order's back.
func TestOwnTradeIsRefundedByItsOrder(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	o := tl.now()
	e := tl.statement("A1", trade.StatusSuccess, o.TradeNo)
	e.AppID, e.Total = tl.AppID, 8889
	out, err := tl.c.Record(t.Context(), e)
	if err != nil || out.Held == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := tl.c.Settle(t.Context(), tl.client, out.Held.ID, trade.Decision{Word: trade.DecideRefund}); !errors.Is(err, trade.ErrOwnTrade) {
		t.Errorf("%v", err)
	}
	tl.wantCalls()
	if d := tl.settle(out.Held.ID, trade.DecideDismiss); d.Word != trade.DecideDismiss {
		t.Errorf("%+v", d)
	}
}
