// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// shows is a site whose errors show what handle_errors is told.
const shows = "reverse_proxy SHOP\nhandle_errors {\nrespond \"{err.status_code} {err.message}\"\n}"

// looksUp makes the shop answer look-ups so.
func (w *world) looksUp(answer func(http.ResponseWriter, *http.Request)) {
	w.Shop.setLookUp(func(rw http.ResponseWriter, r *http.Request) bool {
		answer(rw, r)
		return true
	})
}

func (w *world) looksUpText(status int, contentType, body string) {
	w.looksUp(func(rw http.ResponseWriter, _ *http.Request) { says(status, contentType, body)(rw, nil) })
}

// wantNoOrders fails unless nobody was sent to the cashier.
func (w *world) wantNoOrders() {
	w.t.Helper()
	w.stopped(func(l ledger.Ledger) {
		page, err := l.Orders(w.t.Context(), ledger.OrderQuery{})
		if err != nil || len(page.Orders) != 0 {
			w.t.Errorf("%d orders, %v", len(page.Orders), err)
		}
	})
}

// TestShopAnswersTheBrowser: what is no success is for the browser, as it is.
func TestShopAnswersTheBrowser(t *testing.T) {
	w := newWorld(t, shows)
	login := http.Header{
		"Location": {"/login?next=%2Fpay"}, "Set-Cookie": {"a=1; HttpOnly", "b=2"}, "Content-Type": {"text/html; charset=utf-8"},
		"Www-Authenticate": {`Basic realm="shop"`}, "Cache-Control": {"no-store"}, "Server": {"shop/1"}, "X-Any": {"1", "2"},
	}
	for _, status := range []int{300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 409, 410, 418, 429, 451, 500, 502, 503, 599} {
		for _, body := range []string{"<h1>登录</h1>", "", ten} {
			if len(body) == len(ten) && status != 302 && status != 500 {
				continue
			}
			w.looksUp(func(rw http.ResponseWriter, _ *http.Request) {
				maps.Copy(rw.Header(), login)
				rw.WriteHeader(status)
				_, _ = io.WriteString(rw, body)
			})
			a := w.get("/pay?out_trade_no=B1")
			if a.Status != status || a.Body != body {
				t.Errorf("%d became %d with %d bytes", status, a.Status, len(a.Body))
			}
			for name, values := range login {
				if !slices.Equal(a.Header[name], values) {
					t.Errorf("%d: %s %q became %q", status, name, values, a.Header[name])
				}
			}
		}
	}
	w.wantNoOrders()
}

// TestBadLookUps: a 200 that is no order is the shop's fault, and the buyer gets
// an error page.
func TestBadLookUps(t *testing.T) {
	w := newWorld(t, shows)
	order := func(member string) string {
		return `{"out_trade_no":"B2","total_amount":"1.00","subject":"tea",` + member + `}`
	}
	amount := func(json string) string { return `{"out_trade_no":"B2","subject":"tea","total_amount":` + json + `}` }
	for _, body := range []string{
		"", "null", "[]", `"B2"`, "<html>log in</html>", `{"out_trade_no":"B2"`, "{}",
		`{"total_amount":"1.00","subject":"tea"}`,
		`{"out_trade_no":"B3","total_amount":"1.00","subject":"tea"}`,
		`{"out_trade_no":"b2","total_amount":"1.00","subject":"tea"}`,
		`{"out_trade_no":"B2 ","total_amount":"1.00","subject":"tea"}`,
		`{"out_trade_no":2,"total_amount":"1.00","subject":"tea"}`,
		`{"out_trade_no":"B2","total_amount":"1.00"}`,
		`{"out_trade_no":"B2","total_amount":"1.00","subject":""}`,
		`{"out_trade_no":"B2","total_amount":"1.00","subject":"  "}`,
		`{"out_trade_no":"B2","total_amount":"1.00","subject":7}`,
		`{"out_trade_no":"B2","total_amount":"1.00","subject":"` + strings.Repeat("茶", 257) + `"}`,
		`{"out_trade_no":"B2","subject":"tea"}`,
		amount(`""`), amount(`"0"`), amount(`"0.00"`), amount(`"0.001"`), amount(`"-1.00"`), amount(`"+1.00"`), amount(`"1e2"`),
		amount(`1e2`), amount(`"1.234"`), amount(`"100000000.01"`), amount(`"1,00"`), amount(`" 1.00"`), amount(`"NaN"`),
		amount(`"1.00元"`), amount("null"), amount("true"), amount("{}"), amount(`"."`), amount(`"１.00"`), amount("-0.01"),
		order(`"time_expire":"tomorrow"`), order(`"time_expire":"2020-01-01 00:00:00"`), order(`"time_expire":"2999-01-01 00:00:00"`),
		order(`"timeout_express":"16d"`), order(`"timeout_express":"1.5h"`), order(`"body":"` + strings.Repeat("x", 401) + `"`),
	} {
		w.looksUpText(200, "application/json", body)
		if a := w.get("/pay?out_trade_no=B2"); a.Status != http.StatusBadGateway || !strings.HasPrefix(a.Body, "502 ") {
			t.Errorf("%.80q was answered %d %q", body, a.Status, a.Body)
		}
	}
	for _, status := range []int{201, 202, 204, 206, 299} {
		w.looksUpText(status, "application/json", order(`"x":1`))
		if a := w.get("/pay?out_trade_no=B2"); a.Status != http.StatusBadGateway {
			t.Errorf("the shop's %d was answered %d", status, a.Status)
		}
	}
	w.wantNoOrders()
}

