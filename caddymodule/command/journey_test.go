// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func parsed[T any](t *testing.T, r result) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	return v
}

// TestJourney walks an order through the real program: bought, paid, refused by the
// shop, explained, accepted, refunded in part, listed, saved and exported.
func TestJourney(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if r := w.run(0, "doctor"); strings.Contains(r.stdout, `"warning"`) || !strings.Contains(r.stdout, `"ledger-fine"`) {
		t.Errorf("a healthy server: %s", r.stdout)
	}
	w.run(exitNotFound, "show", "TEA-1")
	w.shop.set(func(s *shop) { s.down = true })
	w.order("TEA-1", "88.88")
	w.pay("TEA-1")
	w.until("the shop has refused", func() bool { return strings.Contains(w.run(0, "explain", "TEA-1").stdout, `"refused"`) })
	said := onTerminal(t, w.dir, "zh_CN.UTF-8", "explain", "TEA-1").stdout
	for _, part := range []string{"订单 TEA-1：¥88.88，已支付", "买家被送往收银台（page），¥88.88", "支付宝通知，已验签：¥88.88", "商城未接受事件 1", "503", "再次通知商城事件 1"} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is missing in\n%s", part, said)
		}
	}
	if r := w.run(0, "doctor", "--order", "TEA-1"); !strings.Contains(r.stdout, `"events-undelivered"`) || !strings.Contains(r.stdout, `"order-fine"`) {
		t.Errorf("with an undelivered event: %s", r.stdout)
	}
	event := parsed[struct{ Events []eventView }](t, w.run(0, "events")).Events[0]
	if event.State != "undelivered" || event.Type != "trade.paid" {
		t.Errorf("%+v", event)
	}
	w.run(exitRefused, "redeliver", event.ID)
	w.shop.set(func(s *shop) { s.down = false })
	w.run(0, "redeliver", event.ID)
	if said = onTerminal(t, w.dir, "C.UTF-8", "explain", "TEA-1").stdout; !strings.Contains(said, "the shop accepted event 1") || !strings.Contains(said, "Nothing is left to be done.") {
		t.Errorf("%s", said)
	}
	w.refunds()
	w.copies()
}

func (w *world) refunds() {
	w.t.Helper()
	w.run(0, "refund", "TEA-1", "--amount=8.88", "--number=R1", "--reason=broken", "--yes")
	w.run(0, "refund", "TEA-1", "--amount=8.88", "--number=R1", "--yes") // the same refund
	w.run(exitRefused, "refund", "TEA-1", "--amount=9.88", "--number=R1", "--yes")
	w.run(exitRefused, "refund", "TEA-1", "--amount=80.01", "--number=R2", "--yes")
	w.run(exitRefused, "close", "TEA-1", "--yes")
	o := parsed[orderView](w.t, w.run(0, "query", "TEA-1"))
	if o.RefundedAmount != "8.88" || len(o.Refunds) != 1 || o.Status != "TRADE_SUCCESS" {
		w.t.Errorf("%+v", o)
	}
	if asked := w.run(0, "refund", "TEA-1", "--amount=all", "--number=R2", "--yes"); !strings.Contains(asked.stdout, `"refund_amount":"80.00"`) {
		w.t.Errorf("%+v", asked)
	}
	if o = parsed[orderView](w.t, w.run(0, "show", "TEA-1")); o.Status != "TRADE_CLOSED" || o.RefundedAmount != "88.88" {
		w.t.Errorf("%+v", o)
	}
}

func (w *world) copies() {
	w.t.Helper()
	w.run(0, "backup", "--output", "copy.db")
	w.run(0, "ledger", "check", "copy.db")
	w.run(exitUnavailable, "ledger", "check", "alipay.db") // it is in use
	rows := strings.Split(strings.TrimSpace(w.run(0, "export", "orders").stdout), "\n")
	if len(rows) != 2 || !strings.HasPrefix(rows[1], "TEA-1,") || !strings.Contains(rows[1], ",TRADE_CLOSED,88.88,88.88,") {
		w.t.Errorf("exported %q", rows)
	}
	log, err := os.ReadFile(filepath.Join(w.dir, "caddy.log"))
	if err != nil || !strings.Contains(string(log), "a copy of the ledger was taken") {
		w.t.Errorf("the log does not tell of the copy: %v", err)
	}
	if info, err := os.Stat(filepath.Join(w.dir, "copy.db")); err != nil || info.Mode().Perm() != 0o600 {
		w.t.Errorf("the copy is %v, %v", info, err)
	}
}

// TestHeldJourney: who has paid an older price is told of, and a person decides.
func TestHeldJourney(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order("TEA-2", "5.00")
	w.order("TEA-3", "6.00")
	for _, number := range []string{"TEA-2", "TEA-3"} {
		w.shop.set(func(s *shop) { s.prices[number] = "50.00" })
		w.visit(number) // the price is a new one, but the buyer stays at the old cashier
		w.pay(number)
	}
	held := func() []heldView { return parsed[struct{ Held []heldView }](t, w.run(0, "held")).Held }
	w.until("both are held", func() bool { return len(held()) == 2 })
	if r := w.run(0, "doctor"); !strings.Contains(r.stdout, `"held-waiting"`) {
		t.Errorf("%s", r.stdout)
	}
	for _, h := range held() {
		if h.Reason != "older_price" {
			t.Errorf("%+v", h)
		}
		w.run(exitUsage, "held", "accept", h.ID)
		word := map[string]string{"TEA-2": "accept", "TEA-3": "refund"}[h.OutTradeNo]
		w.run(0, "held", word, h.ID, "--yes")
		w.run(exitRefused, "held", "dismiss", h.ID, "--yes") // it was decided
	}
	if len(held()) != 0 || len(parsed[struct{ Held []heldView }](t, w.run(0, "held", "--decided")).Held) != 2 {
		t.Errorf("still held: %+v", held())
	}
	if o := parsed[orderView](t, w.run(0, "show", "TEA-2")); o.Status != "TRADE_SUCCESS" || o.TotalAmount != "5.00" {
		t.Errorf("%+v", o)
	}
	if trade, err := w.gateway.Trade("TEA-3"); err != nil || trade.RefundedAmount != "6.00" {
		t.Errorf("at Alipay: %+v, %v", trade, err)
	}
	said := onTerminal(t, w.dir, "C.UTF-8", "explain", "TEA-2").stdout
	for _, part := range []string{"because an older price was paid", "a person accepted held", "the shop accepted event 1"} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is missing in\n%s", part, said)
		}
	}
}
