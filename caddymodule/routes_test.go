// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
)

// routed is a handler with the usual paths.
func routed(t testing.TB, order string) *Handler {
	t.Helper()
	lookup := &shop.Lookup{Path: order}
	if err := lookup.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	r, err := newRoutes("/pay", "/pay/return", "/pay/notify")
	if err != nil {
		t.Fatal(err)
	}
	return &Handler{routes: r, source: lookup}
}

func parsed(target string) *url.URL {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil
	}
	return u
}

// spellings of one path that some backend somewhere takes for it.
var spellings = []string{
	"/alipay/orders/A1",
	"/alipay/orders/A1/",
	"/alipay/orders/A1?total_amount=0.01",
	"/ALIPAY/Orders/A1",
	"//alipay///orders//A1",
	"/alipay/./orders/A1",
	"/./alipay/orders/A1",
	"/x/../alipay/orders/A1",
	"/../../alipay/orders/A1",
	"/alipay/%6frders/A1",
	"/%61%6c%69%70%61%79/orders/A1",
	"/alipay%2forders%2FA1",
	"/x/%2e%2e/alipay/orders/A1",
	"/x/%2E./alipay/orders/A1",
	"/x%2f..%2falipay/orders/A1",
	"/alipay/%256frders/A1",
	"/alipay/%25256frders/A1",
	"/alipay%252forders%252fA1",
	"/x/%252e%252e/alipay/orders/A1",
	`/\alipay\orders\A1`,
	"/alipay%5corders%5cA1",
	"/x%5c..%5calipay/orders/A1",
	"/alipay;v=1/orders/A1",
	"/alipay;/orders;a=b;c/A1;jsessionid=1",
	"/x/..;/alipay/orders/A1",
	"/alipay%3bv/orders/A1",
	"/alipay/orders/A1;x",
	"/alipay/orders/A1%00",
	"/alipay/orders/A1%00/../../..",
	"/alipay/orders/A1%2f",
	// an order number that one backend reads up to the slash, and another resolves
	"/alipay/orders/1%2f..%2f..%2f..%2fx",
	"/alipay/orders/1%252f..%252f..%252f..%252fx",
	"/alipay/orders/1/../../../x",
	"/alipay/orders/1%5c..%5c..%5c..%5cx",
	"/alipay/orders/1;/../../../x",
	"/alipay/orders/%zz", // no URL at all: the server refuses it
	"/alipay/%256frders/A1%25zz",
	"http://elsewhere.example/alipay/orders/A1",
}

func TestPrivateSpellings(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"/alipay/orders/{out_trade_no}", "/alipay/orders/{out_trade_no}/", "/Alipay/ORDERS/{out_trade_no}"} {
		h := routed(t, order)
		for _, target := range spellings {
			if u := parsed(target); u != nil && h.at(u) != routePrivate {
				t.Errorf("order %s: %s is read as %q", order, target, h.at(u))
			}
		}
	}
	h := routed(t, "/orders/{out_trade_no}/price.json")
	for _, target := range []string{
		"/orders/A1/price.json", "/orders/A1/price.json/", "/orders/A1/price.json%00", "/orders/A1/price.json%00.txt",
		"/orders/A1/PRICE.json;x", "/orders/1%2f..%2fx/price.json", "/orders/A1//price%2ejson", "/orders/A1/x/../price.json",
	} {
		if got := h.at(parsed(target)); got != routePrivate {
			t.Errorf("%s is read as %q", target, got)
		}
	}
}

func TestRouteSpellings(t *testing.T) {
	t.Parallel()
	h := routed(t, "/alipay/orders/{out_trade_no}")
	for target, want := range map[string]route{
		"/pay": routePay, "/pay/": routePay, "/PAY?out_trade_no=1": routePay, "//pay": routePay, "/%70ay": routePay,
		"/pay;x": routePay, "/x/../pay": routePay, "/%2570ay": routePay, "/pay%2f": routePay,
		"/pay/return": routeReturn, "/pay%2freturn": routeReturn, "/pay/./return/": routeReturn, "/Pay/Return": routeReturn,
		"/pay/notify": routeNotify, "/pay/../pay/notify": routeNotify, `/pay\notify`: routeNotify, "/pay/notify;a=b": routeNotify,
		"/": routeNone, "/payment": routeNone, "/pay/notify/x": routeNone, "/pay.php": routeNone, "/pay-return": routeNone,
		"/alipay/orders": routeNone, "/alipay": routeNone, "/shop/pay": routeNone, "/%E5%95%86%E5%93%81/": routeNone,
		"/" + strings.Repeat("a", 9<<10): routeNone, "/" + strings.Repeat("%5c", 3<<10): routePrivate, "/" + strings.Repeat("%5c", 2<<10): routeNone,
		"/pay/return.": routeNone, "/alipay/orders-list": routeNone, "/a%20b/c;d/e%2Ff/": routeNone,
	} {
		if got := h.at(parsed(target)); got != want {
			t.Errorf("%s is read as %q, want %q", target, got, want)
		}
	}
	if got := h.at(&url.URL{Path: "*"}); got != routeNone {
		t.Errorf("OPTIONS * is read as %q", got)
	}
	if got := h.at(&url.URL{}); got != routeNone {
		t.Errorf("CONNECT is read as %q", got)
	}
}

