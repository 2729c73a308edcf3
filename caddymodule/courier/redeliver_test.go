// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// lastEvent is the id of the journal's last entry.
func (o *office) lastEvent() string {
	o.t.Helper()
	entries, err := o.ledger.Events(o.t.Context(), "", ledger.MaxLimit)
	if err != nil || len(entries) == 0 {
		o.t.Fatalf("%d entries, %v", len(entries), err)
	}
	return entries[len(entries)-1].Event.ID
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	if err := o.pays("A1"); err != nil {
		t.Fatal(err)
	}
	id := o.lastEvent()
	if d, err := o.c.Redeliver(t.Context(), id); err != nil || d.Event.ID != id { // accepted before
		t.Errorf("%+v, %v", d, err)
	}
	o.shop.answer(http.StatusInternalServerError)
	if _, err := o.c.Redeliver(t.Context(), id); !errors.Is(err, shop.ErrRefused) {
		t.Errorf("refused: %v", err)
	}
	if got := o.order("A1"); got.Undelivered() || got.Refusals != 0 {
		t.Errorf("telling again what was accepted has changed the order: %+v", got.Agenda)
	}
	if _, err := o.c.Redeliver(t.Context(), "no such id"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("%v", err)
	}
	for _, have := range o.shop.got {
		if have != id {
			t.Errorf("told under %q", o.shop.got)
		}
	}
}

// TestRedeliverDead has an event told that the courier has given up.
func TestRedeliverDead(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.shop.answer(http.StatusInternalServerError)
	if err := o.pays("A1"); err == nil {
		t.Fatal("accepted")
	}
	k := trade.Key{AppID: "app", OutTradeNo: "A1"}
	if _, err := o.ledger.Change(t.Context(), k, func(o *trade.Order) (bool, error) {
		return o.Refuse(1, "it is dead", start, time.Time{}), nil
	}); err != nil {
		t.Fatal(err)
	}
	id := o.lastEvent()
	d, err := o.c.Redeliver(t.Context(), id)
	if !errors.Is(err, shop.ErrRefused) || d.Order.Dead() || d.Order.TellAt.IsZero() {
		t.Errorf("still refused: %+v, %v", d.Order.Agenda, err)
	}
	o.shop.answer(http.StatusOK)
	if d, err := o.c.Redeliver(t.Context(), id); err != nil || d.Order.Accepted != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	o.close()
	if _, err := o.c.Redeliver(t.Context(), id); !errors.Is(err, ErrNoSite) {
		t.Errorf("without its site: %v", err)
	}
	o.close = o.c.Open(o.site)
}

// TestRedeliverWithheld: nothing is told of an order that contradicts itself, not
// even by a person's wish.
func TestRedeliverWithheld(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	if err := o.pays("A1"); err != nil {
		t.Fatal(err)
	}
	id := o.lastEvent()
	o.record(o.statement("A1", trade.StatusSuccess, "TOTHER"))
	if _, err := o.c.Redeliver(t.Context(), id); !errors.Is(err, ErrWithheld) {
		t.Errorf("%v", err)
	}
	if o.shop.seen() != 1 {
		t.Errorf("told %d times", o.shop.seen())
	}
}
