// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// mostTabs is more than any page here has of what can be focused.
const mostTabs = 40

// tabTo moves the focus with the Tab key alone until it is on an element, which
// then has to show it.
func (b *browser) tabTo(selector string) {
	b.t.Helper()
	for range mostTabs {
		var at struct{ There, Seen bool }
		b.run(chromedp.Evaluate(fmt.Sprintf(focusState, selector), &at))
		if at.There {
			if !at.Seen {
				b.t.Errorf("%s: nothing shows that %s has the focus", b.location(), selector)
			}
			return
		}
		b.run(chromedp.KeyEvent(kb.Tab))
	}
	b.t.Fatalf("%s: Tab does not lead to %s", b.location(), selector)
}

// focusState tells whether an element has the focus, and whether it is on the
// screen with an outline.
const focusState = `(() => {
	const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
	return {
		There: e.matches(%q),
		Seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 &&
			box.width > 0 && box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth,
	};
})()`

// enter presses Enter and waits for the page that comes.
func (b *browser) enter() {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.KeyEvent(kb.Enter)); err != nil {
		b.fail(err)
	}
}

// A whole purchase with the keyboard alone, from the list of teas to the paid
// order. On the cashier's page the focus is on the button already: Enter pays.
func TestBrowserBuysByKeyboard(t *testing.T) {
	b := openBrowser(t, screen{"keyboard", desktop.width, desktop.height, ""}, "en-US,en;q=0.9")
	d := open(t, t.TempDir(), "127.0.0.1:0")
	b.visit(d.places.URL())
	for _, step := range []string{"#tea-longjing", "#buy"} {
		b.tabTo(step)
		b.look("1-focus-" + step[1:])
		b.enter()
	}
	b.tabTo("#name")
	b.run(chromedp.KeyEvent("Ada"))
	b.enter()
	b.tabTo("#buy")
	b.enter()
	b.wait(`#state[data-state="unpaid"]`)
	number := b.text("#number")
	b.tabTo("#pay")
	b.look("2-focus-pay")
	b.enter()
	b.tabTo("#buyer-2") // past the first one, and back
	b.look("3-focus-buyer")
	b.run(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(input.ModifierShift)))
	b.tabTo("#buyer-1")
	b.enter()
	// a browser sets autofocus a moment after the page is there
	b.run(chromedp.Poll(`document.activeElement.id === "pay"`, nil, chromedp.WithPollingTimeout(10*time.Second)))
	b.tabTo("#cancel")
	b.enter()
	b.wait("#cancelled")
	b.tabTo("#pay-again")
	b.look("4-focus-pay-again")
	b.enter()
	b.tabTo("#buyer-1")
	b.enter()
	b.tabTo("#pay")
	b.enter()
	b.wait(`#result[data-state="paid"]`)
	tradeNo := b.text("#trade-no")
	b.tabTo("summary")
	b.run(chromedp.KeyEvent(kb.Enter))
	b.wait(".headers")
	b.tabTo("#to-order")
	b.enter()
	b.paid(number, tradeNo)
}
