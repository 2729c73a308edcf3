// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"database/sql"
	"net/http"
	"regexp"
	"testing"
)

// TestOrdersSQL buys at a shop that nobody has changed, by the query of
// docs/orders.md: the buyer's session and the price are in the shop's database.
func TestOrdersSQL(t *testing.T) {
	query := regexp.MustCompile(`query "(.*)"`).FindStringSubmatch(doc(t, "orders.md"))
	if query == nil {
		t.Fatal("docs/orders.md shows no query")
	}
	w := newWorld(t, "")
	db, err := sql.Open("sqlite", w.path("shop.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, statement := range []string{
		"PRAGMA journal_mode = WAL",
		"CREATE TABLE orders (no TEXT PRIMARY KEY, user_id INT, amount TEXT, title TEXT, status TEXT)",
		"CREATE TABLE sessions (token TEXT PRIMARY KEY, user_id INT)",
		"INSERT INTO orders VALUES ('Q1', 1, '88.88', '茶叶 tea', 'new'), ('Q2', 2, '1.00', 'hers', 'new')",
		"INSERT INTO sessions VALUES ('his-session', 1)",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	w.loadOrders("orders sql {\ndriver sqlite\ndsn " + w.path("shop.db") + "\nquery \"" + query[1] + "\"\nuser {http.request.cookie.session}\n}")
	pay := func(number, session string) answer {
		return w.do(http.MethodGet, "/pay?out_trade_no="+number, "", http.Header{"Cookie": {"session=" + session}})
	}
	for _, c := range []struct {
		number, session string
		status          int
	}{
		{"Q1", "", 401}, {"Q1", "no-session", 404}, {"Q2", "his-session", 404}, {"Q9", "his-session", 404}, {"Q1", "his-session", 303},
	} {
		if a := pay(c.number, c.session); a.Status != c.status {
			t.Errorf("%s with session %q: answered %d %s, want %d", c.number, c.session, a.Status, a.Body, c.status)
		}
	}
	w.Gateway.Open(pay("Q1", "his-session").Header.Get("Location"))
	if err := w.Gateway.Pay("Q1", 1); err != nil {
		t.Fatal(err)
	}
	w.Gateway.Wait()
	w.Shop.wantTold(t, "Q1 1 trade.paid TRADE_SUCCESS 0.00")
	if tr := must(w.Gateway.Trade("Q1")); tr.Subject != "茶叶 tea" || w.Shop.deliveries()[0].Header.Get("X-Alipay-Trade-Total-Amount") != "88.88" {
		t.Errorf("bought %+v", tr)
	}
	// an order that the shop itself has been paid for, in cash
	if _, err := db.ExecContext(t.Context(), "INSERT INTO orders VALUES ('Q3', 1, '5.00', 'tea', 'paid')"); err != nil {
		t.Fatal(err)
	}
	if a := pay("Q3", "his-session"); a.Status != http.StatusConflict {
		t.Errorf("an order paid otherwise: answered %d", a.Status)
	}
	for range 3 { // reloads close the pools of earlier configurations under nobody
		w.loadOrders("orders sql {\ndriver sqlite\ndsn " + w.path("shop.db") + "\nquery \"" + query[1] + "\"\nuser {http.request.cookie.session}\n}")
		if a := pay("Q2", "his-session"); a.Status != http.StatusNotFound {
			t.Errorf("after a reload: answered %d", a.Status)
		}
	}
}