// TestShopFailsTheLookUp: down, hanging, broken off, too long.
func TestShopFailsTheLookUp(t *testing.T) {
	w := newWorld(t, shows, func(w *world) { w.site = "shop_timeout 1s" })
	hanging := make(chan struct{})
	t.Cleanup(func() { close(hanging) })
	w.Shop.Config.ErrorLog = discard
	flushed := func(rw http.ResponseWriter, text string) {
		_, _ = io.WriteString(rw, text)
		_ = http.NewResponseController(rw).Flush()
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		status int
	}{
		"hangs":          {func(http.ResponseWriter, *http.Request) { <-hanging }, 504},
		"hangs half-way": {func(rw http.ResponseWriter, _ *http.Request) { flushed(rw, `{"out_`); <-hanging }, 504},
		"cut":            {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 502},
		"cut half-way":   {func(rw http.ResponseWriter, _ *http.Request) { flushed(rw, `{"out_`); panic(http.ErrAbortHandler) }, 502},
		"ten megabytes":  {func(rw http.ResponseWriter, _ *http.Request) { flushed(rw, ten) }, 502},
		"endless":        {func(rw http.ResponseWriter, r *http.Request) { endless(rw, r) }, 502},
		"a huge header": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("X-Huge", ten[:2<<20])
			flushed(rw, "{}")
		}, 502},
		"no HTTP at all": {func(rw http.ResponseWriter, _ *http.Request) { hijack(rw, "SSH-2.0-shop\r\n") }, 502},
		"a broken header": {func(rw http.ResponseWriter, _ *http.Request) {
			hijack(rw, "HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\n")
		}, 502},
	} {
		w.looksUp(c.answer)
		if a := w.get("/pay?out_trade_no=B4"); a.Status != c.status || !strings.HasPrefix(a.Body, fmt.Sprint(c.status, " ")) {
			t.Errorf("%s: answered %d %q", name, a.Status, a.Body)
		}
	}
	w.Shop.setLookUp(nil)
	w.Shop.offer("B5", "1.00")
	w.pay("B5")
	w.shop = "shop 127.0.0.1:1"
	w.restart()
	if a := w.get("/pay?out_trade_no=B4"); a.Status != http.StatusBadGateway {
		t.Errorf("down: answered %d %q", a.Status, a.Body)
	}
}

func endless(rw http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := io.WriteString(rw, ten[:1<<16]); err != nil {
			return
		}
	}
}

func hijack(rw http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text)
}

// TestPassedAnswerBreaksOff: an answer for the browser that breaks off is shown
// as broken, not as complete.
func TestPassedAnswerBreaksOff(t *testing.T) {
	w := newWorld(t, shows)
	w.Shop.Config.ErrorLog = discard
	w.looksUp(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(rw, "half a")
		_ = http.NewResponseController(rw).Flush()
		panic(http.ErrAbortHandler)
	})
	resp, err := w.client.Get(w.URL + "/pay?out_trade_no=B6")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) || resp.StatusCode != http.StatusForbidden {
		t.Errorf("%d %q, %v", resp.StatusCode, body, err)
	}
}

