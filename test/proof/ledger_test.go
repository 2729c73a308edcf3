// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// auditor reads the ledger of a program that has ended, and remembers how far it
// has read the journal.
type auditor struct {
	*world
	after     string         // the last event read
	sequences map[string]int // by order, as the journal has them
	ids       map[string]string
}

func newAuditor(w *world) *auditor {
	return &auditor{world: w, sequences: map[string]int{}, ids: map[string]string{}}
}

// audit opens the ledger that a dead program has left, checks it and its journal,
// and shows it to look.
func (a *auditor) audit(look func(l ledger.Ledger)) {
	a.t.Helper()
	a.ledger.check(a.t)
	l := a.ledger.open(a.t)
	defer func() {
		if err := l.Close(); err != nil {
			a.t.Error(err)
		}
	}()
	a.journal(l)
	look(l)
}

// journal reads the events since the last time: the sequences of an order have no
// gap, and the shop was told each event under the id that it has here.
func (a *auditor) journal(l ledger.Ledger) {
	a.t.Helper()
	for {
		page, err := l.Events(a.t.Context(), a.after, ledger.MaxLimit)
		if err != nil {
			a.t.Fatal(err)
		}
		for _, e := range page {
			no := e.Key.OutTradeNo
			if a.sequences[no]++; e.Event.Sequence != a.sequences[no] {
				a.t.Errorf("%s: event %d in place of %d", no, e.Event.Sequence, a.sequences[no])
			}
			if h := a.shop.of(no); len(h.ids) >= e.Event.Sequence && h.ids[e.Event.Sequence-1] != e.Event.ID {
				a.t.Errorf("%s: event %d is %s, and was told as %s", no, e.Event.Sequence, e.Event.ID, h.ids[e.Event.Sequence-1])
			}
			a.after = e.Event.ID
		}
		if len(page) < ledger.MaxLimit {
			return
		}
	}
}

func (w *world) order(l ledger.Ledger, no string) trade.Order {
	w.t.Helper()
	o, err := l.Order(w.t.Context(), trade.Key{AppID: w.gateway.AppID, OutTradeNo: no})
	if err != nil {
		w.t.Fatalf("%s: %v", no, err)
	}
	return o
}

// wantKept fails unless the ledger holds what a notice has stated that was
// answered success, and the shop has accepted it.
func (a *auditor) wantKept(l ledger.Ledger, n notice) {
	a.t.Helper()
	o := a.order(l, n.no)
	h := a.shop.of(n.no)
	events := 1
	if n.finished || n.refunded != "" {
		events = 2
	}
	if !o.Paid || o.Sequence < events || a.sequences[n.no] != o.Sequence || o.Accepted > h.accepted || n.finished && !o.Finished ||
		n.refunded != "" && o.Refunded().String() < n.refunded {
		a.t.Errorf("%+v was acknowledged; the ledger has %+v", n, o)
	}
	if h.accepted < events || h.types[0] != string(trade.EventPaid) {
		a.t.Errorf("%+v was acknowledged; the shop has accepted %d of %v", n, h.accepted, h.types)
	}
}
