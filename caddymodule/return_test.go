// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const notVerified = "400 无法确认这次跳转，请在一分钟后查看订单，不要重复付款。" +
	" We could not verify this return; please look at your order in a minute, and do not pay again."

// counted stands between Caddy and the gateway and counts some calls.
type counted struct{ queries, downloads atomic.Int32 }

func (w *world) countQueries() *counted {
	c := &counted{}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("method") {
		case "alipay.trade.query":
			c.queries.Add(1)
		case "alipay.open.app.alipaycert.download":
			c.downloads.Add(1)
		}
		resp, err := http.Post(w.Gateway.GatewayURL()+"?"+r.URL.RawQuery, r.Header.Get("Content-Type"), r.Body)
		if err != nil {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		rw.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(rw, resp.Body)
	}))
	w.t.Cleanup(server.Close)
	w.gateway = server.URL + "/gateway.do"
	return c
}

// TestForeignReturns: what is not shown to be Alipay's way back of this order is
// 400, with a text for a buyer who may have paid, and reaches nobody.
func TestForeignReturns(t *testing.T) {
	var calls *counted
	w := newWorld(t, shows, func(w *world) { calls = w.countQueries() })
	for _, no := range []string{"V1", "V2"} {
		w.buy(no, "1.00")
	}
	w.wantNotify(w.notice("V2", "1.00"), http.StatusOK, "success")
	w.Shop.forget()
	good := w.returnQuery("V1", "1.00")
	byApp := must(url.ParseQuery(good))
	sign(appKey(), byApp)
	without := func(name string) string {
		v := must(url.ParseQuery(good))
		v.Del(name)
		return sign(alipayKey(), v).Encode()
	}
	dropped := must(url.ParseQuery(good))
	dropped.Del("sign")
	for name, query := range map[string]string{
		"nothing":                  "",
		"changed after signing":    strings.Replace(good, "total_amount=1.00", "total_amount=1.01", 1),
		"signed by the app":        byApp.Encode(),
		"not signed":               dropped.Encode(),
		"an empty signature":       dropped.Encode() + "&sign=",
		"cut off":                  good[:len(good)-40],
		"without out_trade_no":     without("out_trade_no"),
		"without trade_no":         without("trade_no"),
		"without total_amount":     without("total_amount"),
		"without app_id":           without("app_id"),
		"without method":           without("method"),
		"a notice":                 sign(alipayKey(), w.notice("V1", "1.00")).Encode(),
		"a notice with a method":   sign(alipayKey(), w.notice("V1", "1.00")).Encode() + "&method=alipay.trade.page.pay.return",
		"a request's method":       w.returnQuery("V1", "1.00", "method", "alipay.trade.page.pay"),
		"another method":           w.returnQuery("V1", "1.00", "method", "alipay.trade.refund"),
		"another app":              w.returnQuery("V1", "1.00", "app_id", "2021000000000002"),
		"another seller":           w.returnQuery("V1", "1.00", "seller_id", "2088000000000000"),
		"another amount":           w.returnQuery("V1", "1.01"),
		"an amount that is none":   w.returnQuery("V1", "1e0"),
		"an unknown order":         w.returnQuery("V3", "1.00"),
		"another trade, once paid": w.returnQuery("V2", "1.00", "trade_no", "TOTHER"),
		"sign_type RSA":            strings.Replace(good, "sign_type=RSA2", "sign_type=RSA", 1),
		"charset big5":             w.returnQuery("V1", "1.00", "charset", "big5"),
		"a doubled key":            good + "&out_trade_no=V2",
		"a doubled key in front":   "out_trade_no=V2&" + good,
		"a doubled key, encoded":   good + "&out%5Ftrade_no=V2",
		"a doubled key for PHP":    good + "&out.trade.no=V2",
		"a doubled key for ASP":    good + "&Out_Trade_No=V2",
		"an array for PHP":         good + "&out_trade_no[]=V2",
		"a semicolon":              good + ";out_trade_no=V2",
		"endless":                  good + "&x=" + strings.Repeat("a", 8<<10),
		"many":                     good + strings.Repeat("&x=", 300),
	} {
		if a := w.get("/pay/return?" + query); a.Status != http.StatusBadRequest || a.Body != notVerified {
			t.Errorf("%s: answered %d %q", name, a.Status, a.Body)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodPut} {
		a := w.do(method, "/pay/return?"+good, good, http.Header{"Content-Type": {formType}})
		if a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET" {
			t.Errorf("%s was answered %d, Allow %q", method, a.Status, a.Header.Get("Allow"))
		}
	}
	if got := w.Shop.matching(func(*received) bool { return true }); len(got) != 0 {
		t.Errorf("%s reached the shop", got[0].URI)
	}
	if n := calls.queries.Load(); n != 0 {
		t.Errorf("Alipay was asked %d times", n)
	}
}

