// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const formType = "application/x-www-form-urlencoded"

// stopped stops Caddy and shows the ledger that it has left.
func (w *world) stopped(look func(ledger.Ledger)) {
	w.t.Helper()
	if err := caddy.Stop(); err != nil {
		w.t.Fatal(err)
	}
	if w.database != "" {
		l := must(postgres.Open(w.t.Context(), must(postgres.ParseConfig(w.database))))
		defer l.Close()
		look(l)
		return
	}
	l, err := bolt.Open(w.path("alipay.db"), bolt.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	look(l)
}

// order reads an order of a stopped world's ledger.
func (w *world) order(l ledger.Ledger, outTradeNo string) trade.Order {
	w.t.Helper()
	o, err := l.Order(w.t.Context(), trade.Key{AppID: w.Gateway.AppID, OutTradeNo: outTradeNo})
	if err != nil {
		w.t.Fatalf("%s: %v", outTradeNo, err)
	}
	return o
}

// wantHeld fails unless exactly these reasons are held, in this order.
func wantHeld(t *testing.T, l ledger.Ledger, reasons ...trade.Reason) {
	t.Helper()
	page, err := l.Held(t.Context(), ledger.HeldQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var got []trade.Reason
	for _, h := range page.Held {
		got = append(got, h.Reason)
	}
	if fmt.Sprint(got) != fmt.Sprint(reasons) {
		t.Errorf("held %q, want %q", got, reasons)
	}
}

// told is what the shop was told, a word per delivery.
func (s *fakeShop) told() []string {
	var out []string
	for _, d := range s.deliveries() {
		get := func(name string) string { return d.Header.Get("X-Alipay-Trade-" + name) }
		out = append(out, strings.Join([]string{get("Out-Trade-No"), get("Sequence"), get("Event"), get("Status"), get("Refunded-Amount")}, " "))
	}
	return out
}

func (s *fakeShop) wantTold(t *testing.T, want ...string) {
	t.Helper()
	if got := s.told(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the shop was told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestForeignNotices: whatever is not shown to be Alipay's notice for this app
// is answered 400 and failure, stored nowhere and told to nobody.
func TestForeignNotices(t *testing.T) {
	w := newWorld(t, "")
	w.Shop.offer("N1", "1.00")
	w.pay("N1")
	good := func(change ...string) string { return sign(alipayKey(), w.notice("N1", "1.00", change...)).Encode() }
	with := func(v url.Values, name, value string) string {
		v.Set(name, value)
		return v.Encode()
	}
	type request struct{ method, path, contentType, body string }
	post := func(body string) request { return request{"POST", "/pay/notify", formType, body} }
	for name, r := range map[string]request{
		"changed after signing":  post(with(sign(alipayKey(), w.notice("N1", "2.00")), "total_amount", "1.00")),
		"signed by the app":      post(sign(appKey(), w.notice("N1", "1.00")).Encode()),
		"not signed":             post(w.notice("N1", "1.00").Encode()),
		"an empty signature":     post(with(sign(alipayKey(), w.notice("N1", "1.00")), "sign", "")),
		"sign_type RSA":          post(with(sign(alipayKey(), w.notice("N1", "1.00")), "sign_type", "RSA")),
		"for another app":        post(good("app_id", "2021000000000002")),
		"without an app":         post(good("app_id", "")),
		"a return":               post(w.returnQuery("N1", "1.00")),
		"a return, made up":      post(w.returnQuery("N1", "1.00") + "&notify_type=trade_status_sync&notify_id=1&trade_status=TRADE_SUCCESS"),
		"with a method":          post(good("method", "alipay.trade.page.pay.return")),
		"another notify_type":    post(good("notify_type", "dut_user_sign")),
		"without notify_id":      post(good("notify_id", "")),
		"without trade_status":   post(good("trade_status", "")),
		"without out_trade_no":   post(good("out_trade_no", "")),
		"charset big5":           post(good("charset", "big5")),
		"a doubled key":          post(good() + "&total_amount=1.00"),
		"a doubled key in front": post("trade_status=TRADE_CLOSED&" + good()),
		"a key in capitals":      post(good() + "&Total_amount=1.00"),
		"a key with brackets":    post(good() + "&total_amount%5B%5D=1.00"),
		"a semicolon":            post(strings.Replace(good(), "&", ";", 1)),
		"an empty body":          post(""),
		"garbage":                post(strings.Repeat("%zz&", 100)),
		"64 KiB and a byte":      post(good() + "&x=" + strings.Repeat("a", 64<<10-len(good())-2)),
		"JSON":                   {"POST", "/pay/notify", "application/json", good()},
		"multipart":              {"POST", "/pay/notify", "multipart/form-data; boundary=x", good()},
		"text":                   {"POST", "/pay/notify", "text/plain", good()},
		"no content type":        {"POST", "/pay/notify", "", good()},
		"in the query":           {"POST", "/pay/notify?" + good(), formType, ""},
		"half in the query":      {"POST", "/pay/notify?app_id=" + w.Gateway.AppID, formType, good("app_id", "")},
		"GET":                    {"GET", "/pay/notify?" + good(), "", ""},
		"GET with a body":        {"GET", "/pay/notify", formType, good()},
		"PUT":                    {"PUT", "/pay/notify", formType, good()},
		"HEAD":                   {"HEAD", "/pay/notify?" + good(), "", ""},
	} {
		h := http.Header{}
		if r.contentType != "" {
			h.Set("Content-Type", r.contentType)
		}
		a := w.do(r.method, r.path, r.body, h)
		want := "failure"
		if r.method == "HEAD" {
			want = ""
		}
		if a.Status != http.StatusBadRequest || a.Body != want {
			t.Errorf("%s: answered %d %q", name, a.Status, a.Body)
		}
		if a.Header.Get("Content-Type") != "text/plain; charset=utf-8" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", name, a.Header)
		}
	}
	chunked := append(w.rawHead("POST /pay/notify", "Content-Type: "+formType, "Transfer-Encoding: chunked"), "")
	long := strings.Repeat("a", 65<<10)
	chunked = append(chunked[:len(chunked)-2], fmt.Sprintf("%x", len(long)), long, "0", "", "")
	if a := raw(t, w.URL, chunked...); a.Status != http.StatusBadRequest || a.Body != "failure" {
		t.Errorf("a long body without a length was answered %d %q", a.Status, a.Body)
	}
	w.wantBrokenOff(good())
	w.Shop.wantTold(t)
	w.stopped(func(l ledger.Ledger) {
		wantHeld(t, l)
		if o := w.order(l, "N1"); o.Status() != trade.StatusNone || o.Sequence != 0 {
			t.Errorf("the order is %+v", o)
		}
	})
}

// wantBrokenOff sends a notice whose body ends before it is complete.
func (w *world) wantBrokenOff(body string) {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	head := w.rawHead("POST /pay/notify", "Content-Type: "+formType, fmt.Sprint("Content-Length: ", len(body)+1))
	if _, err := io.WriteString(conn, strings.Join(head, "\r\n")+body); err != nil {
		w.t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		w.t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.HasSuffix(string(answer), "\r\n\r\nfailure") {
		w.t.Errorf("a notice that broke off was answered %q, %v", answer, err)
	}
}

// TestNoticeIgnoresTheQuery: parameters of the URL are no part of a notice, for
// good or ill.
func TestNoticeIgnoresTheQuery(t *testing.T) {
	w := newWorld(t, "")
	w.Shop.offer("N2", "1.00")
	w.pay("N2")
	body := sign(alipayKey(), w.notice("N2", "1.00")).Encode()
	a := w.do("POST", "/pay/notify?trade_status=TRADE_CLOSED&total_amount=9.99&sign=x", body, http.Header{"Content-Type": {formType}})
	if a.Status != http.StatusOK || a.Body != "success" || a.Header.Get("Content-Length") != "7" {
		t.Errorf("answered %d %q, length %s", a.Status, a.Body, a.Header.Get("Content-Length"))
	}
	w.Shop.wantTold(t, "N2 1 trade.paid TRADE_SUCCESS 0.00")
	if d := w.Shop.deliveries()[0]; d.URI != "/pay/notify" || d.Body != body {
		t.Errorf("delivered to %s: %s", d.URI, d.Body)
	}
}

// TestHeldNotices: signed statements that do not fit their order are kept for a
// person, answered success, and told to nobody.
func TestHeldNotices(t *testing.T) {
	w := newWorld(t, "")
	for _, c := range []struct {
		no     string
		before func(no string)
		amount string
		change []string
		reason trade.Reason
		told   []string
	}{
		{no: "H1", before: func(string) {}, amount: "1.00", reason: trade.ReasonUnknownOrder},
		{no: "H2", amount: "1.01", reason: trade.ReasonAmount},
		{no: "H3", amount: "1.00", change: []string{"seller_id", "2088000000000000"}, reason: trade.ReasonSeller},
		{no: "H4", before: func(no string) { // a price of yesterday, paid today
			w.buy(no, "1.00")
			w.buy(no, "7.00")
		}, amount: "1.00", reason: trade.ReasonOlderPrice},
		{no: "H5", before: func(no string) {
			w.buy(no, "1.00")
			w.wantNotify(w.closeNotice(no, "1.00"), 200, "success")
		}, amount: "1.00", reason: trade.ReasonPaidAfterClose, told: []string{"H5 1 trade.closed TRADE_CLOSED 0.00"}},
		{no: "H6", before: func(no string) {
			w.buy(no, "1.00")
			w.wantNotify(w.notice(no, "1.00"), 200, "success")
		}, amount: "1.00", change: []string{"trade_no", "TOTHER"}, reason: trade.ReasonSecondTrade,
			told: []string{"H6 1 trade.paid TRADE_SUCCESS 0.00"}},
		{no: "H7", amount: "1.00", change: []string{"trade_no", ""}, reason: trade.ReasonIncomplete},
		{no: "H8", amount: "1.00", change: []string{"trade_status", "TRADE_PENDING"}, reason: trade.ReasonIncomplete},
		{no: "H9", amount: "1.00", change: []string{"gmt_refund", "2026-03-15 09:00:00.123", "refund_fee", "1.01"}, reason: trade.ReasonRefundSum},
		{no: "H10", amount: "", reason: trade.ReasonAmount},
	} {
		w.Shop.forget()
		if c.before == nil {
			c.before = func(no string) { w.buy(no, "1.00") }
		}
		c.before(c.no)
		for range 2 { // the repeat is the same item
			w.wantNotify(w.notice(c.no, c.amount, c.change...), http.StatusOK, "success")
		}
		w.Shop.wantTold(t, c.told...)
		w.stopped(func(l ledger.Ledger) { wantHeld(t, l, c.reason) })
		w.fresh()
	}
}

// TestClosedAfterPaid is a contradiction as well, and stops what would follow.
func TestClosedAfterPaid(t *testing.T) {
	w := newWorld(t, "")
	w.buy("H20", "1.00")
	w.wantNotify(w.notice("H20", "1.00"), http.StatusOK, "success")
	w.wantNotify(w.closeNotice("H20", "1.00"), http.StatusOK, "success")
	w.wantNotify(w.notice("H20", "1.00", "gmt_refund", "2026-03-15 09:00:00", "refund_fee", "1.00"), http.StatusOK, "success")
	w.Shop.wantTold(t, "H20 1 trade.paid TRADE_SUCCESS 0.00")
	if a := w.get("/pay?out_trade_no=H20"); a.Status != http.StatusConflict {
		t.Errorf("/pay was answered %d", a.Status)
	}
	w.stopped(func(l ledger.Ledger) {
		wantHeld(t, l, trade.ReasonClosedAfterPay, trade.ReasonContradicted)
		if o := w.order(l, "H20"); !o.Contradicted || !o.Paid {
			t.Errorf("the order is %+v", o)
		}
	})
}

// buy offers an order and sends its buyer to the cashier.
func (w *world) buy(outTradeNo, amount string) {
	w.t.Helper()
	w.Shop.offer(outTradeNo, amount)
	w.pay(outTradeNo)
}

// closeNotice tells of an unpaid order's end.
func (w *world) closeNotice(outTradeNo, amount string) url.Values {
	return w.notice(outTradeNo, amount, "trade_status", "TRADE_CLOSED", "gmt_payment", "", "gmt_close", "2026-03-14 11:20:01")
}

// fresh begins with an empty ledger.
func (w *world) fresh() {
	w.t.Helper()
	if err := caddy.Stop(); err != nil {
		w.t.Fatal(err)
	}
	w.remove("alipay.db")
	w.reload()
}

// TestGBKNotice: the signature is over bytes, and so is what the shop gets.
func TestGBKNotice(t *testing.T) {
	w := newWorld(t, "")
	w.buy("G1", "1.00")
	subject, err := simplifiedchinese.GBK.NewEncoder().String("龙井茶 100g")
	if err != nil {
		t.Fatal(err)
	}
	body := sign(alipayKey(), w.notice("G1", "1.00", "charset", "gbk", "subject", subject)).Encode()
	for _, contentType := range []string{formType + "; text/html; charset=gbk", formType} { // the repeat changes nothing
		a := w.do("POST", "/pay/notify", body, http.Header{"Content-Type": {contentType}})
		if a.Status != http.StatusOK || a.Body != "success" {
			t.Fatalf("answered %d %q", a.Status, a.Body)
		}
	}
	w.Shop.wantTold(t, "G1 1 trade.paid TRADE_SUCCESS 0.00")
	d := w.Shop.deliveries()[0]
	if d.Body != body || d.Header.Get("Content-Type") != formType+"; charset=gbk" {
		t.Errorf("delivered as %q: %s", d.Header.Get("Content-Type"), d.Body)
	}
}
