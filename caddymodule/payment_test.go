// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
)

// TestPayment is the whole way: shop, /pay, the gateway's cashier, its notice,
// the delivery, and the buyer's return.
func TestPayment(t *testing.T) {
	w := newWorld(t, "")
	w.Shop.offer("A1", "88.88")
	u := w.pay("A1")
	if got := u.Query().Get("notify_url"); got != w.URL+"/pay/notify" {
		t.Errorf("notify_url %q", got)
	}
	w.Gateway.Open(u.String())
	if err := w.Gateway.Pay("A1", 1); err != nil {
		t.Fatal(err)
	}
	w.Gateway.Wait()
	tr := must(w.Gateway.Trade("A1"))
	if len(tr.Notices) != 1 || tr.Notices[0].State != "delivered" {
		t.Fatalf("the gateway's notices: %+v", tr.Notices)
	}
	deliveries := w.Shop.deliveries()
	if len(deliveries) != 1 {
		t.Fatalf("%d deliveries", len(deliveries))
	}
	d := deliveries[0]
	for name, want := range map[string]string{
		"Out-Trade-No": "A1", "No": tr.TradeNo, "Status": "TRADE_SUCCESS", "Total-Amount": "88.88", "Refunded-Amount": "0.00",
		"App-Id": w.Gateway.AppID, "Seller-Id": sellerID, "Buyer-Id": tr.BuyerID, "Source": "notify",
		"Event": "trade.paid", "Sequence": "1",
	} {
		if got := d.Header.Get("X-Alipay-Trade-" + name); got != want {
			t.Errorf("X-Alipay-Trade-%s: %q, want %q", name, got, want)
		}
	}
	if d.Header.Get("X-Alipay-Trade-Event-Id") == "" || !strings.HasSuffix(d.Header.Get("X-Alipay-Trade-Paid-At"), "+08:00") {
		t.Errorf("event id %q, paid at %q", d.Header.Get("X-Alipay-Trade-Event-Id"), d.Header.Get("X-Alipay-Trade-Paid-At"))
	}
	form := must(url.ParseQuery(d.Body))
	if err := w.Gateway.VerifyForm(form); err != nil || form.Get("trade_status") != "TRADE_SUCCESS" {
		t.Errorf("the delivered form is not the original: %v", err)
	}
	back := must(url.Parse(tr.ReturnURL))
	if a := w.get(back.RequestURI()); a.Status != http.StatusOK {
		t.Fatalf("the return was answered %d", a.Status)
	}
	page := w.lastPage("/pay/return")
	if page.URI != back.RequestURI() || page.Header.Get("X-Alipay-Trade-Status") != "TRADE_SUCCESS" ||
		page.Header.Get("X-Alipay-Trade-No") != tr.TradeNo || page.Header.Get("X-Alipay-Trade-Sequence") != "1" ||
		page.Header.Get("X-Alipay-Trade-Event") != "" {
		t.Errorf("the return reached the shop as %+v", page)
	}
	if a := w.get("/pay?out_trade_no=A1"); a.Status != http.StatusConflict {
		t.Errorf("paying again was answered %d", a.Status)
	}
}

func (w *world) lastPage(path string) *received {
	w.t.Helper()
	got := w.Shop.matching(func(r *received) bool { return strings.HasPrefix(r.URI, path) && r.Method == http.MethodGet })
	if len(got) == 0 {
		w.t.Fatalf("nothing reached the shop at %s", path)
	}
	return got[len(got)-1]
}

// TestReturnAsks: the notice is lost, the buyer comes back, Alipay is asked.
func TestReturnAsks(t *testing.T) {
	w := newWorld(t, "")
	w.Shop.offer("A2", "1.00")
	w.Gateway.Open(w.pay("A2").String())
	w.fault("A2", "notify_never")
	if err := w.Gateway.Pay("A2", 1); err != nil {
		t.Fatal(err)
	}
	w.Gateway.Wait()
	tr := must(w.Gateway.Trade("A2"))
	if a := w.get(must(url.Parse(tr.ReturnURL)).RequestURI()); a.Status != http.StatusOK {
		t.Fatalf("the return was answered %d", a.Status)
	}
	page := w.lastPage("/pay/return")
	if page.Header.Get("X-Alipay-Trade-Status") != "TRADE_SUCCESS" || page.Header.Get("X-Alipay-Trade-Source") != "query" {
		t.Errorf("headers %v", page.Header)
	}
	until(t, "the event learnt by asking is delivered", func() bool {
		return slices.Equal(w.Shop.events(), []string{"trade.paid"})
	})
}

// fault makes the gateway misbehave about one order.
func (w *world) fault(outTradeNo, name string) {
	w.t.Helper()
	err := w.Gateway.SetFaults(sandbox.Faults{
		Orders: map[string][]sandbox.Fault{outTradeNo: {{Name: name}}}, Switches: sandbox.DefaultSwitches(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
