// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade_test

import (
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func TestAgendaOfAPayment(t *testing.T) {
	t.Parallel()
	o := order(t, 8888)
	if want := bought.Add(30 * time.Second); !o.AskAt.Equal(want) || !o.TellAt.IsZero() {
		t.Fatalf("after the attempt: %+v", o.Agenda)
	}
	paidAt := bought.Add(time.Hour)
	o, _, _ = run(o, says(trade.StatusSuccess))
	if !o.AskAt.IsZero() || !o.TellAt.Equal(paidAt.Add(5*time.Second)) {
		t.Fatalf("after the payment: %+v", o.Agenda)
	}
	again := paidAt.Add(time.Minute)
	if !o.Refuse(1, "no", paidAt, again) || !o.TellAt.Equal(again) || o.Refusals != 1 || !o.RefusedSince.Equal(paidAt) {
		t.Fatalf("after a refusal: %+v", o.Agenda)
	}
	if o.Refuse(2, "no", paidAt, again) || o.Refuse(0, "no", paidAt, again) {
		t.Fatal("an event that is not the next one was refused")
	}
	if !o.Refuse(1, "no", again, time.Time{}) || !o.Dead() || !o.RefusedSince.Equal(paidAt) {
		t.Fatalf("after the last refusal: %+v", o.Agenda)
	}
	o, _, _ = run(o, says(trade.StatusSuccess, refunded(10, "R1")))
	if o.Dead() || o.TellAt.IsZero() || o.Refusals != 0 {
		t.Fatalf("news did not revive the order: %+v", o.Agenda)
	}
	if !o.Accept(1) || o.TellAt.IsZero() || !o.Undelivered() {
		t.Fatalf("after the first of two is accepted: %+v", o.Agenda)
	}
	if !o.Accept(9) || o.Accepted != 2 || !o.TellAt.IsZero() || o.Accept(2) || o.Refuse(2, "no", again, again) {
		t.Fatalf("after both are accepted: %+v", o)
	}
}

func TestAgendaOfAContradiction(t *testing.T) {
	t.Parallel()
	o, _, _ := run(order(t, 8888), says(trade.StatusSuccess), says(trade.StatusClosed))
	if !o.TellAt.IsZero() || !o.AskAt.IsZero() || o.Dead() || o.AskNext(bought) || o.Refuse(1, "no", bought, bought) {
		t.Fatalf("a held order still has something to do: %+v", o.Agenda)
	}
}

func TestAgendaOfAsking(t *testing.T) {
	t.Parallel()
	o := order(t, 8888)
	next := bought.Add(time.Minute)
	if !o.AskNext(next) || !o.AskAt.Equal(next) || o.Asked != 1 {
		t.Fatalf("%+v", o.Agenda)
	}
	o, _, _ = run(o, says(trade.StatusWait))
	if !o.AskAt.Equal(next) {
		t.Fatal("an order that waits for its buyer is no longer asked about")
	}
	o, _ = o.Attempt(key, trade.Attempt{Total: 8888, At: next})
	if o.Asked != 0 || !o.AskAt.After(next) {
		t.Fatalf("a new attempt does not ask anew: %+v", o.Agenda)
	}
}
