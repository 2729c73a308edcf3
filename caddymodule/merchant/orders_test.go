// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// numbers are the out_trade_no of a list.
func (a answer) numbers(list string) (all []string) {
	for _, item := range a.list(list) {
		no, _ := item["out_trade_no"].(string)
		all = append(all, no)
	}
	return all
}

func TestShowOrder(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.sent("A1", "88.88")
	a := o.call("GET", "/orders/A1", "").want(200, "")
	if a.text("status") != "" || a.text("total_amount") != "88.88" || a.text("refunded_amount") != "0.00" || a.text("public_url") != siteURL {
		t.Errorf("%s", a.Body)
	}
	o.paid("A2", "1.00")
	a = o.call("GET", "/orders/A2", "").want(200, "")
	tr, err := o.Trade("A2")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"out_trade_no": "A2", "trade_no": tr.TradeNo, "status": "TRADE_SUCCESS", "buyer_id": tr.BuyerID, "paid_at": tr.GmtPayment, "source": "query", "app_id": o.AppID,
	} {
		if a.text(name) != want {
			t.Errorf("%s is %q, want %q", name, a.text(name), want)
		}
	}
	o.call("GET", "/orders/A3", "").want(404, "order-not-found")
	o.call("GET", "/orders/A2?x=1", "").want(400, "invalid-parameter")
	if a := o.call("HEAD", "/orders/A2", ""); a.Status != 200 || a.Body != "" {
		t.Errorf("HEAD was answered %d %q", a.Status, a.Body)
	}
}

