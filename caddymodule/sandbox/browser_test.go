// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

// browser opens a tab. Only where there is no browser may a test be skipped,
// and never in CI.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("no chromium, and CI must try the pages in a browser")
		}
		t.Skip("no chromium here")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("no-proxy-server", true),
		chromedp.WSURLReadTimeout(time.Minute))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

func act(ctx context.Context, t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// The till's page changes by itself while a phone scans, logs in and pays; the
// phone's steps are done by keyboard alone.
func TestQRPageIsLive(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	address := precreated(t, g, "A1")
	till := browser(t)
	act(till, t, chromedp.Navigate(address+"/page?lang=en"), chromedp.WaitVisible(`#live.login`))

	phone, closeTab := chromedp.NewContext(till)
	defer closeTab()
	act(phone, t, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile),
		chromedp.Navigate(address+"/page?lang=en"), chromedp.WaitVisible(`#scan`))
	press := func(id string) chromedp.Action {
		return chromedp.Tasks{chromedp.Focus(id), chromedp.KeyEvent(kb.Enter)}
	}
	act(phone, t, press("#scan"), chromedp.WaitVisible("#buyer-1"))
	act(till, t, chromedp.WaitVisible(`#live.scanned`))
	act(phone, t, press("#buyer-1"), chromedp.WaitVisible("#pay"))
	act(till, t, chromedp.WaitVisible(`#live.pay`))
	var focused string
	act(phone, t, chromedp.Evaluate(`document.activeElement.id`, &focused))
	if focused != "pay" {
		t.Errorf("the focus is on %q; Enter should pay", focused)
	}
	act(phone, t, chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#paid"))
	act(till, t, chromedp.WaitVisible(`#paid`))
}

// No page of the cashier, the till or the panel is wider than a phone.
func TestPagesFitAPhone(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("success"))
	qr := precreated(t, g, "QR1") + "/page"
	trade := g.Buy("A_rather_long_order_number_20260301_0000000000000000000000000001", "100000.00", m.URL+"/notify", "")
	g.Wait()
	problem := g.GatewayURL() + "?" + g.Form("alipay.trade.page.pay", sandboxtest.Biz{"out_trade_no": "A-1"}, nil).Encode()
	g.Open(g.PayURL("A2", "1.00", "", ""))
	open, err := g.Trade("A2")
	if err != nil {
		t.Fatal(err)
	}
	tab := browser(t)
	act(tab, t, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	for _, address := range []string{
		qr, problem, g.URL + trade.CashierURL, g.URL + open.CashierURL, g.URL + "/", g.URL + "/orders/" + trade.OutTradeNo,
	} {
		var width int
		var text string
		act(tab, t, chromedp.Navigate(address), chromedp.Evaluate(`document.documentElement.scrollWidth`, &width),
			chromedp.Text("body", &text, chromedp.ByQuery))
		if width > 390 {
			t.Errorf("%s is %d px wide", address, width)
		}
		if len(text) < 50 {
			t.Errorf("%s shows %q", address, text)
		}
	}
}