// TestLookUpRequest: the shop sees who is asking, and nothing else of the
// request.
func TestLookUpRequest(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		w := newWorld(t, "", func(w *world) {
			if trusted {
				w.options = "servers {\ntrusted_proxies static 127.0.0.1/32\n}"
			}
		})
		w.Shop.offer("B7", "1.00")
		a := w.do(http.MethodPost, "/pay?channel=page", "out_trade_no=B7&total_amount=0.01", http.Header{
			"Cookie": {"session=1; theme=dark"}, "Authorization": {"Bearer visitor"}, "Accept-Language": {"zh-CN,en;q=0.5"},
			"User-Agent": {"browser"}, "X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"shop.example"},
			"Content-Type": {formType}, "Accept": {"text/html"}, "Referer": {"https://x/"}, "Origin": {"https://x"}, "X-Real-Ip": {"192.0.2.8"},
			"If-None-Match": {`"x"`}, "Range": {"bytes=0-1"}, "X-Custom": {"1"}, "X-Http-Method-Override": {"DELETE"}, "Proxy": {"x"},
			"X-Alipay-Trade-Status": {"TRADE_SUCCESS"}, "Upgrade": {"x"}, "Connection": {"X-Custom"}, "Expect": {""},
		})
		if a.Status != http.StatusSeeOther {
			t.Fatalf("/pay was answered %d", a.Status)
		}
		got := w.lastPage("/alipay/orders/B7")
		want := map[string]string{
			"Cookie": "session=1; theme=dark", "Authorization": "Bearer visitor", "Accept-Language": "zh-CN,en;q=0.5", "User-Agent": "browser",
			"Accept": "application/json", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http",
			"X-Forwarded-Host": strings.TrimPrefix(w.URL, "http://"), "Accept-Encoding": "gzip", "Via": "1.1 Caddy",
		}
		if trusted {
			want["X-Forwarded-For"], want["X-Forwarded-Proto"], want["X-Forwarded-Host"] = "192.0.2.7, 127.0.0.1", "https", "shop.example"
		}
		for name, value := range want {
			if got.Header.Get(name) != value {
				t.Errorf("trusted %v: %s is %q, want %q", trusted, name, got.Header.Get(name), value)
			}
		}
		for name := range got.Header {
			if _, expected := want[name]; !expected {
				t.Errorf("trusted %v: %s: %q reached the look-up", trusted, name, got.Header[name])
			}
		}
		if got.Method != http.MethodGet || got.Body != "" || got.URI != "/alipay/orders/B7" || got.Host != strings.TrimPrefix(w.URL, "http://") {
			t.Errorf("the look-up was %s %s of %s with %q", got.Method, got.URI, got.Host, got.Body)
		}
	}
}

// TestLookUpSetsCookies: a session that the look-up moved on is not lost.
func TestLookUpSetsCookies(t *testing.T) {
	w := newWorld(t, "")
	w.Shop.offer("B8", "1.00")
	w.Shop.setLookUp(func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.Header()["Set-Cookie"] = []string{"session=2", "seen=1"}
		rw.Header().Set("X-Internal", "1")
		return false
	})
	a := w.get("/pay?out_trade_no=B8")
	if !slices.Equal(a.Header["Set-Cookie"], []string{"session=2", "seen=1"}) || a.Header.Get("X-Internal") != "" {
		t.Errorf("headers %v", a.Header)
	}
}

// TestPriceIsTheShops whatever the browser says.
func TestPriceIsTheShops(t *testing.T) {
	w := newWorld(t, "")
	w.Shop.offer("B9", "88.80")
	for _, query := range []string{
		"&total_amount=0.01&subject=x&seller_id=2088000000000000&notify_url=https://x&return_url=https://x&biz_content=%7B%7D",
		"&app_id=1&sign=x&method=alipay.trade.refund&passback_params=x&time_expire=2020-01-01+00:00:00",
	} {
		a := w.get("/pay?out_trade_no=B9" + query)
		biz, q := bizContent(t, a.Header.Get("Location"))
		if biz["total_amount"] != "88.80" || biz["subject"] != "茶叶 tea" || biz["seller_id"] != nil || biz["passback_params"] != nil ||
			q.Get("notify_url") != w.URL+"/pay/notify" || q.Get("return_url") != w.URL+"/pay/return" || q.Get("method") != "alipay.trade.page.pay" {
			t.Errorf("%s became %v %v", query, biz, q)
		}
	}
	w.stopped(func(l ledger.Ledger) {
		if o := w.order(l, "B9"); o.Total != 8880 || o.Latest().Count != 2 || o.Status() != trade.StatusNone {
			t.Errorf("the order is %+v", o)
		}
	})
}
