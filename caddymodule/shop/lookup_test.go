// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestLookupPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/alipay/orders/{out_trade_no}":        "",
		"/alipay/orders/{out_trade_no}/":       "",
		"/alipay/orders/{out_trade_no}.json":   "",
		"/alipay/orders/{out_trade_no}?full=1": "",
		"/order.php?no={out_trade_no}":         "",
		"":                                     "has to begin with /",
		"alipay/{out_trade_no}":                "has to begin with /",
		"http://shop/{out_trade_no}":           "has to begin with /",
		"/alipay/orders":                       "exactly once",
		"/alipay/orders/{out_trade_no":         "exactly once",
		"/{out_trade_no}/x/{out_trade_no}":     "exactly once",
		"/alipay//orders/{out_trade_no}":       "has to be plain",
		"/alipay/../orders/{out_trade_no}":     "has to be plain",
		"/alipay/%6frders/{out_trade_no}":      "has to be plain",
		"/alipay;v=1/orders/{out_trade_no}":    "has to be plain",
		`/alipay\orders\{out_trade_no}`:        "has to be plain",
		"/alipay/orders#{out_trade_no}":        "has to be plain",
		"/{out_trade_no}":                      "would shut all of it out",
		"/{out_trade_no}/":                     "would shut all of it out",
		"/?no={out_trade_no}":                  "would shut all of it out",
	} {
		l := &Lookup{Path: path}
		err := l.Provision(caddy.Context{})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("order %q: %v, want %q", path, err, want)
		}
	}
}

func TestLookupPrivate(t *testing.T) {
	t.Parallel()
	for path, cases := range map[string]map[string]bool{
		"/alipay/orders/{out_trade_no}": {
			"/alipay/orders/A1": true, "/ALIPAY/orders/a/b": true, "/alipay/orders": false, "/alipay": false, "/x/alipay/orders/A1": false,
		},
		"/alipay/orders/{out_trade_no}/": {"/alipay/orders/A1": true, "/alipay/orders": false},
		"/o/{out_trade_no}.json":         {"/o/A1.JSON": true, "/o/A1": false, "/o/.json": true, "/o.json": false},
		"/order.php?no={out_trade_no}":   {"/order.php": true, "/Order.php/x": true, "/orders": false, "/": false},
	} {
		l := &Lookup{Path: path}
		if err := l.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		for p, want := range cases {
			if got := l.Private(p); got != want {
				t.Errorf("order %s: %s is private: %v", path, p, got)
			}
		}
	}
}

func TestLookupCaddyfile(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"order /a/{out_trade_no}":   true,
		"order":                     false,
		"order /a/{out_trade_no} b": false,
	} {
		l := new(Lookup)
		if err := l.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text)); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