// TestReturnLeavesTheQueryAlone: beside Alipay's parameters a shop's return_url
// may carry its own, unsigned, and all of it goes on byte by byte.
func TestReturnLeavesTheQueryAlone(t *testing.T) {
	w := newWorld(t, "")
	w.buy("V4", "1.00")
	w.wantNotify(w.notice("V4", "1.00"), http.StatusOK, "success")
	for _, method := range []string{"alipay.trade.page.pay.return", "alipay.trade.wap.pay.return"} {
		good := w.returnQuery("V4", "1.00", "method", method)
		for _, query := range []string{
			good, "theme=dark&" + good, good + "&tab=2&tab=3&empty=&flag", good + "&q=%E8%8C%B6+%2b%20a/b?c&x=%2F",
		} {
			if a := w.get("/pay/return?" + query); a.Status != http.StatusOK || a.Body != "shop page /pay/return" {
				t.Errorf("%s was answered %d %q", query, a.Status, a.Body)
			}
			page := w.lastPage("/pay/return")
			if page.URI != "/pay/return?"+query {
				t.Errorf("the shop got %s, want %s", page.URI, query)
			}
			if page.Header.Get("X-Alipay-Trade-Status") != "TRADE_SUCCESS" || page.Header.Get("X-Alipay-Trade-Source") != "notify" {
				t.Errorf("the shop was told %q", page.claims())
			}
		}
	}
}

// TestReturnBeforeTheNotice: the shop is told what is proved, and by what.
func TestReturnBeforeTheNotice(t *testing.T) {
	w := newWorld(t, "")
	told := func(no string) string {
		t.Helper()
		if a := w.get("/pay/return?" + w.returnQuery(no, "1.00")); a.Status != http.StatusOK {
			t.Errorf("%s: the return was answered %d", no, a.Status)
		}
		h := w.lastPage("/pay/return").Header
		return h.Get("X-Alipay-Trade-Status") + " by " + h.Get("X-Alipay-Trade-Source")
	}
	for _, no := range []string{"W1", "W2", "W3"} {
		w.buy(no, "1.00")
	}
	if got := told("W1"); got != " by return" {
		t.Errorf("a trade that does not exist: %q", got)
	}
	created := w.Gateway.Call("alipay.trade.create", sandboxtest.Biz{
		"out_trade_no": "W2", "total_amount": "1.00", "subject": "tea", "buyer_id": "2088102146225101",
	})
	if got := told("W2"); got != "WAIT_BUYER_PAY by query" {
		t.Errorf("a trade that waits: %q (%s)", got, created.Raw)
	}
	for _, fault := range []string{"answer_500", "answer_unsigned_success", "answer_wrong_signature", "answer_other_order", "answer_not_json", "answer_system_error"} {
		w.fault("W2", fault)
		if got := told("W2"); got != " by return" {
			t.Errorf("%s: %q", fault, got)
		}
	}
	if n := len(w.lastPage("/pay/return").claims()); n != 4 { // order, app, source and their assertion
		t.Errorf("the shop was told %q", w.lastPage("/pay/return").claims())
	}
	w.Shop.wantTold(t)
}

// TestReturnsAskOnce: however many come back at once, Alipay is asked once, and
// the shop is told of the payment once.
func TestReturnsAskOnce(t *testing.T) {
	var calls *counted
	w := newWorld(t, "", func(w *world) { calls = w.countQueries() })
	w.buy("W4", "1.00")
	w.Gateway.Open(w.pay("W4").String())
	w.fault("W4", "notify_never")
	if err := w.Gateway.Pay("W4", 1); err != nil {
		t.Fatal(err)
	}
	target := must(url.Parse(must(w.Gateway.Trade("W4")).ReturnURL)).RequestURI()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if a := w.rawGet(target); a.Status != http.StatusOK {
				t.Errorf("answered %d", a.Status)
			}
		})
	}
	all.Wait()
	if n := calls.queries.Load(); n != 1 {
		t.Errorf("Alipay was asked %d times", n)
	}
	for _, page := range w.Shop.matching(func(r *received) bool { return strings.HasPrefix(r.URI, "/pay/return") }) {
		if page.Header.Get("X-Alipay-Trade-Status") != "TRADE_SUCCESS" || page.Header.Get("X-Alipay-Trade-Source") != "query" {
			t.Errorf("the shop was told %q", page.claims())
		}
	}
	until(t, "the event is delivered", func() bool { return len(w.Shop.deliveries()) == 1 })
	w.wantNotify(w.notice("W4", "1.00", "trade_no", must(w.Gateway.Trade("W4")).TradeNo), http.StatusOK, "success")
	w.Shop.wantTold(t, "W4 1 trade.paid TRADE_SUCCESS 0.00")
}