func TestPlainPathsCostNothing(t *testing.T) {
	h := routed(t, "/alipay/orders/{out_trade_no}")
	for _, target := range []string{"/", "/goods/42", "/goods/42/", "/%E5%95%86%E5%93%81", "/favicon.ico", "/a-b_c~d"} {
		u := parsed(target)
		if n := testing.AllocsPerRun(100, func() { h.at(u) }); n != 0 {
			t.Errorf("%s: %v allocations", target, n)
		}
	}
}

func TestNewRoutes(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "pay", "/", "/pay/", "//pay", "/a/../pay", "/pay?x", "/pay#x", "/p%61y", "/pay;x", `/p\ay`, "/{x}",
		"/" + strings.Repeat("a", 64), "/pay/return", "/PAY/Return",
	} {
		if _, err := newRoutes(bad, "/pay/return", "/pay/notify"); err == nil || !strings.Contains(err.Error(), "pay") {
			t.Errorf("pay %q: %v", bad, err)
		}
	}
	if _, err := newRoutes("/支付", "/.well-known/back", "/notify.php"); err != nil {
		t.Error(err)
	}
}

// FuzzRoutes: whichever way a backend reads a path, if it arrives at one of
// ours, so do we. The backends here are written down apart from the code.
func FuzzRoutes(f *testing.F) {
	for _, s := range spellings {
		f.Add(s)
	}
	f.Add("/pay/notify")
	f.Add("/a/b/../%2e%2e/pay")
	f.Add("/alipay/orders////?x")
	f.Add("/%252falipay/orders/\\")
	f.Add("/pay/notify/x%5cy%252f..")
	f.Add(`/alipay/orders//./..%5c%5cA1`)
	h := routed(f, "/alipay/orders/{out_trade_no}")
	backends := map[string]func(u *url.URL) string{
		"as it is":              func(u *url.URL) string { return u.Path },
		"resolved":              func(u *url.URL) string { return path.Clean("/" + u.Path) },
		"not decoded":           (*url.URL).EscapedPath,
		"resolved, not decoded": func(u *url.URL) string { return path.Clean(u.EscapedPath()) },
		"decoded twice": func(u *url.URL) string {
			p, err := url.PathUnescape(u.Path)
			if err != nil {
				return ""
			}
			return path.Clean("/" + p)
		},
		"Windows": func(u *url.URL) string { return path.Clean("/" + strings.ReplaceAll(u.Path, `\`, "/")) },
	}
	f.Fuzz(func(t *testing.T, target string) {
		u := parsed(target)
		if u == nil || len(target) > 4096 {
			return
		}
		got := h.at(u)
		for name, read := range backends {
			p := strings.ToLower(read(u))
			number, look := strings.CutPrefix(p, "/alipay/orders/")
			switch {
			case look && strings.Trim(number, `/\`) != "" && got == routeNone: // slashes alone name no order
				t.Errorf("%q reaches the look-up of a backend that reads it %s", target, name)
			case p == "/pay/notify" && got == routeNone:
				t.Errorf("%q reaches the notify path of a backend that reads it %s", target, name)
			}
		}
	})
}

// FuzzPrefersJSON: a browser is never answered JSON by mistake, and no header
// makes the code fail.
func FuzzPrefersJSON(f *testing.F) {
	f.Add("application/json")
	f.Add("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	f.Add("application/json;q=0.5, text/html;q=0.4")
	f.Add("application/json;q=NaN,text/html;q=1e999")
	f.Fuzz(func(t *testing.T, accept string) {
		got := prefersJSON([]string{accept})
		if got && !strings.Contains(strings.ToLower(accept), "application/json") {
			t.Errorf("%q prefers JSON", accept)
		}
		if prefersJSON([]string{accept, "text/html"}) {
			t.Errorf("%q beside text/html prefers JSON", accept)
		}
	})
}

func TestPrefersJSON(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"":                                      false,
		"*/*":                                   false,
		"text/html,application/xhtml+xml,*/*":   false,
		"application/json":                      true,
		"Application/JSON; charset=utf-8":       true,
		"application/json, text/plain, */*":     true,
		"text/html;q=0.9, application/json":     true,
		"text/html, application/json":           false,
		"text/html, application/json;q=0.9":     false,
		"application/json;q=0":                  false,
		"application/json;q=0.2,text/html;q=.1": true,
		"application/jsonx":                     false,
	} {
		if got := prefersJSON([]string{accept}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}
