// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// PayOptions are the parts of a payment page that are not the shop's to say.
type PayOptions struct {
	Channel   string // page (computer) or wap (phone browser)
	ReturnURL string // "": the buyer stays at Alipay
	NotifyURL string
	QuitURL   string    // wap only: where a buyer goes who gives up; "" unless the offer has one
	ExpiresAt time.Time // sent if the offer has neither time_expire nor timeout_express
}

// Cashier is a signed request for a payment page. The payer's own browser must
// open it; nothing exists at Alipay until it does.
type Cashier struct {
	// URL is the request as one GET. Intermediaries are sure to take it up to
	// 8 KiB; Alipay's default is the form.
	URL string

	action string
	fields []Field
}

// Field is a hidden field of a form.
type Field struct{ Name, Value string }

// Form is the same request as a POST form, the way Alipay's own SDKs do it: the
// system parameters, charset among them, in the action's query and biz_content
// as a field. The caller escapes both for HTML.
func (c *Cashier) Form() (action string, fields []Field) { return c.action, slices.Clone(c.fields) }

// product is what a channel is called in the API (documents 028r8t, 02ivbs).
type product struct{ method, code string }

func productOf(channel string) (product, error) {
	switch channel {
	case "page":
		return product{"alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"}, nil
	case "wap":
		return product{"alipay.trade.wap.pay", "QUICK_WAP_WAY"}, nil
	}
	return product{}, fmt.Errorf("channel %q is neither page nor wap", clip(channel))
}

// PagePay signs the request for a payment page. It makes no call. Alipay shows
// mistakes in it to the buyer alone, so what can be checked is checked here and
// in trade.ParseOffer.
func (g *Gateway) PagePay(ctx context.Context, offer trade.Offer, o PayOptions) (*Cashier, error) {
	p, err := productOf(o.Channel)
	if err != nil {
		return nil, err
	}
	system := make(map[string]string)
	for _, u := range []struct{ name, value string }{{"return_url", o.ReturnURL}, {"notify_url", o.NotifyURL}} {
		if u.value == "" {
			continue
		}
		if err := checkCallback(u.name, u.value); err != nil {
			return nil, err
		}
		system[u.name] = u.value
	}
	values, err := g.sign(ctx, p.method, system, bizContent(&offer, p, o))
	if err != nil {
		return nil, err
	}
	return g.cashier(values), nil
}

func (g *Gateway) cashier(values url.Values) *Cashier {
	c := &Cashier{URL: g.url + "?" + values.Encode()}
	biz := values.Get("biz_content")
	values.Del("biz_content")
	c.action = g.url + "?" + values.Encode()
	c.fields = []Field{{Name: "biz_content", Value: biz}}
	return c
}

// bizContent holds only what has a value: Alipay signs empty members too, and
// refuses some of them.
func bizContent(offer *trade.Offer, p product, o PayOptions) map[string]any {
	biz := map[string]any{
		"out_trade_no": offer.OutTradeNo,
		"total_amount": offer.Total.String(),
		"subject":      offer.Subject,
		"product_code": p.code,
	}
	expire := offer.TimeExpire
	if expire == "" && offer.TimeoutExpress == "" && !o.ExpiresAt.IsZero() {
		expire = o.ExpiresAt.In(trade.Zone).Format(trade.TimeLayout)
	}
	optional := map[string]string{
		"body":            offer.Body,
		"time_expire":     expire,
		"timeout_express": offer.TimeoutExpress,
		"passback_params": offer.PassbackParams,
		"seller_id":       offer.SellerID,
	}
	if _, has := offer.Others["quit_url"]; !has && p.code == "QUICK_WAP_WAY" {
		optional["quit_url"] = o.QuitURL
	}
	for name, value := range optional {
		if value != "" {
			biz[name] = value
		}
	}
	for name, raw := range offer.Others {
		if _, own := biz[name]; !own && !isEmptyJSON(raw) {
			biz[name] = raw
		}
	}
	return biz
}

func isEmptyJSON(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", `""`, "{}", "[]":
		return true
	}
	return false
}

// checkCallback holds Alipay's rules for return_url and notify_url: absolute, at
// most 256 characters, and without a query, whose parameters Alipay would mix
// into what it signs.
func checkCallback(name, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return fmt.Errorf("%s %q is not an absolute http(s) URL", name, clip(value))
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fmt.Errorf("%s %q has a query or fragment: Alipay mixes it into the parameters it signs", name, clip(value))
	}
	if len(value) > 256 {
		return fmt.Errorf("%s has %d characters, Alipay takes at most 256", name, len(value))
	}
	return nil
}
