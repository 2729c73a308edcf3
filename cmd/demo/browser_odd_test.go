// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
)

// oddScreens are both kinds of screen, named so that their pictures stand
// beside those of the ordinary purchases.
func oddScreens(name string) []screen {
	wide, small := desktop, phone
	wide.name, small.name = "odd-"+name+"-desktop", "odd-"+name+"-phone"
	return []screen{wide, small}
}

// tab opens one more tab, with the same cookies, and brings it to the front.
func (b *browser) tab(languages string) *browser {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithExistingBrowserContext(b.profile))
	b.t.Cleanup(cancel)
	other := &browser{t: b.t, ctx: ctx, profile: b.profile, screen: b.screen, shots: b.shots}
	chromedp.ListenTarget(ctx, other.listen)
	size := chromedp.EmulateViewport(b.screen.width, b.screen.height)
	if b.screen.userAgent != "" {
		size = chromedp.EmulateViewport(b.screen.width, b.screen.height, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	other.run(log.Enable(), runtime.Enable(), emulate(b.screen, languages), size, page.BringToFront())
	return other
}

// status opens an address and returns the status of its page.
func (b *browser) status(action chromedp.Action) int64 {
	b.t.Helper()
	response, err := chromedp.RunResponse(b.ctx, action)
	if err != nil {
		b.fail(err)
	}
	return response.Status
}

// basket logs in and orders one tea.
func (b *browser) basket(d *demo, tea string) string {
	b.t.Helper()
	b.visit(d.places.URL() + "/login")
	b.run(chromedp.SendKeys("#name", "Ada", chromedp.ByQuery))
	b.click("#login")
	return b.again(d, tea)
}

// again orders one more tea of a customer who is logged in.
func (b *browser) again(d *demo, tea string) string {
	b.t.Helper()
	b.visit(d.places.URL() + "/tea/" + tea)
	b.wait("#quantity")
	b.click("#buy")
	b.wait(`#state[data-state="unpaid"]`)
	return b.text("#number")
}

// cashier goes from an unpaid order's page to the cashier as the first buyer,
// and returns the buyer's balance in fen.
func (b *browser) cashier() int64 {
	b.t.Helper()
	b.click("#pay")
	return b.balance()
}

// balance logs in at the cashier as the first buyer.
func (b *browser) balance() int64 {
	b.t.Helper()
	b.wait("#buyer-1")
	b.click("#buyer-1")
	b.wait("#balance")
	digits := strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return r
		}
		return -1
	}, b.text("#balance"))
	fen, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		b.t.Fatal(err)
	}
	return fen
}

// goBack pays at the cashier and returns to the shop by the button, without
// waiting for the page to lead back by itself.
func (b *browser) goBack() {
	b.t.Helper()
	b.click("#pay")
	b.wait("#paid")
	// at this moment it may lead back by itself, and have no button any more
	_ = chromedp.Run(b.ctx, chromedp.Evaluate(`document.querySelector("#return")?.click()`, nil))
	b.wait(`#result[data-state="paid"]`)
}

// until opens the order's page until the shop shows the state: the notice comes
// beside the buyer, and the shop hears of it a moment later.
func (b *browser) until(d *demo, number, state string) {
	b.t.Helper()
	for {
		b.visit(d.places.URL() + "/orders/" + number)
		var is string
		b.run(chromedp.Evaluate(`document.querySelector("#state").dataset.state`, &is))
		switch is {
		case state:
			return
		case "unpaid":
		default:
			b.t.Fatalf("the order is shown as %s, not %s", is, state)
		}
	}
}

// stay keeps the cashier from leading the buyer back by itself, so that its
// last page can be looked at for as long as it takes.
func stay(t *testing.T, d *demo, on bool) {
	t.Helper()
	faults := sandbox.Faults{Switches: sandbox.DefaultSwitches()}
	if on {
		faults.Global = []sandbox.Fault{{Name: "return_never"}}
	}
	if err := d.gateway.SetFaults(faults); err != nil {
		t.Fatal(err)
	}
}

// once checks that an order of 88 yuan was paid once: the gateway has one
// payment, told of it once, and the buyer's next balance is lower by its amount.
func (b *browser) once(d *demo, number, tradeNo string, before int64) {
	b.t.Helper()
	trade, err := d.gateway.Trade(number)
	if err != nil {
		b.t.Fatal(err)
	}
	if trade.TradeStatus != "TRADE_SUCCESS" || trade.TradeNo != tradeNo || len(trade.Notices) != 1 {
		b.t.Errorf("the gateway knows %+v", trade)
	}
	b.visit(d.places.URL() + "/orders")
	var states []string
	b.run(chromedp.Evaluate(`[...document.querySelectorAll("#orders .badge")].map(e => e.className)`, &states))
	if len(states) != 1 || states[0] != "badge paid" {
		b.t.Errorf("the shop lists orders as %q", states)
	}
	b.again(d, "longjing")
	if after := b.cashier(); before-after != 8800 {
		b.t.Errorf("the buyer's balance went from %d to %d fen", before, after)
	}
}

