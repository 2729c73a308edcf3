// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestWrongMerchants: the merchant's side is refused without a token that can be
// sent, with a sentence that names the option and the cure.
func TestWrongMerchants(t *testing.T) {
	k := newKeyring(t)
	t.Setenv("TEST_EMPTY_TOKEN", "")
	const good = "0123456789abcdef0123456789abcdef"
	for _, c := range []struct {
		lines string
		want  []string // nil: it is right
	}{
		{"token " + good, nil},
		{"token " + good + "\ntoken " + good + "X", nil}, // while one replaces the other
		{"token " + good + "\naccount default\njwks /keys.json", nil},
		{"", []string{"token is missing", "ALIPAY_MERCHANT_TOKEN"}},
		{"token", []string{"token takes one value"}},
		{`token ""`, []string{"token is empty"}},
		{"token {env.TEST_UNSET_TOKEN}", []string{"token", "TEST_UNSET_TOKEN", "set the variable"}},
		{"token {env.TEST_EMPTY_TOKEN}", []string{"token", "TEST_EMPTY_TOKEN", "set the variable"}},
		{`token "a b"`, []string{"token holds characters", "32 random"}},
		{"token 密码", []string{"token holds characters", "32 random"}},
		{"token " + strings.Repeat("a", 513), []string{"token holds characters", "512", "32 random"}},
		{"token " + good + "\ntoken " + good, []string{"same token is given twice"}},
		{"token " + good + " " + good, []string{"token takes one value"}},
		{"token " + good + "\naccount other", []string{"account", `"other"`, "default"}},
		{"token " + good + "\naccount default\naccount default", []string{"account is given twice"}},
		{"token " + good + "\njwks keys.json", []string{"jwks", "plain path such as /keys.json"}},
		{"token " + good + "\njwks /a/../keys.json", []string{"jwks", "plain path"}},
		{"token " + good + "\njwks /keys.json?x", []string{"jwks", "plain path"}},
		{"token " + good + "\ntokens " + good, []string{`unknown option "tokens"`}},
	} {
		config := k.right().caddyfile() + "http://127.0.0.1:2 {\n\talipay_merchant {\n" + c.lines + "\n\t}\n}\n"
		err := validate(config)
		if (err == nil) != (c.want == nil) {
			t.Errorf("%.60q: %v", c.lines, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%.60q: %q says nothing of %q", c.lines, err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), good) {
			t.Errorf("%.60q: the error holds a token: %v", c.lines, err)
		}
	}
	alone := "{\nauto_https off\n}\nhttp://127.0.0.1:2 {\nalipay_merchant {\ntoken " + good + "\n}\n}\n"
	if err := validate(alone); err == nil || !strings.Contains(err.Error(), "add the alipay option to the global options") {
		t.Errorf("without an account: %v", err)
	}
}

// TestWrongJSON: what a Caddyfile cannot write is refused all the same.
func TestWrongJSON(t *testing.T) {
	k := newKeyring(t)
	account := func(more string) string {
		return `"alipay":{"accounts":{"default":{"app_id":"2021000000000001","app_private_key":"` + k.path("app8") +
			`","alipay_public_key":"` + k.path("alipay") + `","gateway":"sandbox","ledger":{"kind":"bolt","path":"` + k.path("json.db") + `"}` + more + `}}}`
	}
	site := func(more string) string {
		return `"http":{"servers":{"s":{"listen":["127.0.0.1:1"],"routes":[{"handle":[{"handler":"alipay","public_url":"https://shop.example",` +
			`"shop":{"handler":"reverse_proxy","upstreams":[{"dial":"localhost:1"}]},"orders":{"source":"lookup","path":"/alipay/orders/{out_trade_no}"}` + more + `}]}]}}}`
	}
	for _, c := range []struct {
		apps string
		want []string
	}{
		{account("") + "," + site(""), nil},
		{account("") + "," + site(`,"expire":"90m","shop_timeout":"3s","ack":"strict"`), nil},
		{`"alipay":{}`, []string{"no account", "app_id, app_private_key and alipay_public_key"}},
		{`"alipay":{"accounts":{}}`, []string{"no account"}},
		{`"alipay":{"account":{}}`, []string{"unknown field", `"account"`}},
		{account(`,"app_ip":"x"`), []string{"unknown field", `"app_ip"`}},
		{account(`,"seller_id":2088102146225135`), []string{"seller_id"}},
		{account("") + "," + site(`,"publik_url":"x"`), []string{"unknown field", `"publik_url"`}},
		{account("") + "," + site(`,"expire":-60000000000`), []string{"expire -1m0s", "1m to 15d"}},
		{account("") + "," + site(`,"expire":1`), []string{"expire 1ns", "1m to 15d"}},
		{account("") + "," + site(`,"shop_timeout":-1`), []string{"shop_timeout", "100ms to 1m"}},
		{account("") + "," + site(`,"ack":"Strict"`), []string{`ack "Strict"`, "strict"}},
		{account("") + "," + strings.Replace(site(""), `"shop":{"handler":"reverse_proxy","upstreams":[{"dial":"localhost:1"}]},`, "", 1), []string{"shop is missing", "shop localhost:8080"}},
		{account("") + "," + strings.Replace(site(""), `"handler":"reverse_proxy"`, `"handler":"no_such"`, 1), []string{"shop", "no_such"}},
		{account("") + "," + strings.Replace(site(""), `,"orders":{"source":"lookup","path":"/alipay/orders/{out_trade_no}"}`, "", 1), []string{"order is missing"}},
		{account("") + "," + strings.Replace(site(""), `"source":"lookup"`, `"source":"no_such"`, 1), []string{"no_such"}},
		{account("") + "," + strings.Replace(site(""), `"path":"/alipay/orders/{out_trade_no}"`, `"path":"/x"`, 1), []string{"order", "{out_trade_no}"}},
		{strings.Replace(account(""), `"kind":"bolt"`, `"kind":"no_such"`, 1), []string{"ledger", "no_such"}},
		{site(""), []string{"add the alipay option to the global options"}},
	} {
		var cfg *caddy.Config
		if err := json.Unmarshal([]byte(`{"admin":{"disabled":true},"logging":{"logs":{"default":{"writer":{"output":"discard"}}}},"apps":{`+c.apps+`}}`), &cfg); err != nil {
			t.Fatalf("%s: %v", c.apps, err)
		}
		err := caddy.Validate(cfg)
		if (err == nil) != (c.want == nil) {
			t.Errorf("%.200s: %v", c.apps, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%.200s: %q says nothing of %q", c.apps, err, want)
			}
		}
	}
}