// TestReturnAndNotice at the same moment are one payment, told once.
func TestReturnAndNotice(t *testing.T) {
	w := newWorld(t, "")
	for i := range 5 {
		no := fmt.Sprint("X", i)
		w.buy(no, "1.00")
		w.Shop.forget()
		var both sync.WaitGroup
		both.Go(func() {
			if a := w.rawGet("/pay/return?" + w.returnQuery(no, "1.00")); a.Status != http.StatusOK {
				t.Errorf("the return was answered %d", a.Status)
			}
		})
		w.wantNotify(w.notice(no, "1.00"), http.StatusOK, "success")
		both.Wait()
		if got := w.lastPage("/pay/return").Header.Get("X-Alipay-Trade-Status"); got != "TRADE_SUCCESS" {
			t.Errorf("the shop was told %q", got)
		}
		w.Shop.wantTold(t, no+" 1 trade.paid TRADE_SUCCESS 0.00")
	}
}

// TestHeldReturn: a contradicted order proves nothing, and nobody is asked.
func TestHeldReturn(t *testing.T) {
	var calls *counted
	w := newWorld(t, "", func(w *world) { calls = w.countQueries() })
	w.buy("Y1", "1.00")
	w.wantNotify(w.notice("Y1", "1.00"), http.StatusOK, "success")
	w.wantNotify(w.notice("Y1", "1.00", "trade_no", "TOTHER"), http.StatusOK, "success")
	w.get("/pay/return?" + w.returnQuery("Y1", "1.00"))
	if got := w.lastPage("/pay/return").claims(); len(got) != 4 || !slices.Contains(got, "X-Alipay-Trade-Source: return") {
		t.Errorf("the shop was told %q", got)
	}
	if calls.queries.Load() != 0 {
		t.Error("Alipay was asked about an order that a person has to look at")
	}
}

// TestReturnGoesThroughTheSite: basic_auth guards the return and the shop, and
// neither /pay nor the notices.
func TestReturnGoesThroughTheSite(t *testing.T) {
	hash := must(bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost))
	w := newWorld(t, "basic_auth {\nbuyer "+string(hash)+"\n}\nreverse_proxy SHOP")
	w.buy("Z1", "1.00")
	w.wantNotify(w.notice("Z1", "1.00"), http.StatusOK, "success")
	target := "/pay/return?" + w.returnQuery("Z1", "1.00")
	if a := w.get(target); a.Status != http.StatusUnauthorized {
		t.Errorf("without a password the return was answered %d", a.Status)
	}
	login := http.Header{"Authorization": {"Basic YnV5ZXI6c2VjcmV0"}} // buyer:secret
	if a := w.do(http.MethodGet, target, "", login); a.Status != http.StatusOK {
		t.Errorf("with the password the return was answered %d", a.Status)
	}
	if got := w.lastPage("/pay/return").Header.Get("X-Alipay-Trade-Status"); got != "TRADE_SUCCESS" {
		t.Errorf("the shop was told %q", got)
	}
}

// TestPlaceholders: what logs and later handlers see.
func TestPlaceholders(t *testing.T) {
	names := "{http.alipay.route} {http.alipay.out_trade_no} {http.alipay.trade_no} {http.alipay.status} {http.alipay.source}"
	w := newWorld(t, "respond \""+names+"\"\nhandle_errors {\nrespond \""+names+"\"\n}")
	w.buy("Z2", "1.00")
	w.fault("Z2", "answer_500")
	target := "/pay/return?" + w.returnQuery("Z2", "1.00")
	for _, c := range []struct{ target, want string }{
		{"/pay", "pay    "},
		{"/pay/return?x", "return    "},
		{target, "return Z2   return"},
	} {
		if a := w.get(c.target); a.Body != c.want {
			t.Errorf("%.30s: %q, want %q", c.target, a.Body, c.want)
		}
	}
	w.wantNotify(w.notice("Z2", "1.00"), http.StatusOK, "success")
	if a := w.get(target); a.Body != "return Z2 TZ2 TRADE_SUCCESS notify" {
		t.Errorf("%q", a.Body)
	}
	w.stopped(func(l ledger.Ledger) {
		if o := w.order(l, "Z2"); o.Source != trade.SourceNotify {
			t.Errorf("the order is %+v", o)
		}
	})
}