// settledAlready checks that /pay asks for no more money: 409, and a page that
// says so in the words of the order's state.
func (b *browser) settledAlready(d *demo, number, picture string) {
	b.t.Helper()
	if got := b.status(chromedp.Navigate(d.places.URL() + "/pay?out_trade_no=" + number)); got != http.StatusConflict {
		b.t.Errorf("/pay answers %d", got)
	}
	b.wait("#settled")
	b.look(picture)
}

// Attack: the same order is opened in two tabs, and paid in both.
func TestOddTwoTabsPayOnce(t *testing.T) {
	for _, s := range oddScreens("tabs") {
		t.Run(s.name, func(t *testing.T) {
			first := openBrowser(t, s, "zh-CN")
			d := open(t, t.TempDir(), "127.0.0.1:0")
			stay(t, d, true)
			number := first.basket(d, "longjing")
			second := first.tab("zh-CN")
			second.visit(d.places.URL() + "/orders/" + number)
			before := second.cashier()
			first.run(page.BringToFront())
			if got := first.cashier(); got != before {
				t.Errorf("the tabs show balances of %d and %d fen", got, before)
			}
			first.click("#pay")
			first.wait("#paid")
			tradeNo := first.text("#trade-no")
			first.look("1-first-paid")
			second.run(page.BringToFront())
			second.click("#pay") // its page is from before the payment
			second.wait("#paid")
			if got := second.text("#trade-no"); got != tradeNo || tradeNo == "" {
				t.Errorf("the second tab shows trade number %q, the first %q", got, tradeNo)
			}
			second.look("2-second-paid-already")
			second.until(d, number, "paid")
			second.paid(number, tradeNo)
			second.settledAlready(d, number, "3-settled")
			second.once(d, number, tradeNo, before)
		})
	}
}

// The return's address is signed once and may be opened as often as one likes.
func TestOddReturnReloads(t *testing.T) {
	for _, s := range oddScreens("reload") {
		t.Run(s.name, func(t *testing.T) {
			b := openBrowser(t, s, "zh-CN")
			d := open(t, t.TempDir(), "127.0.0.1:0")
			number := b.basket(d, "longjing")
			before := b.cashier()
			b.goBack()
			tradeNo := b.text("#trade-no")
			for range 3 {
				if got := b.status(chromedp.Reload()); got != http.StatusOK {
					t.Errorf("the return answers %d", got)
				}
				b.wait(`#result[data-state="paid"]`)
				if got := b.text("#trade-no"); got != tradeNo || tradeNo == "" {
					t.Errorf("the return shows trade number %q, not %q", got, tradeNo)
				}
			}
			b.look("1-return-again")
			b.until(d, number, "paid")
			b.once(d, number, tradeNo, before)
		})
	}
}

// An order whose time is over cannot be paid from a cashier page that is still
// open, and the shop never shows it as paid. The sidecar asks when the time is
// over, so that both screens wait for it together.
func TestOddOrderExpires(t *testing.T) {
	d := open(t, t.TempDir(), "127.0.0.1:0")
	screens := oddScreens("expired")
	buyers, numbers := make([]*browser, len(screens)), make([]string, len(screens))
	for i, s := range screens {
		b := openBrowser(t, s, "zh-CN")
		buyers[i], numbers[i] = b, b.basket(d, "longjing")
		b.cashier()
		b.look("1-cashier-before")
	}
	ctx, cancel := context.WithTimeout(t.Context(), browserTime/2)
	defer cancel()
	if err := d.gateway.Advance(ctx, 2*time.Hour); err != nil { // the demo's orders have one hour
		t.Fatal(err)
	}
	for _, b := range buyers {
		b.run(page.BringToFront())
		b.click("#pay") // its page is from before the end
		b.wait("#closed")
		b.look("2-cashier-closed")
	}
	for i, b := range buyers {
		b.run(page.BringToFront())
		b.until(d, numbers[i], "closed")
		b.look("3-order-closed")
		b.settledAlready(d, numbers[i], "4-settled")
		trade, err := d.gateway.Trade(numbers[i])
		if err != nil || trade.TradeStatus != "TRADE_CLOSED" || trade.GmtPayment != "" {
			t.Errorf("%s: the gateway knows %+v (%v)", b.screen.name, trade, err)
		}
	}
}
