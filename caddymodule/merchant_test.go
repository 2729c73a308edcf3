// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
)

const merchantToken = "test-token-of-32-letters-and-more"

// desk is a world with the merchant API at an address of its own.
type desk struct {
	*world
	Merchant string // its URL
}

func newDesk(t *testing.T, set ...func(*desk)) *desk {
	t.Helper()
	d := &desk{Merchant: "http://" + loopback.Address(t)}
	newWorld(t, "", func(w *world) {
		d.world = w
		w.more = d.Merchant + " {\n\talipay_merchant {\n\t\ttoken " + merchantToken + "\n\t}\n}"
		for _, f := range set {
			f(d)
		}
	})
	return d
}

// ask calls the API with the token.
func (d *desk) ask(method, path, body string) answer {
	d.t.Helper()
	return d.at(d.Merchant, method, path, body, "Bearer "+merchantToken)
}

func (d *desk) at(base, method, path, body string, authorization ...string) answer {
	d.t.Helper()
	h := http.Header{"Content-Type": {"application/json"}, "Authorization": authorization}
	elsewhere := *d.world
	elsewhere.URL = base
	return elsewhere.do(method, path, body, h)
}

// member is a member of an answer that is a JSON object.
func (a answer) member(t *testing.T, name string) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(a.Body), &fields); err != nil {
		t.Fatalf("%d %s: %v", a.Status, a.Body, err)
	}
	return fmt.Sprint(fields[name])
}

// TestMerchant is a refund as the shop's staff makes it: over the API, and told to
// the shop as an event.
func TestMerchant(t *testing.T) {
	d := newDesk(t)
	d.paid("M1", "88.88")
	if a := d.ask("GET", "/orders/M1", ""); a.Status != 200 || a.member(t, "status") != "TRADE_SUCCESS" || a.member(t, "public_url") != d.URL {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	const body = `{"out_request_no":"R1","refund_amount":"8.88","refund_reason":"broken"}`
	if a := d.ask("POST", "/orders/M1/refunds", body); a.Status != 200 || a.member(t, "outcome") != "succeeded" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	until(t, "the shop is told", func() bool { return slices.Equal(d.Shop.events(), []string{"trade.paid", "refund.succeeded"}) })
	told := d.Shop.deliveries()[1].Header
	if told.Get("X-Alipay-Trade-Refunded-Amount") != "8.88" || told.Get("X-Alipay-Trade-Status") != "TRADE_SUCCESS" {
		t.Errorf("told %v", told)
	}
	d.Gateway.Wait() // the refund's own notice tells nothing new
	d.reload()
	d.restart()
	if a := d.ask("POST", "/orders/M1/refunds", body); a.Status != 200 || a.member(t, "refunded_amount") != "8.88" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if n := len(d.Shop.deliveries()); n != 2 {
		t.Errorf("%d deliveries", n)
	}
	if tr := must(d.Gateway.Trade("M1")); tr.RefundedAmount != "8.88" || len(tr.Refunds) != 1 {
		t.Errorf("%+v", tr)
	}
}

// paid has an order bought and paid, and the shop told of it.
func (w *world) paid(no, amount string) {
	w.t.Helper()
	w.Shop.offer(no, amount)
	w.Gateway.Open(w.pay(no).String())
	if err := w.Gateway.Pay(no, 1); err != nil {
		w.t.Fatal(err)
	}
	w.Gateway.Wait()
}

// TestMerchantToken: without a configured token nothing is told but what holds no
// secret, and a token may replace another.
func TestMerchantToken(t *testing.T) {
	t.Setenv("TEST_MERCHANT_TOKEN", "the-token-that-the-environment-gives")
	d := newDesk(t, func(d *desk) {
		d.more = strings.Replace(d.more, "token ", "token {env.TEST_MERCHANT_TOKEN}\n\t\ttoken ", 1)
	})
	for _, token := range []string{merchantToken, "the-token-that-the-environment-gives"} {
		for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
			if a := d.at(d.Merchant, "GET", "/orders", "", scheme+token); a.Status != 200 {
				t.Errorf("%s%s: %d %s", scheme, token, a.Status, a.Body)
			}
		}
	}
	for _, wrong := range [][]string{
		nil, {""}, {"Bearer"}, {"Bearer "}, {merchantToken}, {"Basic " + merchantToken}, {"Bearer " + merchantToken + "x"}, {"Bearer " + merchantToken[1:]},
		{"Bearer " + strings.ToUpper(merchantToken)}, {"Bearer {env.TEST_MERCHANT_TOKEN}"}, {"Bearer " + merchantToken, "Bearer x"}, {"Bearer x", "Bearer " + merchantToken},
		{"Bearer " + merchantToken + ", Bearer x"},
	} {
		for method, path := range map[string]string{"GET": "/orders", "POST": "/orders/A1/refunds", "PUT": "/nothing"} {
			a := d.at(d.Merchant, method, path, "{}", wrong...)
			if a.Status != 401 || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer ") ||
				!strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json") || !strings.HasSuffix(a.member(t, "type"), "#unauthorized") {
				t.Errorf("%q: %s %s was answered %d %v %s", wrong, method, path, a.Status, a.Header, a.Body)
			}
		}
	}
	if a := d.at(d.Merchant, "GET", "/openapi.json", ""); a.Status != 200 || a.member(t, "openapi") != "3.1.0" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := d.at(d.Merchant, "GET", "/.well-known/jwks.json", ""); a.Status == 401 {
		t.Error("public keys ask for a token")
	}
}

