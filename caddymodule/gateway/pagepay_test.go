// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func testOffer() trade.Offer {
	return trade.Offer{
		OutTradeNo: "T-1", Total: 8888, Subject: "茶 + 杯子", Body: `a "b" <c> & d=e`,
		Others: map[string]json.RawMessage{
			"goods_detail": json.RawMessage(`[{"goods_id":"1","price":88.88}]`),
			"qr_pay_mode":  json.RawMessage(`"1"`), "store_id": json.RawMessage(`""`),
			"total_amount": json.RawMessage(`"0.01"`),
		},
	}
}

func testOptions() PayOptions {
	return PayOptions{
		Channel: "page", ReturnURL: "https://shop.example/pay/return", NotifyURL: "https://shop.example/pay/notify",
		ExpiresAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

// single flattens parameters and fails if one occurs twice.
func single(t *testing.T, values url.Values) map[string]string {
	t.Helper()
	flat := make(map[string]string)
	for key, list := range values {
		if len(list) != 1 || list[0] == "" {
			t.Errorf("%s occurs %d times or is empty", key, len(list))
		}
		flat[key] = list[0]
	}
	return flat
}

// opened takes a cashier's URL apart and lets openssl check its signature.
func opened(t *testing.T, c *Cashier) (system map[string]string, biz map[string]any) {
	t.Helper()
	u, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	system = single(t, u.Query())
	if !namedPair(t, "app").verifies(t, requestText(system), system["sign"]) {
		t.Error("openssl does not verify the request's signature")
	}
	if err := json.Unmarshal([]byte(system["biz_content"]), &biz); err != nil {
		t.Fatal(err)
	}
	return system, biz
}

// requestText is what a request signs: all but sign, sign_type included.
func requestText(system map[string]string) string {
	const stand = "sign_typf" // sorts where sign_type does, and is not left out
	text := textToSign(with(system, stand, system["sign_type"]))
	return strings.Replace(text, stand+"=", "sign_type=", 1)
}

func TestPagePay(t *testing.T) {
	g := newTestGateway(t, "https://alipay.example/gateway.do")
	c, err := g.PagePay(context.Background(), testOffer(), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	system, biz := opened(t, c)
	for key, want := range map[string]string{
		"app_id": testApp, "method": "alipay.trade.page.pay", "charset": "utf-8", "sign_type": "RSA2", "version": "1.0",
		"format": "JSON", "return_url": "https://shop.example/pay/return", "notify_url": "https://shop.example/pay/notify",
	} {
		if system[key] != want {
			t.Errorf("%s is %q, want %q", key, system[key], want)
		}
	}
	stamp, err := time.ParseInLocation(trade.TimeLayout, system["timestamp"], trade.Zone)
	if err != nil || time.Since(stamp).Abs() > time.Hour {
		t.Errorf("timestamp %q is not the time in +08:00", system["timestamp"])
	}
	for key, want := range map[string]any{
		"out_trade_no": "T-1", "total_amount": "88.88", "subject": "茶 + 杯子", "product_code": "FAST_INSTANT_TRADE_PAY",
		"time_expire": "2026-01-02 11:04:05", "qr_pay_mode": "1", "body": `a "b" <c> & d=e`,
	} {
		if biz[key] != want {
			t.Errorf("biz_content %s is %v, want %v", key, biz[key], want)
		}
	}
	for _, key := range []string{"store_id", "quit_url", "timeout_express", "passback_params", "seller_id"} {
		if _, has := biz[key]; has {
			t.Errorf("biz_content has %s, which has no value", key)
		}
	}
}

func TestPagePayForm(t *testing.T) {
	g := newTestGateway(t, "")
	c, err := g.PagePay(context.Background(), testOffer(), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	action, fields := c.Form()
	u, err := url.Parse(action)
	if err != nil {
		t.Fatal(err)
	}
	values := u.Query()
	if values.Get("charset") != "utf-8" || values.Has("biz_content") || len(fields) != 1 {
		t.Fatalf("action %q with %d fields", action, len(fields))
	}
	for _, f := range fields {
		values.Set(f.Name, f.Value)
	}
	if want := g.URL() + "?" + values.Encode(); want != c.URL {
		t.Error("form and URL do not carry the same request")
	}
}

func TestPagePayExpiry(t *testing.T) {
	g := newTestGateway(t, "")
	for name, tc := range map[string]struct {
		offer           func(*trade.Offer)
		expire, express any
	}{
		"from options":    {offer: func(*trade.Offer) {}, expire: "2026-01-02 11:04:05"},
		"time_expire":     {offer: func(o *trade.Offer) { o.TimeExpire = "2026-02-03 04:05:06" }, expire: "2026-02-03 04:05:06"},
		"timeout_express": {offer: func(o *trade.Offer) { o.TimeoutExpress = "90m" }, express: "90m"},
	} {
		t.Run(name, func(t *testing.T) {
			offer := testOffer()
			tc.offer(&offer)
			c, err := g.PagePay(context.Background(), offer, testOptions())
			if err != nil {
				t.Fatal(err)
			}
			_, biz := opened(t, c)
			if biz["time_expire"] != tc.expire || biz["timeout_express"] != tc.express {
				t.Errorf("time_expire %v, timeout_express %v", biz["time_expire"], biz["timeout_express"])
			}
		})
	}
}

func TestPagePayRefusals(t *testing.T) {
	g := newTestGateway(t, "")
	for name, change := range map[string]func(*PayOptions){
		"neither page nor wap": func(o *PayOptions) { o.Channel = "app" },
		"absolute":             func(o *PayOptions) { o.NotifyURL = "/pay/notify" },
		"query or fragment":    func(o *PayOptions) { o.ReturnURL += "?method=x" },
		"at most 256":          func(o *PayOptions) { o.ReturnURL += strings.Repeat("x", 256) },
	} {
		o := testOptions()
		change(&o)
		if _, err := g.PagePay(context.Background(), testOffer(), o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error is %v, want one that says %q", err, name)
		}
	}
}

// TestSigningWaitsItsTurn: a signature that cannot have its turn gives up with
// its request, and does not take the turn of another.
func TestSigningWaitsItsTurn(t *testing.T) {
	g := newTestGateway(t, "")
	for range cap(g.signing) {
		g.signing <- struct{}{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := g.PagePay(ctx, testOffer(), testOptions()); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want the context's", err)
	}
	<-g.signing
	if _, err := g.PagePay(context.Background(), testOffer(), testOptions()); err != nil {
		t.Error(err)
	}
}
