// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
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

// view is a page, a screen and a language to look at it in.
type view struct {
	page, address, lang string
	width, height       int64
}

// No page of the cashier, the till or the panel is wider than its screen or lacks
// what a page has to have, in either language. DEMO_SCREENSHOTS keeps pictures.
func TestPagesOnBothScreensInBothLanguages(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("success"))
	qr := precreated(t, g, "QR1") + "/page"
	trade := g.Buy("A_rather_long_order_number_20260301_0000000000000000000000000001", "100000.00", m.URL+"/notify", "")
	g.Wait()
	problem := g.GatewayURL() + "?" + g.Form("alipay.trade.page.pay", sandboxtest.Biz{"out_trade_no": "A-1"}, nil).Encode()
	poor := visit(t, g, g.PayURL("A2", "6000.00", "", ""))
	poor.press("login", url.Values{"buyer": {"2"}})
	poor.press("pay", url.Values{})
	open, err := g.Trade("A2")
	if err != nil {
		t.Fatal(err)
	}
	tab := browser(t)
	shots := os.Getenv("DEMO_SCREENSHOTS")
	for page, address := range map[string]string{
		"qr": qr, "problem": problem, "paid": g.URL + trade.CashierURL, "poor": g.URL + open.CashierURL,
		"panel": g.URL + "/", "order": g.URL + "/orders/" + trade.OutTradeNo,
	} {
		for _, lang := range []string{"zh", "en"} {
			for name, width := range map[string]int64{"desktop": 1280, "phone": 390} {
				v := view{page, address + "?lang=" + lang, lang, width, 900}
				if page == "problem" { // its language is the browser's
					v.address = address
				}
				picture := v.look(tab, t)
				if shots == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(shots, "sandbox-"+page+"-"+name+"-"+lang+".png"), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func (v view) look(tab context.Context, t *testing.T) []byte {
	t.Helper()
	var found struct {
		Width, Headings int64
		Text            string
		Nameless        []string
	}
	var picture []byte
	act(tab, t, chromedp.EmulateViewport(v.width, v.height), emulation.SetUserAgentOverride("test").WithAcceptLanguage(v.lang),
		chromedp.Navigate(v.address), chromedp.Evaluate(`({
			Width: document.documentElement.scrollWidth, Headings: document.querySelectorAll("h1").length,
			Text: document.body.innerText,
			Nameless: [...document.querySelectorAll("input:not([type=hidden]), select, textarea")].filter(e => !e.labels.length).map(e => e.outerHTML)
		})`, &found), chromedp.FullScreenshot(&picture, 100))
	if found.Width > v.width || found.Headings != 1 || len(found.Nameless) > 0 {
		t.Errorf("%s in %s: %d px of %d, %d headings, without a label: %v", v.page, v.lang, found.Width, v.width, found.Headings, found.Nameless)
	}
	if !strings.Contains(found.Text, "SANDBOX") {
		t.Errorf("%s in %s does not say SANDBOX: %s", v.page, v.lang, found.Text)
	}
	return picture
}