func TestListOrders(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for i := range 5 {
		o.sent(fmt.Sprint("A", i), "1.00")
	}
	o.paid("P1", "1.00")
	var all []string
	next := ""
	for range 10 {
		a := o.call("GET", "/orders?limit=2&cursor="+url.QueryEscape(next), "").want(200, "")
		all = append(all, a.numbers("orders")...)
		if next = a.text("next_cursor"); next == "" {
			break
		}
		if len(all) == 2 {
			o.sent("A5", "1.00") // comes while the list is read
		}
	}
	if want := []string{"A0", "A1", "A2", "A3", "A4", "P1", "A5"}; !slices.Equal(all, want) {
		t.Errorf("listed %v", all)
	}
	if got := o.call("GET", "/orders?status=TRADE_SUCCESS", "").want(200, "").numbers("orders"); !slices.Equal(got, []string{"P1"}) {
		t.Errorf("paid: %v", got)
	}
	if got := o.call("GET", "/orders?status=none&limit=500", "").want(200, "").numbers("orders"); len(got) != 6 {
		t.Errorf("unproved: %v", got)
	}
	since := o.order("A5").CreatedAt.In(trade.Zone).Format(time.RFC3339Nano)
	if got := o.call("GET", "/orders?status=&since="+url.QueryEscape(since), "").want(200, "").numbers("orders"); !slices.Equal(got, []string{"A5"}) {
		t.Errorf("since %s: %v", since, got)
	}
	for _, query := range []string{
		"status=PAID", "status=trade_success", "since=yesterday", "since=2026-03-14T10:20:00", "limit=0", "limit=501", "limit=-1", "limit=ten", "limit=1.5",
		"cursor=nonsense", "stauts=TRADE_SUCCESS", "limit=1&limit=2", "cursor=%zz", "a;b", "cursor=" + fmt.Sprintf("%05000d", 1),
	} {
		o.call("GET", "/orders?"+query, "").want(400, "invalid-parameter")
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.sent("A1", "88.88")
	if a := o.call("POST", "/orders/A1/query", "").want(200, ""); a.text("status") != "" {
		t.Errorf("before the buyer has opened it: %s", a.Body)
	}
	o.Buy("A1", "88.88", "", "")
	o.breaks(func(string) error { return errGone })
	o.call("POST", "/orders/A1/query", "").want(502, "alipay-unreachable")
	o.breaks(func(string) error { return hangs{} })
	o.call("POST", "/orders/A1/query", "{}").want(504, "alipay-timeout")
	o.breaks(nil)
	for _, fault := range []string{"answer_500", "answer_other_order", "answer_wrong_signature", "answer_unsigned_success", "answer_null", "answer_system_error"} {
		o.faults(sandbox.Fault{Name: fault})
		o.call("POST", "/orders/A1/query", "").want(502, "alipay-unreachable")
	}
	if got := o.order("A1"); got.Paid {
		t.Fatal("an answer that cannot be believed has changed the order")
	}
	o.faults()
	if a := o.call("POST", "/orders/A1/query", "").want(200, ""); a.text("status") != "TRADE_SUCCESS" {
		t.Errorf("%s", a.Body)
	}
	o.until("the shop is told", func() bool { return slices.Equal(o.heard(), []string{"trade.paid A1 1"}) })
	o.call("POST", "/orders/A2/query", "").want(404, "order-not-found")
	o.call("POST", "/orders/A1/query", `{"x":1}`).want(400, "malformed-body")
	o.call("POST", "/orders/A1/query?x=1", "").want(400, "invalid-parameter")
	// what comes and does not fit is shown
	o.sent("A3", "1.00")
	o.Buy("A3", "2.00", "", "")
	if a := o.call("POST", "/orders/A3/query", "").want(200, ""); a.text("status") != "" || a.text("held", "reason") != "amount_mismatch" {
		t.Errorf("%s", a.Body)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.sent("A1", "88.88")
	o.call("POST", "/orders/A1/close", "").want(409, "no-trade")
	if a := o.Call("alipay.trade.create", sandboxtest.Biz{
		"out_trade_no": "A1", "total_amount": "88.88", "subject": "tea", "buyer_id": "2088102146225101",
	}); a.Text("code") != "10000" {
		t.Fatalf("%s", a.Raw)
	}
	o.breaks(func(string) error { return errGone })
	o.call("POST", "/orders/A1/close", "").want(502, "alipay-unreachable")
	o.breaks(func(string) error { return hangs{} })
	o.call("POST", "/orders/A1/close", "").want(504, "alipay-timeout")
	o.breaks(nil)
	for range 2 {
		if a := o.call("POST", "/orders/A1/close", "").want(200, ""); a.text("status") != "TRADE_CLOSED" {
			t.Errorf("%s", a.Body)
		}
	}
	o.paid("A2", "1.00")
	o.call("POST", "/orders/A2/close", "").want(409, "order-paid")
	o.sent("A3", "1.00") // its buyer pays at the last moment
	o.Buy("A3", "1.00", "", "")
	o.call("POST", "/orders/A3/close", "").want(409, "order-paid")
	if got := o.order("A3"); !got.Paid {
		t.Error("that it is paid was not learnt")
	}
	o.call("POST", "/orders/A4/close", "").want(404, "order-not-found")
	o.call("POST", "/orders/A1/close", "[]").want(400, "malformed-body")
	o.until("the shop is told", func() bool { return len(o.heard()) == 3 })
}

func TestHistory(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.paid("A1", "88.88")
	o.until("the shop is told", func() bool { got := o.order("A1"); return !got.Undelivered() })
	o.call("POST", "/orders/A1/refunds", `{"out_request_no":"R1","refund_amount":"8.88"}`).want(200, "")
	o.until("the shop is told", func() bool { got := o.order("A1"); return !got.Undelivered() })
	a := o.call("GET", "/orders/A1/history", "").want(200, "")
	evidence, events := a.list("evidence"), a.list("events")
	if len(evidence) != 2 || evidence[1]["source"] != "refund" || evidence[1]["out_request_no"] != "R1" || len(a.list("attempts")) != 1 ||
		len(events) != 2 || events[0]["accepted_at"] == nil || events[1]["type"] != "refund.succeeded" || events[1]["state"] != "accepted" {
		t.Errorf("%s", a.Body)
	}
	for _, e := range evidence { // whatever of it the ledger keeps
		if got := o.order("A1"); e["total_amount"] != "88.88" || e["trade_no"] != got.TradeNo {
			t.Errorf("%v of trade %s", e, got.TradeNo)
		}
	}
	o.call("GET", "/orders/A2/history", "").want(404, "order-not-found")
}

// TestPaths: what the API does not have, in every spelling.
func TestPaths(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, path := range []string{
		"/", "/order", "/orders/", "/orders/A1/", "//orders", "/Orders", "/orders/A1/refund", "/orders/A1/refunds/", "/held/x/approve",
		"/events/", "/openapi.yaml", "/orders/../orders", "/orders/" + fmt.Sprintf("%0300d", 1),
	} {
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path, RawPath: path}}
		if _, _, err := find(r.Method, r.URL.EscapedPath()); problemOf(err).slug != "not-found" {
			t.Errorf("%s: %v", path, err)
		}
	}
	o.call("GET", "/nothing", "").want(404, "not-found")
	for path, allow := range map[string]string{
		"/orders": "GET, HEAD", "/orders/A1": "GET, HEAD", "/held/x": "GET, HEAD", "/events": "GET, HEAD", "/openapi.json": "GET, HEAD",
	} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			if a := o.call(method, path, "").want(405, "method-not-allowed"); a.Header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow %q", method, path, a.Header.Get("Allow"))
			}
		}
	}
	for _, path := range []string{"/orders/A1/query", "/orders/A1/close", "/orders/A1/refunds", "/held/x/accept", "/held/x/refund", "/held/x/dismiss", "/events/x/redeliver"} {
		if a := o.call("GET", path, "").want(405, "method-not-allowed"); a.Header.Get("Allow") != "POST" {
			t.Errorf("%s: Allow %q", path, a.Header.Get("Allow"))
		}
	}
	o.call("GET", "/events/redeliver", "").want(405, "method-not-allowed")
	o.call("GET", "/openapi.json", "").want(200, "")
	o.call("GET", "/.well-known/jwks.json", "").want(404, "not-found")
	// a number may hold whatever a path segment can carry
	o.sent("A/1", "1.00")
	if a := o.call("GET", "/orders/A%2F1", "").want(200, ""); a.text("out_trade_no") != "A/1" {
		t.Errorf("%s", a.Body)
	}
}
