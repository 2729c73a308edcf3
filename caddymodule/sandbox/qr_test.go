// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

// precreated makes an order with a QR code and returns the code's address.
func precreated(t *testing.T, g *sandboxtest.Gateway, outTradeNo string) string {
	t.Helper()
	answer := g.Call("alipay.trade.precreate", sandboxtest.Biz{
		"out_trade_no": outTradeNo, "total_amount": "1234.50", "subject": "Tea",
	})
	address := answer.Text("qr_code")
	if !strings.HasPrefix(address, g.URL+"/qr/") {
		t.Fatalf("%s", answer.Raw)
	}
	return address
}

// A till shows the code; its page follows the buyer from the scan to the payment.
func TestQRPageFollowsTheBuyer(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{Config: sandbox.Config{MerchantName: "青山茶铺"}})
	address := precreated(t, g, "A1")
	trade, err := g.Trade("A1")
	if err != nil || g.URL+trade.QRPage != address+"/page" {
		t.Fatalf("qr_page %q, %v", trade.QRPage, err)
	}
	path := strings.TrimPrefix(address, g.URL)
	is := func(step string) string {
		t.Helper()
		if got := control(t, g, "GET", path+"/state", "", http.StatusOK)["step"]; got != step {
			t.Errorf("the step is %v, not %s", got, step)
		}
		page := g.Open(address + "/page?lang=en")
		for _, mark := range []string{`data-step="` + step + `"`, "1,234.50", "青山茶铺", "SANDBOX", `lang="en"`} {
			if !strings.Contains(page, mark) {
				t.Errorf("no %s in:\n%s", mark, page)
			}
		}
		return page
	}
	if page := is("login"); !strings.Contains(page, "Waiting for the buyer to scan") ||
		!strings.Contains(page, `id="qr-address">`+address+"<") || !strings.Contains(page, `role="img"`) {
		t.Errorf("before the scan:\n%s", page)
	}
	v := visit(t, g, address+"?lang=en")
	v.shows(`id="buyer-1"`, `lang="en"`)
	is("scanned")
	v.press("login", url.Values{"buyer": {"1"}})
	is("pay")
	v.press("cancel", url.Values{})
	is("scanned")
	v.press("logout", url.Values{}).press("login", url.Values{"buyer": {"1"}}).press("pay", url.Values{})
	if page := is("paid"); strings.Contains(page, `id="scan"`) || !strings.Contains(page, `id="trade-no"`) {
		t.Errorf("paid:\n%s", page)
	}
}

func TestQRPageEndsWithTheOrder(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	address := precreated(t, g, "A1")
	g.Move(4 * time.Hour)
	if page := g.Open(address + "/page?lang=zh"); !strings.Contains(page, `id="closed"`) || strings.Contains(page, `id="scan"`) {
		t.Errorf("%s", page)
	}
	for path, want := range map[string]int{"/qr/0": 404, "/qr/0/page": 404, "/qr/0/state": 404} {
		response, err := http.Get(g.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if readAll(t, response); response.StatusCode != want {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	if trade := g.Buy("A2", "1.00", "", ""); trade.QRPage != "" {
		t.Errorf("an order of page.pay has the QR page %q", trade.QRPage)
	}
}
