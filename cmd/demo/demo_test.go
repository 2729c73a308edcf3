// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestPaidOrderSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir, "127.0.0.1:0")
	c := enter(t, d)
	number := c.order()
	if c.isPaid(number) {
		t.Fatal("a new order is paid")
	}
	c.pay(number)
	if !c.isPaid(number) {
		t.Fatal("the order is not paid")
	}
	trade, err := d.gateway.Trade(number)
	if err != nil {
		t.Fatal(err)
	}
	shut(t, d)

	c.d = open(t, dir, "127.0.0.1:0")
	page := c.get("/orders/" + number).body
	if !strings.Contains(page, `data-state="paid"`) || !strings.Contains(page, trade.TradeNo) {
		t.Error("after a restart the order is not paid, or its trade number is gone")
	}
	if a := c.get("/pay?out_trade_no=" + number); a.status != http.StatusConflict {
		t.Errorf("paying again: %d", a.status)
	}
}

// Attack: a client sends the headers that tell the shop of a payment, to every
// path that could take them, in several spellings.
func TestForgedHeadersChangeNothing(t *testing.T) {
	d := open(t, t.TempDir(), "127.0.0.1:0")
	c := enter(t, d)
	number := c.order()
	c.get(c.get("/pay?out_trade_no=" + number).header.Get("Location")) // known to ledger and sandbox, unpaid
	for _, spell := range []func(string) string{
		func(s string) string { return s },
		strings.ToLower,
		func(s string) string { return strings.ReplaceAll(s, "-", "_") },
	} {
		forged := http.Header{}
		for name, value := range map[string]string{
			"X-Alipay-Trade-Out-Trade-No": number, "X-Alipay-Trade-No": "2026000000000000000000000001",
			"X-Alipay-Trade-Status": "TRADE_SUCCESS", "X-Alipay-Trade-Sequence": "1", "X-Alipay-Trade-Source": "notify",
			"X-Alipay-Trade-Event": "trade.paid", "X-Alipay-Trade-Total-Amount": "158.00",
		} {
			forged[spell(name)] = []string{value}
		}
		form := url.Values{"out_trade_no": {number}, "trade_status": {"TRADE_SUCCESS"}}
		if a := c.post("/pay/notify", form, forged); a.status != 400 || a.body != "failure" {
			t.Errorf("notify: %d %q", a.status, a.body)
		}
		for _, path := range []string{"//pay/notify", "/pay/./notify", "/pay/notify/", "/%70ay/notify", "/PAY/NOTIFY"} {
			if a := c.post(path, form, forged); a.body == "success" {
				t.Errorf("%s: %d %q", path, a.status, a.body)
			}
		}
		if a := c.do("GET", "/pay/return?"+form.Encode(), "", forged); a.status != 400 || strings.Contains(a.body, `data-state="paid"`) {
			t.Errorf("return: %d", a.status)
		}
		if a := c.do("GET", "/orders/"+number, "", forged); a.status != 200 || strings.Contains(a.body, `data-state="paid"`) {
			t.Errorf("order: %d", a.status)
		}
		if a := c.do("GET", "/alipay/orders/"+number, "", forged); a.status != 404 || a.body != "" {
			t.Errorf("look-up from outside: %d %q", a.status, a.body)
		}
	}
	if c.isPaid(number) {
		t.Fatal("forged headers have paid the order")
	}
	c.pay(number) // and they have spoilt nothing
	if !c.isPaid(number) {
		t.Fatal("the order is not paid")
	}
}

