// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// TestRefundsWait: while one is unknown, the next one waits; then it has its turn
// by itself.
func TestRefundsWait(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	tl.line.losing(once(refunding, "answer"))
	if got := tl.refund("R1", 1000); got.Outcome != trade.RefundUnknown {
		t.Fatalf("%+v", got)
	}
	if got := tl.refund("R2", 2000); got.Outcome != trade.RefundUnknown {
		t.Fatalf("%+v", got)
	}
	tl.wantCalls(refunding)
	tl.pass(14 * time.Second)
	tl.until("the first is known", func() bool { return tl.outcome("R1") == trade.RefundSucceeded })
	tl.until("the second has its turn", func() bool {
		tl.pass(time.Second)
		return tl.outcome("R2") == trade.RefundSucceeded
	})
	tl.wantCalls(refunding, asking, refunding)
	tl.wantBooks(3000)
	o := tl.now()
	if o.Refunds[0].RequestNo != "R1" || o.Refunds[0].Sum != 1000 || o.Refunds[1].RequestNo != "R2" || o.Refunds[1].Sum != 3000 {
		t.Errorf("%+v", o.Refunds)
	}
}

// TestRefundTakenOver: a process died after it had recorded a refund, or after it
// had noted that it was about to send it.
func TestRefundTakenOver(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sent  bool
		calls []string
	}{
		"before it was sent": {false, []string{refunding}},
		"perhaps sent":       {true, []string{asking, refunding}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tl := newTill(t)
			_, err := tl.ledger.Change(t.Context(), tl.key, func(o *trade.Order) (bool, error) {
				changed, err := o.Intend(trade.RefundIntent{RequestNo: "R1", Amount: 1000, At: tl.clock()})
				if tc.sent {
					o.RefundNext(tl.clock().Add(refundSent))
				}
				return changed, err
			})
			if err != nil {
				t.Fatal(err)
			}
			tl.pass(20 * time.Second)
			if tl.outcome("R1") != trade.RefundUnknown || len(tl.line.asked()) > 0 {
				t.Error("taken over while its process may still be at it")
			}
			tl.pass(11 * time.Second)
			tl.until("it is taken over", func() bool { return tl.outcome("R1") == trade.RefundSucceeded })
			tl.wantCalls(tc.calls...)
			tl.wantBooks(1000)
		})
	}
}

// TestRefundElsewhere: another process has the order's refunds; nothing is sent
// from here before it has done.
func TestRefundElsewhere(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	now := tl.clock()
	if ok, err := tl.ledger.Lease(t.Context(), ledger.TaskRefund, tl.key, "another", now, now.Add(leaseFor)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	done := make(chan trade.RefundIntent)
	go func() { done <- tl.refund("R1", 1000) }()
	tl.until("it is recorded", func() bool { o := tl.now(); return o.Intent("R1") != nil })
	tl.wantCalls()
	if err := tl.ledger.Release(t.Context(), ledger.TaskRefund, tl.key, "another"); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.Outcome != trade.RefundSucceeded {
		t.Errorf("%+v", got)
	}
	tl.wantCalls(refunding)
}

// TestManyProcesses: fifty processes on one ledger refund one order at once, each
// a part that fits only once; and then each the same one.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	tl := newTill(t)
	const processes = 50
	var couriers []*Courier
	for range processes {
		c := New(tl.ledger, tl.AppID, tl.clock)
		c.wait = tl.skip
		couriers = append(couriers, c)
	}
	all := func(number func(int) string, amount trade.Amount) (succeeded, tooMuch int) {
		var mu sync.Mutex
		var wait sync.WaitGroup
		for n, c := range couriers {
			wait.Go(func() {
				o, err := c.Refund(t.Context(), tl.client, tl.key, trade.RefundIntent{RequestNo: number(n), Amount: amount})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, trade.ErrRefundSum):
					tooMuch++
				case err != nil:
					t.Error(err)
				case o.Intent(number(n)).Outcome == trade.RefundSucceeded:
					succeeded++
				}
			})
		}
		wait.Wait()
		return succeeded, tooMuch
	}
	if done, tooMuch := all(func(n int) string { return fmt.Sprintf("R%d", n) }, 5000); done != 1 || tooMuch != processes-1 {
		t.Errorf("%d have refunded, %d would have refunded too much", done, tooMuch)
	}
	tl.wantBooks(5000)
	if done, tooMuch := all(func(int) string { return "S" }, 3888); done != processes || tooMuch != 0 {
		t.Errorf("%d have the same refund, %d have not", done, tooMuch)
	}
	tl.wantBooks(8888)
	tl.wantCalls(refunding, refunding)
	for _, c := range couriers {
		if err := c.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
