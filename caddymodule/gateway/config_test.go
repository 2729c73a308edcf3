// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"testing"
)

func TestGatewayURL(t *testing.T) {
	for word, want := range map[string]string{
		"":                                   Production,
		"production":                         Production,
		"sandbox":                            Sandbox,
		"http://127.0.0.1:9402/gateway.do":   "http://127.0.0.1:9402/gateway.do",
		"https://[::1]/gateway.do":           "https://[::1]/gateway.do",
		"https://emulator.example/a/gateway": "https://emulator.example/a/gateway",
	} {
		if got, err := GatewayURL(word); err != nil || got != want {
			t.Errorf("%q: %q, %v", word, got, err)
		}
	}
	for word, want := range map[string]string{
		"prod":                                                 "neither production nor sandbox",
		"openapi.alipay.com/gateway.do":                        "neither production nor sandbox",
		"ftp://openapi.alipay.com/":                            "neither production nor sandbox",
		"https:///gateway.do":                                  "neither production nor sandbox",
		"http://a b/":                                          "neither production nor sandbox",
		"https://a.example/gateway.do?charset=":                "query",
		"https://a.example/gateway.do#x":                       "fragment",
		"https://user:secret@a.example/":                       "user",
		"https://openapi.alipaydev.com/gateway.do":             Sandbox,
		"https://OPENAPI.alipaydev.com:443/gateway.do":         Sandbox,
		"http://openapi.sandbox.dl.alipaydev.com/gateway.do":   Sandbox,
		"https://a.example/" + strings.Repeat("x", 500) + "?a": "query",
	} {
		got, err := GatewayURL(word)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || len(err.Error()) > 400 {
			t.Errorf("%q: %q, %v", word, got, err)
		}
	}
}

// TestNewRefuses has each wrong configuration and what the sentence must name.
func TestNewRefuses(t *testing.T) {
	app, alipay := namedPair(t, "app"), namedPair(t, "alipay")
	private, err := ParsePrivateKey(app.privatePEM)
	if err != nil {
		t.Fatal(err)
	}
	sn := strings.Repeat("0a", 16)
	for name, tc := range map[string]struct {
		change func(c *Config)
		want   []string
	}{
		"no app":          {func(c *Config) { c.AppID = "" }, []string{"app_id"}},
		"an odd app":      {func(c *Config) { c.AppID = "{env.APP}" }, []string{"app_id"}},
		"a long app":      {func(c *Config) { c.AppID = strings.Repeat("1", 33) }, []string{"app_id"}},
		"no private key":  {func(c *Config) { c.PrivateKey = nil }, []string{"app_private_key"}},
		"no Alipay key":   {func(c *Config) { c.AlipayKeys = nil }, []string{"no key of Alipay"}},
		"a nil key":       {func(c *Config) { c.AlipayKeys = []AlipayKey{{}} }, []string{"missing"}},
		"own key":         {func(c *Config) { c.AlipayKeys = []AlipayKey{app.alipayKey(t, "")} }, []string{"alipay_public_key", "app_private_key", "支付宝公钥"}},
		"own certificate": {func(c *Config) { c.AlipayKeys = []AlipayKey{app.alipayKey(t, sn)} }, []string{"alipay_cert", "app_cert"}},
		"own among two": {func(c *Config) {
			c.AlipayKeys = append(c.AlipayKeys, app.alipayKey(t, ""))
		}, []string{"alipay_public_key"}},
		"no root":           {func(c *Config) { c.AppCertSN = sn }, []string{"alipay_root_cert"}},
		"no app cert":       {func(c *Config) { c.AlipayRootCertSN = sn }, []string{"app_cert"}},
		"key and certs":     {func(c *Config) { c.AppCertSN, c.AlipayRootCertSN = sn, sn }, []string{"alipay_cert instead of alipay_public_key"}},
		"alipay_cert alone": {func(c *Config) { c.AlipayKeys[0].SN = sn }, []string{"app_cert and alipay_root_cert"}},
		"an odd number": {func(c *Config) {
			c.AlipayKeys[0].SN, c.AppCertSN, c.AlipayRootCertSN = sn, sn, sn+"_x"
		}, []string{"32 hexadecimal digits"}},
		"a URL with a query": {func(c *Config) { c.URL = "https://a.example/?b" }, []string{"query"}},
	} {
		c := Config{AppID: testApp, PrivateKey: private, AlipayKeys: []AlipayKey{alipay.alipayKey(t, "")}}
		tc.change(&c)
		_, err := New(c)
		for _, want := range tc.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error is %v, want one that says %q", name, err, want)
			}
		}
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	alipay, other := namedPair(t, "alipay"), namedPair(t, "other")
	weak, err := ParsePublicKey(newPair(t, "1024").publicPEM)
	if err == nil || weak == nil {
		t.Fatalf("a weak key: %v", err)
	}
	five := []AlipayKey{{Public: alipay.alipayKey(t, "").Public}}
	for range 4 {
		five = append(five, newPair(t, "2048").alipayKey(t, ""))
	}
	for name, keys := range map[string][]AlipayKey{
		"none":           nil,
		"weak":           {{Public: weak}},
		"five":           five,
		"one SN for two": {alipay.alipayKey(t, "x"), other.alipayKey(t, "x")},
		"one is missing": {alipay.alipayKey(t, ""), {}},
	} {
		if _, err := NewVerifier(testApp, keys...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewVerifier("", alipay.alipayKey(t, "")); err == nil {
		t.Error("no app: no error")
	}
}
