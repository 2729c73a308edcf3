// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

var formToken = regexp.MustCompile(`name="session" value="([0-9a-f]{32})"`)

// visitor is a browser at the cashier.
type visitor struct {
	t    *testing.T
	base string // the cashier's address
	page string
}

func visit(t *testing.T, g *sandboxtest.Gateway, payURL string) *visitor {
	t.Helper()
	response, err := http.Get(payURL)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, base: g.URL + response.Request.URL.Path, page: readAll(t, response)}
	if !strings.Contains(v.base, "/cashier/") {
		t.Fatalf("the pay address ended at %s:\n%s", response.Request.URL, v.page)
	}
	return v
}

func (v *visitor) press(button string, form url.Values) *visitor {
	v.t.Helper()
	token := formToken.FindStringSubmatch(v.page)
	if token == nil {
		v.t.Fatalf("no form in:\n%s", v.page)
	}
	form.Set("session", token[1])
	response, err := http.PostForm(v.base+"/"+button, form)
	if err != nil {
		v.t.Fatal(err)
	}
	v.page = readAll(v.t, response)
	return v
}

func (v *visitor) shows(marks ...string) {
	v.t.Helper()
	for _, mark := range marks {
		if !strings.Contains(v.page, mark) {
			v.t.Fatalf("no %s in:\n%s", mark, v.page)
		}
	}
}

func TestBuyerPaysAtTheCashier(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{Config: sandbox.Config{MerchantName: "青山茶铺"}})
	v := visit(t, g, g.PayURL("A1", "8888.00", "", "https://shop.example/return"))
	v.shows("SANDBOX", "青山茶铺", "8,888.00", `id="buyer-1"`, `id="buyer-5"`, `id="countdown"`, "A1")
	v.press("login", url.Values{"buyer": {"2"}, "lang": {"en"}})
	v.shows(`id="pay"`, `id="cancel"`, `id="error"`, "balance is too low", `lang="en"`)
	v.press("pay", url.Values{"lang": {"en"}}).shows("ACQ.BUYER_BALANCE_NOT_ENOUGH", "did not go through: the account&#39;s balance is too low")
	v.press("pay", url.Values{"lang": {"zh"}}).shows("付款未成功：买家余额不足")
	v.press("logout", url.Values{"lang": {"zh"}}).shows(`id="buyer-1"`, `lang="zh-CN"`)
	v.press("login", url.Values{"buyer": {"1"}}).press("cancel", url.Values{}).shows(`id="cancelled"`, `id="pay-again"`)
	if trade, _ := g.Trade("A1"); trade.TradeStatus != "WAIT_BUYER_PAY" {
		t.Errorf("cancelled at the cashier: %s; the trade stays open, as Alipay's", trade.TradeStatus)
	}
	v.press("logout", url.Values{}).press("login", url.Values{"buyer": {"1"}}).press("pay", url.Values{})
	v.shows(`id="paid"`, `id="return"`, `http-equiv="refresh"`)
}

func TestTwoTabsPayOnce(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("success"))
	one := visit(t, g, g.PayURL("A1", "1.00", m.URL, ""))
	two := visit(t, g, g.PayURL("A1", "1.00", m.URL, ""))
	for _, tab := range []*visitor{one, two} {
		tab.press("login", url.Values{"buyer": {"1"}})
	}
	for _, tab := range []*visitor{one, two} {
		tab.press("pay", url.Values{}).shows(`id="paid"`)
	}
	g.Wait()
	if len(m.got()) != 1 {
		t.Errorf("%d notices", len(m.got()))
	}
}

func TestExpiredCashier(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	v := visit(t, g, g.PayURL("A1", "1.00", "", ""))
	v.press("login", url.Values{"buyer": {"1"}})
	g.Move(15 * 24 * time.Hour)
	v.press("pay", url.Values{}).shows(`id="closed"`)
}

// A page elsewhere cannot pay for a visitor: neither without the form's token
// nor with it from another origin.
func TestForgedCashierForms(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	v := visit(t, g, g.PayURL("A1", "1.00", "", ""))
	v.press("login", url.Values{"buyer": {"1"}})
	for name, token := range map[string]string{"none": "", "another": strings.Repeat("0", 32)} {
		response, err := http.PostForm(v.base+"/pay", url.Values{"session": {token}})
		if err != nil {
			t.Fatal(err)
		}
		readAll(t, response)
		if response.StatusCode != http.StatusForbidden {
			t.Errorf("token %s: %d", name, response.StatusCode)
		}
	}
	token := formToken.FindStringSubmatch(v.page)[1]
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.base+"/pay",
		strings.NewReader("session="+token))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", "https://evil.example")
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, response)
	if trade, _ := g.Trade("A1"); trade.TradeStatus != "WAIT_BUYER_PAY" || response.StatusCode != http.StatusForbidden {
		t.Errorf("%d, %s", response.StatusCode, trade.TradeStatus)
	}
}

func TestPagesEscapeWhatMerchantsWrite(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	biz := sandboxtest.Biz{
		"out_trade_no": "A1", "total_amount": "1.00", "product_code": "FAST_INSTANT_TRADE_PAY",
		"subject": `<script>alert(1)<!--`, "body": `"><img src=x onerror=alert(1)>`,
	}
	v := visit(t, g, g.GatewayURL()+"?"+g.Form("alipay.trade.page.pay", biz, nil).Encode())
	v.shows("&lt;script&gt;alert(1)")
	if strings.Contains(v.page, "<img") {
		t.Error("the body is not escaped")
	}
	for _, path := range []string{"/?lang=en", "/orders/A1?lang=zh"} {
		response, err := http.Get(g.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		page := readAll(t, response)
		if !strings.Contains(page, "&lt;script&gt;") || !strings.Contains(page, "SANDBOX") || response.StatusCode != http.StatusOK {
			t.Errorf("%s: %d\n%s", path, response.StatusCode, page)
		}
		if !strings.HasPrefix(response.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: policy %q", path, response.Header.Get("Content-Security-Policy"))
		}
	}
}

func TestWapPayTimeoutCountsFromTheLogin(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	biz := sandboxtest.Biz{
		"out_trade_no": "A1", "total_amount": "1.00", "product_code": "QUICK_WAP_WAY", "subject": "s",
		"timeout_express": "10m", "quit_url": "https://shop.example/cart",
	}
	v := visit(t, g, g.GatewayURL()+"?"+g.Form("alipay.trade.wap.pay", biz, nil).Encode())
	g.Move(5 * time.Minute)
	v.press("login", url.Values{"buyer": {"1"}})
	if trade, _ := g.Trade("A1"); trade.TimeExpire != "2026-03-01T12:15:00+08:00" {
		t.Errorf("expires at %s", trade.TimeExpire)
	}
	v.press("cancel", url.Values{}).shows("https://shop.example/cart", `id="quit"`)
}
