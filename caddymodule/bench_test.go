// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
)

// nothing is the handler behind ours.
var nothing = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })

// foreignHandler is as much of a Handler as a request needs that is not ours.
func foreignHandler(tb testing.TB) *Handler {
	tb.Helper()
	lookup := &shop.Lookup{Path: "/alipay/orders/{out_trade_no}"}
	if err := lookup.Provision(caddy.Context{Context: context.Background()}); err != nil {
		tb.Fatal(err)
	}
	paths, err := newRoutes("/pay", "/pay/return", "/pay/notify")
	if err != nil {
		tb.Fatal(err)
	}
	return &Handler{routes: paths, source: lookup}
}

// foreignRequest is a browser's, with a dozen headers.
func foreignRequest(path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	r.Header = http.Header{
		"User-Agent":                {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},
		"Accept":                    {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
		"Accept-Language":           {"zh-CN,zh;q=0.9,en;q=0.8"},
		"Accept-Encoding":           {"gzip, deflate, br, zstd"},
		"Cookie":                    {"session=5f1c3a0e8e6b4c1d9a7b2c3d4e5f6071; theme=dark"},
		"Referer":                   {"https://shop.example.com/teas"},
		"Cache-Control":             {"max-age=0"},
		"Connection":                {"keep-alive"},
		"Upgrade-Insecure-Requests": {"1"},
		"Sec-Fetch-Dest":            {"document"},
		"Sec-Fetch-Mode":            {"navigate"},
		"X-Forwarded-For":           {"203.0.113.7"},
	}
	return r
}

// BenchmarkForeign is what a request costs that is none of ours: the whole of
// ServeHTTP with nothing behind it. The target is 650 ns and no allocation.
func BenchmarkForeign(b *testing.B) {
	for _, headers := range []int{4, 12, 40} {
		b.Run(strconv.Itoa(headers), func(b *testing.B) {
			h, w, r := foreignHandler(b), httptest.NewRecorder(), foreignRequest("/teas/longjing")
			for i := 0; len(r.Header) < headers; i++ {
				r.Header.Set("X-Custom-"+strconv.Itoa(i), "value")
			}
			for name := range r.Header {
				if len(r.Header) > headers {
					delete(r.Header, name)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := h.ServeHTTP(w, r, nothing); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNothing is the call alone, to be taken off BenchmarkForeign.
func BenchmarkNothing(b *testing.B) {
	w, r := httptest.NewRecorder(), foreignRequest("/teas/longjing")
	var next caddyhttp.Handler = nothing
	for b.Loop() {
		if err := next.ServeHTTP(w, r); err != nil {
			b.Fatal(err)
		}
	}
}

// TestForeignAllocatesNothing: the module stands in front of a whole shop, and
// most requests are not for it.
func TestForeignAllocatesNothing(t *testing.T) {
	for _, path := range []string{"/", "/teas/longjing", "/payments", "/static/app.js", "/pay.html"} {
		h, w, r := foreignHandler(t), httptest.NewRecorder(), foreignRequest(path)
		allocs := testing.AllocsPerRun(100, func() {
			if err := h.ServeHTTP(w, r, nothing); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", path, allocs)
		}
	}
}
