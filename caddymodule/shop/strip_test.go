// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestStrip(t *testing.T) {
	t.Parallel()
	for name, stripped := range map[string]bool{
		"X-Alipay-Trade-Status":         true,
		"X_alipay_trade_status":         true,
		"X.alipay.trade.status":         true,
		"x-ALIPAY_Trade.Status":         true,
		"X-Alipay-":                     true,
		"X~alipay+x":                    true,
		"X-Alipay":                      false,
		"X-Alipayx-Trade":               false,
		"Alipay-X-Alipay-Trade":         false,
		"X-Ali-Pay-Trade":               false,
		"Xalipay-Trade":                 false,
		"X-Forwarded-For":               false,
		"X-Alip\u0430y-Trade-Status":    false, // a Cyrillic letter, which no server folds
		"Content-Type":                  false,
		"Sec-X-Alipay-Trade-Status":     false,
		"X--Alipay-Trade-Status":        false,
		"X-Alipay-Trade-Status\x00more": true,
	} {
		r := &http.Request{Header: http.Header{name: {"a", "b"}, "Other": {"c"}}}
		Strip(r)
		if _, kept := r.Header[name]; kept == stripped {
			t.Errorf("%q: stripped %v, want %v", name, !kept, stripped)
		}
		if r.Header.Get("Other") != "c" {
			t.Errorf("%q took another header along", name)
		}
	}
}

func TestStripConnection(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"close":                               "close",
		"":                                    "",
		"keep-alive, X-Private":               "keep-alive, X-Private",
		"X-Alipay-Trade-Status":               "",
		"close, x_alipay_trade_no":            "close",
		"X.Alipay.Trade.No,close":             "close",
		"a,\tX-ALIPAY-TRADE-NO\t ,b":          "a,b",
		"X-Alipay-A, X-Alipay-B, Upgrade":     " Upgrade",
		"upgrade,,X-Alipay-Trade-Status,":     "upgrade,,",
		"X-Alipay, X-Alipayx, Not-X-Alipay-A": "X-Alipay, X-Alipayx, Not-X-Alipay-A",
	} {
		r := &http.Request{Header: http.Header{"Connection": {list, list}}}
		Strip(r)
		for _, got := range r.Header["Connection"] {
			if got != want {
				t.Errorf("%q became %q, want %q", list, got, want)
			}
		}
	}
}

// lateBody brings trailers with its end, as net/http's server does.
type lateBody struct {
	io.Reader
	end func()
}

func (b *lateBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil {
		b.end()
	}
	return n, err
}

func (*lateBody) Close() error { return nil }

func TestStripTrailers(t *testing.T) {
	t.Parallel()
	for _, announced := range []http.Header{nil, {"X-Alipay-Trade-Status": nil, "Digest": nil}} {
		for _, length := range []int64{-1, 3} {
			if announced == nil && length >= 0 {
				continue // no protocol can carry a trailer here
			}
			r := &http.Request{Header: http.Header{}, Trailer: announced.Clone(), ContentLength: length}
			r.Body = &lateBody{strings.NewReader("tea"), func() {
				r.Trailer = http.Header{"X-Alipay-Trade-Status": {"TRADE_SUCCESS"}, "X_alipay_trade_no": {"1"}, "Digest": {"7"}}
			}}
			Strip(r)
			if len(r.Trailer["X-Alipay-Trade-Status"]) > 0 || announced != nil && len(r.Trailer) != 1 {
				t.Errorf("before the body, the trailers are %v", r.Trailer)
			}
			if body, err := io.ReadAll(r.Body); string(body) != "tea" || err != nil {
				t.Errorf("body %q, %v", body, err)
			}
			if len(r.Trailer) != 1 || r.Trailer.Get("Digest") != "7" {
				t.Errorf("after the body, the trailers are %v", r.Trailer)
			}
		}
	}
}

// TestStripAllocatesNothing on the requests that make up a shop's traffic.
func TestStripAllocatesNothing(t *testing.T) {
	header := http.Header{
		"Accept": {"text/html"}, "Accept-Encoding": {"gzip"}, "Accept-Language": {"zh-CN"}, "Cache-Control": {"no-cache"},
		"Connection": {"keep-alive, Upgrade, HTTP2-Settings"}, "Cookie": {"a=b"}, "Dnt": {"1"}, "Referer": {"https://shop.example/"},
		"Sec-Fetch-Mode": {"navigate"}, "User-Agent": {"Mozilla/5.0"}, "X-Forwarded-For": {"192.0.2.1"}, "X-Requested-With": {"x"},
	}
	for name, r := range map[string]*http.Request{
		"GET":                 {Header: header, Body: http.NoBody},
		"POST of some length": {Header: header, Body: io.NopCloser(strings.NewReader("tea")), ContentLength: 3},
	} {
		if n := testing.AllocsPerRun(100, func() { Strip(r) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// FuzzStrip holds Strip against a slow and simple reading of its rule.
func FuzzStrip(f *testing.F) {
	for _, name := range []string{"X-Alipay-A", "x_alipay_a", "X.ALIPAY~", "X-Alipa", "Accept", "X-Alipay", "\x80-alipay-"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		folded := strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' {
				return r + 'a' - 'A'
			}
			if r < 0x80 && !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') {
				return '-'
			}
			return r
		}, name)
		r := &http.Request{Header: http.Header{name: {"1"}, "Connection": {name + ", close"}}}
		Strip(r)
		if _, kept := r.Header[name]; kept && name != "Connection" && strings.HasPrefix(folded, "x-alipay-") {
			t.Errorf("%q was kept", name)
		}
		for token := range strings.SplitSeq(r.Header.Get("Connection"), ",") {
			if ours(strings.TrimSpace(token)) {
				t.Errorf("Connection still is %q", r.Header.Get("Connection"))
			}
		}
	})
}
