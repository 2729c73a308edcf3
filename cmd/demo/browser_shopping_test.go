// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
)

// order goes from the list of teas through the login to a new order, and
// returns its number.
func (b *browser) order(d *demo, tea, name string) string {
	b.t.Helper()
	b.visit(d.places.URL())
	b.wait("#tea-" + tea)
	b.look("1-teas")
	b.click("#tea-" + tea)
	b.look("2-tea-logged-out")
	b.click("#buy")
	b.wait("#name")
	b.look("3-login")
	b.run(chromedp.SendKeys("#name", name, chromedp.ByQuery))
	b.click("#login")
	b.wait("#quantity")
	if got := b.text("#customer"); got != name {
		b.t.Errorf("the shop greets %q, not %q", got, name)
	}
	b.look("4-tea")
	b.click("nav a[href='/orders']")
	b.look("4-orders-none")
	b.visit(d.places.URL() + "/tea/" + tea)
	b.click("#buy")
	b.wait(`#state[data-state="unpaid"]`)
	b.look("5-order-unpaid")
	return b.text("#number")
}

// logIn chooses the first buyer at the cashier.
func (b *browser) logIn() {
	b.t.Helper()
	b.wait("#buyer-1")
	b.look("6-cashier-login")
	b.click("#buyer-1")
	b.wait("#balance")
}

// payAndReturn pays at the cashier, which leads back to the shop by itself, and
// checks that the shop shows Alipay's trade number.
func (b *browser) payAndReturn(d *demo, number string) string {
	b.t.Helper()
	b.look("7-cashier-pay")
	b.click("#pay")
	b.wait("#paid")
	b.look("8-cashier-paid")
	tradeNo := b.text("#trade-no")
	b.wait(`#result[data-state="paid"]`)
	if at := b.location(); !strings.HasPrefix(at, d.places.URL()+"/pay/return?") {
		b.t.Errorf("the return is at %s", at)
	}
	b.look("9-return-paid")
	if got := b.text("#trade-no"); got != tradeNo || tradeNo == "" {
		b.t.Errorf("the return shows trade number %q, the cashier %q", got, tradeNo)
	}
	b.run(chromedp.Click("summary", chromedp.ByQuery))
	if told := b.text(".headers"); !strings.Contains(told, "X-Alipay-Trade-No\n"+tradeNo) {
		b.t.Errorf("the headers that the page shows are:\n%s", told)
	}
	b.look("9-return-headers")
	b.click("#to-order")
	b.paid(number, tradeNo)
	b.look("10-order-paid")
	return tradeNo
}

// paid checks the order's page.
func (b *browser) paid(number, tradeNo string) {
	b.t.Helper()
	b.wait(`#state[data-state="paid"]`)
	if got := b.text("#number"); got != number {
		b.t.Errorf("the page is of order %q, not %q", got, number)
	}
	if got := b.text("#trade-no"); got != tradeNo {
		b.t.Errorf("the order has trade number %q, not %q", got, tradeNo)
	}
}

func TestBrowserBuysAndComesBackAfterARestart(t *testing.T) {
	b := openBrowser(t, desktop, "zh-CN,zh;q=0.9")
	dir := t.TempDir()
	d := open(t, dir, "127.0.0.1:0")
	number := b.order(d, "longjing", "王小明")
	b.click("#pay")
	b.logIn()
	tradeNo := b.payAndReturn(d, number)
	if trade, err := d.gateway.Trade(number); err != nil || trade.ProductCode != "FAST_INSTANT_TRADE_PAY" || trade.TotalAmount != "88.00" {
		t.Errorf("the sandbox knows %+v (%v)", trade, err)
	}
	shut(t, d)

	d = open(t, dir, "127.0.0.1:0") // cookies know no port: the login goes on
	b.visit(d.places.URL() + "/orders")
	b.look("11-orders")
	b.click(".row")
	b.paid(number, tradeNo)
	b.visit(d.places.URL() + "/pay?out_trade_no=" + number)
	b.wait("#settled")
	b.look("12-paid-already")
}

func TestBrowserPaysByPhone(t *testing.T) {
	b := openBrowser(t, phone, "zh-CN,zh;q=0.9")
	d := open(t, t.TempDir(), "127.0.0.1:0")
	number := b.order(d, "jasmine", "一个名字很长很长的客人")
	b.click("#pay")
	b.logIn()
	b.payAndReturn(d, number)
	if trade, err := d.gateway.Trade(number); err != nil || trade.ProductCode != "QUICK_WAP_WAY" {
		t.Errorf("the sandbox knows %+v (%v)", trade, err)
	}
	b.visit(d.places.URL() + "/orders")
	b.look("11-orders")
	b.visit(d.places.URL() + "/pay?out_trade_no=" + number)
	b.wait("#settled")
	b.look("12-paid-already")
}

func TestBrowserCancelsThenPays(t *testing.T) {
	b := openBrowser(t, screen{"english", desktop.width, desktop.height, ""}, "en-US,en;q=0.9")
	d := open(t, t.TempDir(), "127.0.0.1:0")
	number := b.order(d, "tieguanyin", "Ada")
	b.click("#pay")
	b.logIn()
	b.click("#cancel")
	b.wait("#cancelled")
	b.look("8-cashier-cancelled")
	b.visit(d.places.URL() + "/orders/" + number)
	b.wait(`#state[data-state="unpaid"]`)
	b.click("#pay")
	b.logIn()
	b.payAndReturn(d, number)
}

// The notice is lost and the query fails at first: the return page proves
// nothing, says so, and asks again by itself until Alipay answers.
func TestBrowserWaitsForProof(t *testing.T) {
	for _, s := range []screen{desktop, phone} {
		t.Run(s.name, func(t *testing.T) {
			b := openBrowser(t, s, "zh-CN")
			d := open(t, t.TempDir(), "127.0.0.1:0")
			number := b.basket(d, "yinzhen")
			faults := sandbox.Faults{Global: []sandbox.Fault{{Name: "notify_never"}, {Name: "answer_system_error"}}, Switches: sandbox.DefaultSwitches()}
			if err := d.gateway.SetFaults(faults); err != nil {
				t.Fatal(err)
			}
			b.click("#pay")
			b.logIn()
			b.click("#pay")
			b.wait(`#result[data-state="unpaid"]`)
			b.look("9-return-checking")
			if err := d.gateway.SetFaults(sandbox.Faults{Switches: sandbox.DefaultSwitches()}); err != nil {
				t.Fatal(err)
			}
			b.wait(`#result[data-state="paid"]`)
			tradeNo := b.text("#trade-no")
			b.click("#to-order")
			b.paid(number, tradeNo)
		})
	}
}

func TestBrowserShowsErrors(t *testing.T) {
	for _, s := range []screen{desktop, phone} {
		t.Run(s.name, func(t *testing.T) {
			b := openBrowser(t, s, "zh-CN")
			d := open(t, t.TempDir(), "127.0.0.1:0")
			b.visit(d.places.URL() + "/pay/return?out_trade_no=T1&total_amount=0.01&sign=bm8%3D&sign_type=RSA2")
			if got := b.text("#message"); !strings.Contains(got, "不要重复付款") || !strings.Contains(got, "do not pay again") {
				t.Errorf("the message is %q", got)
			}
			b.look("20-bad-return")
			b.visit(d.places.URL() + "/orders")
			b.wait("#name")
			b.visit(d.places.URL() + "/nowhere")
			b.wait("#problem")
			b.look("21-not-found")
			if err := d.servers[0].Close(); err != nil {
				t.Fatal(err)
			}
			b.visit(d.places.URL())
			b.look("22-shop-down")
		})
	}
}
