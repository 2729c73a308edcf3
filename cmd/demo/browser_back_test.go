// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// mostSteps is more than the history of any purchase here has.
const mostSteps = 12

// The back button may bring a page as the browser has kept it. chromedp then
// still looks at the document before, so that such a page is asked by script.

// has tells whether the page has an element.
func (b *browser) has(selector string) bool {
	b.t.Helper()
	var found bool
	b.run(chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q) !== null`, selector), &found))
	return found
}

// read is what an element of the page says.
func (b *browser) read(selector string) string {
	b.t.Helper()
	var text string
	b.run(chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).innerText.trim()`, selector), &text))
	return text
}

// press follows a link or sends a form of the page, and waits for the page after it.
func (b *browser) press(selector string) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).click()`, selector), nil)); err != nil {
		b.fail(fmt.Errorf("pressing %s: %w", selector, err))
	}
}

// stepBack presses the browser's back button once. The page before may come from
// the browser's own store, where no event tells of it: the document that was left
// is known by its number.
func (b *browser) stepBack() {
	b.t.Helper()
	b.left++
	b.run(chromedp.Evaluate(fmt.Sprintf(`window.left = %d; setTimeout(() => history.back())`, b.left), nil))
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for arrived := false; !arrived; {
		select {
		case <-again.C:
		case <-b.ctx.Done():
			b.fail(errors.New("the back button leads nowhere"))
		}
		// Between two documents there is none to ask.
		_ = chromedp.Run(b.ctx, chromedp.Evaluate(fmt.Sprintf(`document.readyState === "complete" && window.left !== %d`, b.left), &arrived))
	}
}

// back presses the browser's back button until one of the shop's pages of the
// order is there, and looks at each page on the way.
func (b *browser) back(d *demo, number string, onTheWay func()) {
	b.t.Helper()
	target := d.places.URL() + "/orders/" + number
	for range mostSteps {
		b.stepBack()
		if b.at() == target {
			return
		}
		onTheWay()
	}
	b.t.Fatalf("%s: %d steps back have not led to the order, but to %s", b.screen.name, mostSteps, b.at())
}

// at is the page's address.
func (b *browser) at() string {
	b.t.Helper()
	var address string
	b.run(chromedp.Evaluate(`location.href`, &address))
	return address
}

// Attack: a buyer who has paid goes back from the shop to the cashier and to the
// order's page, and tries to pay once more wherever a page lets him.
func TestOddBackAfterPayingPaysOnce(t *testing.T) {
	for _, s := range oddScreens("back-paid") {
		t.Run(s.name, func(t *testing.T) {
			b := openBrowser(t, s, "zh-CN")
			d := open(t, t.TempDir(), "127.0.0.1:0")
			number := b.basket(d, "longjing")
			before := b.cashier()
			b.goBack()
			tradeNo := b.text("#trade-no")
			b.until(d, number, "paid")
			stay(t, d, true)
			cashiers, tried := 0, map[string]bool{}
			b.back(d, number, func() {
				if !strings.Contains(b.at(), "/cashier/") {
					return
				}
				cashiers++
				for _, button := range []string{"#pay", "#buyer-1"} { // on a page from before the payment
					if !b.has(button) {
						continue
					}
					if tried[button] { // its paid page has been seen, and this is the step back from it
						return
					}
					tried[button] = true
					b.press(button)
				}
				if !b.has("#paid") {
					t.Fatalf("step %d: the cashier does not say that it is paid", cashiers)
				}
				if got := b.read("#trade-no"); got != tradeNo || tradeNo == "" {
					t.Errorf("the cashier shows trade number %q, not %q", got, tradeNo)
				}
				b.look("1-cashier-again")
			})
			if cashiers == 0 {
				t.Error("the way back did not lead through the cashier")
			}
			if b.has("#pay") { // from before the payment
				b.press("#pay")
				if !b.has("#settled") {
					t.Error("the shop's page leads to a second payment")
				}
			} else if !b.has(`#state[data-state="paid"]`) {
				t.Error("the shop does not say that it is paid")
			}
			b.look("2-shop-again")
			b.once(d, number, tradeNo, before)
		})
	}
}

// A buyer who goes back from the cashier to the shop may change his mind again:
// he pays at a second visit, and the first one then shows that it is done.
func TestOddBackFromTheCashierThenPays(t *testing.T) {
	for _, s := range oddScreens("back-unpaid") {
		t.Run(s.name, func(t *testing.T) {
			b := openBrowser(t, s, "zh-CN")
			d := open(t, t.TempDir(), "127.0.0.1:0")
			number := b.basket(d, "longjing")
			before := b.cashier()
			first := b.location()
			b.back(d, number, func() {})
			if !b.has(`#state[data-state="unpaid"]`) {
				t.Error("the order is not shown as unpaid")
			}
			b.look("1-order-still-unpaid")
			b.press("#pay")
			if got := b.balance(); got != before {
				t.Errorf("the balance went from %d to %d fen without a payment", before, got)
			}
			if b.location() == first {
				t.Error("the second visit is the first one")
			}
			b.goBack()
			tradeNo := b.text("#trade-no")
			b.until(d, number, "paid")
			stay(t, d, true)
			b.visit(first)
			b.wait("#paid")
			b.look("2-first-visit-paid")
			b.once(d, number, tradeNo, before)
		})
	}
}