// TestMerchantUnderAPath works behind a prefix that Caddy strips, beside the shop.
func TestMerchantUnderAPath(t *testing.T) {
	d := newDesk(t, func(d *desk) {
		d.more = ""
		d.rest = "handle_path /merchant/* {\n\t\t\talipay_merchant {\n\t\t\t\ttoken " + merchantToken + "\n\t\t\t}\n\t\t}\n\t\treverse_proxy SHOP"
	})
	d.Merchant = d.URL + "/merchant"
	d.paid("M1", "88.88")
	for path, status := range map[string]int{"/orders": 200, "/orders/M1": 200, "/orders/M%31": 200, "/orders/M2": 404, "/": 404, "/openapi.json": 200} {
		if a := d.ask("GET", path, ""); a.Status != status {
			t.Errorf("%s was answered %d %s", path, a.Status, a.Body)
		}
	}
	if a := d.get("/orders"); a.Body != "shop page /orders" {
		t.Errorf("the shop's own path was answered %d %s", a.Status, a.Body)
	}
}

// TestMerchantConfig: what is wrong is said with the option's name.
func TestMerchantConfig(t *testing.T) {
	d := newDesk(t)
	good := d.more
	for more, want := range map[string]string{
		strings.Replace(good, "token "+merchantToken, "", 1):                         "token is missing",
		strings.Replace(good, merchantToken, "{env.TEST_NO_SUCH_TOKEN}", 1):          "token: ",
		strings.Replace(good, merchantToken, `"two words"`, 1):                       "token holds characters",
		strings.Replace(good, "token "+merchantToken, "account second\n token x", 1): `account: there is no account "second"`,
	} {
		d.more = more
		if err := load(d.caddyfile()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot %v, want %q", more, err, want)
		}
	}
	d.more = good
	if a := d.ask("GET", "/orders", ""); a.Status != 200 { // what runs goes on
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	err := load("{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n}\n" + good)
	if err == nil || !strings.Contains(err.Error(), "alipay_merchant: it needs an account") {
		t.Errorf("without an account: %v", err)
	}
	d.reload()
}

// TestAdmin offers the same at Caddy's admin endpoint, without a token, for the
// accounts that run now.
func TestAdmin(t *testing.T) {
	admin := loopback.Address(t)
	d := newDesk(t, func(d *desk) { d.admin = admin })
	base := "http://" + admin + "/alipay"
	d.paid("M1", "88.88")
	wantAccounts := func(want string) {
		t.Helper()
		if a := d.at(base, "GET", "/accounts", ""); a.Status != 200 || !strings.Contains(a.Body, want) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	wantAccounts(`{"accounts":[{"name":"default","app_id":"` + d.Gateway.AppID + `"`)
	for range 2 {
		for _, query := range []string{"", "?account=default"} {
			if a := d.at(base, "GET", "/orders/M1"+query, ""); a.Status != 200 || a.member(t, "status") != "TRADE_SUCCESS" {
				t.Errorf("%s: %d %s", query, a.Status, a.Body)
			}
		}
		d.reload() // a newer configuration's ledger and keys
	}
	if a := d.at(base, "POST", "/orders/M1/refunds?account=default", `{"out_request_no":"R1","refund_amount":"88.88"}`); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for path, slug := range map[string]string{"/orders/M1?account=second": "no-account", "/nothing": "not-found", "/orders?x=1": "invalid-parameter"} {
		if a := d.at(base, "GET", path, ""); !strings.HasSuffix(a.member(t, "type"), "#"+slug) {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	if a := d.at(base, "POST", "/accounts", "{}"); a.Status != 405 || a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	// a second account: the default one still needs no choice
	d.options = strings.Replace(d.secondAccount(), "SECOND", "second", 1)
	d.reload()
	wantAccounts(`"name":"second","app_id":"2021000000000077"`)
	if a := d.at(base, "GET", "/orders?account=second", ""); a.Status != 200 || !strings.Contains(a.Body, `"orders":[]`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := d.at(base, "GET", "/orders", ""); a.Status != 200 || !strings.Contains(a.Body, "M1") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	d.options = ""
	d.reload() // it is gone
	if a := d.at(base, "GET", "/orders?account=second", ""); a.Status != 404 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	// a reload that fails leaves what is found alone
	good := d.more
	d.more = strings.Replace(good, merchantToken, "{env.TEST_NO_SUCH_TOKEN}", 1)
	if load(d.caddyfile()) == nil {
		t.Error("the broken configuration was loaded")
	}
	d.more = good
	if a := d.at(base, "GET", "/orders/M1", ""); a.Status != 200 || a.member(t, "status") != "TRADE_CLOSED" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// secondAccount is a further account over the same ledger.
func (w *world) secondAccount() string {
	return fmt.Sprintf("alipay SECOND {\n\tapp_id 2021000000000077\n\tapp_private_key %s\n\talipay_public_key %s\n\tgateway %s\n\tledger bolt %s\n}",
		w.path("app.pem"), w.path("alipay.pem"), w.Gateway.GatewayURL(), w.path("alipay.db"))
}