func TestPayAsksTheShop(t *testing.T) {
	d := open(t, t.TempDir(), "127.0.0.1:0")
	c := enter(t, d)
	number := c.order()
	stranger := enter(t, d)
	stranger.post("/login", url.Values{"name": {"小红"}}, nil)
	if a := stranger.get("/pay?out_trade_no=" + number); a.status != 404 || !strings.Contains(a.body, `id="problem"`) {
		t.Errorf("another's order: %d", a.status)
	}
	stranger.post("/logout", nil, nil)
	a := stranger.get("/pay?out_trade_no=" + number)
	if to := a.header.Get("Location"); a.status != 303 || to != "/login?next=%2Forders%2F"+number {
		t.Errorf("logged out: %d to %q", a.status, to)
	}
	a = c.get("/pay?out_trade_no=" + number)
	if to := a.header.Get("Location"); a.status != 303 || !strings.HasPrefix(to, "http://"+d.places.sandbox.Addr().String()+"/gateway.do?") {
		t.Errorf("the customer: %d to %q", a.status, to)
	}
}

// Attack: script in whatever an error page might repeat.
func TestErrorPageEscapes(t *testing.T) {
	d := open(t, t.TempDir(), "127.0.0.1:0")
	c := enter(t, d)
	const script = "<script>alert(1)</script>"
	query := url.Values{"out_trade_no": {script}, "sign": {script}, script: {script}, "channel": {script}}.Encode()
	for path, want := range map[string]int{
		"/pay/return?" + query: 400, "/pay?" + query: 400, "/pay?out_trade_no=T1&" + query: 400,
		"/pay?out_trade_no={{.Req.Host}}": 400, "/pay?out_trade_no={http.request.host}": 400,
	} {
		a := c.get(path)
		if a.status != want || !strings.Contains(a.body, "这一步没有成功") || strings.Contains(a.body, "<script") || strings.Contains(a.body, "127.0.0.1") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		if csp := a.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("%s: Content-Security-Policy %q", path, csp)
		}
		if a.header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", path, a.header.Get("Content-Type"))
		}
	}
	if a := c.post("/pay/return", nil, nil); a.status != 405 || !strings.Contains(a.body, "这一步没有成功") {
		t.Errorf("POST: %d %s", a.status, a.body)
	}
}

func TestErrorPageWithoutAShop(t *testing.T) {
	d := open(t, t.TempDir(), "127.0.0.1:0")
	c := enter(t, d)
	number := c.order()
	if err := d.servers[0].Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/pay?out_trade_no=" + number} {
		if a := c.get(path); a.status != 502 || !strings.Contains(a.body, "店家暂时没有应答") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestOtherNamesOfThisMachine(t *testing.T) {
	d := open(t, t.TempDir(), "127.0.0.1:0")
	c := enter(t, d)
	s := d.setting()
	if a := c.get("http://localhost:" + s.Port + "/orders?x=1"); a.status != 302 || a.header.Get("Location") != d.places.URL()+"/orders?x=1" {
		t.Errorf("localhost: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := c.get("http://" + s.Shop + "/orders"); a.status != 307 || a.header.Get("Location") != d.places.URL()+"/" {
		t.Errorf("the shop's own port: %d to %q", a.status, a.header.Get("Location"))
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a folder", "demo")
	d := open(t, dir, "127.0.0.1:0")
	c := enter(t, d)
	c.pay(c.order())
	shut(t, d)
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s: %v", path, mode)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{appKeyFile, alipayKeyFile, sandboxKeyFile, tokenFile, ledgerFile, caddyFile, "shop/orders.json"} {
		if _, err := os.Stat(folder(dir).path(name)); err != nil {
			t.Error(err)
		}
	}
}

func TestCaddyfileIsWellFormed(t *testing.T) {
	text, err := writeCaddyfile(setting{Folder: "/tmp/demo", AppID: appID, Host: "127.0.0.1", Port: "9400",
		Public: "http://127.0.0.1:9400", Shop: "127.0.0.1:9401", SandboxGateway: "http://127.0.0.1:9402/gateway.do", SellerID: "2088",
		Merchant: "http://127.0.0.1:9403"})
	if err != nil {
		t.Fatal(err)
	}
	if formatted := string(caddyfile.Format(text)); formatted != string(text) {
		t.Errorf("caddy fmt would change it to:\n%s", formatted)
	}
}
