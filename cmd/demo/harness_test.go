// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the demo itself, for what only a process of
// its own can show.
func TestMain(m *testing.M) {
	if os.Getenv("DEMO_TEST_MAIN") != "" {
		main()
		os.Exit(0)
	}
	code := m.Run()
	if shared.close != nil {
		shared.close()
	}
	os.Exit(code)
}

// open starts a demo that ends with the test, or earlier by its stop.
func open(t *testing.T, dir, listen string) *demo {
	t.Helper()
	d, err := start(t.Context(), options{dir: dir, listen: listen}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, d) })
	return d
}

// shut stops a demo. It may be stopped twice.
func shut(t *testing.T, d *demo) {
	t.Helper()
	if err := d.stop(); err != nil {
		t.Error(err)
	}
}

// customer is a customer without a browser: a client that keeps cookies and
// follows no redirect.
type customer struct {
	t    *testing.T
	d    *demo
	http *http.Client
}

func enter(t *testing.T, d *demo) *customer {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &customer{t: t, d: d, http: &http.Client{
		Jar:           jar,
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true}, // no proxy either
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	c.post("/login", url.Values{"name": {"小明"}}, nil)
	return c
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (c *customer) do(method, target, body string, header http.Header) answer {
	c.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = c.d.places.URL() + target
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	resp, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func (c *customer) get(target string) answer {
	c.t.Helper()
	return c.do(http.MethodGet, target, "", nil)
}

func (c *customer) post(target string, form url.Values, header http.Header) answer {
	c.t.Helper()
	h := header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.do(http.MethodPost, target, form.Encode(), h)
}

// order buys one tea and returns the order's number.
func (c *customer) order() string {
	c.t.Helper()
	a := c.post("/tea/puer", url.Values{"quantity": {"1"}}, nil)
	number, ok := strings.CutPrefix(a.header.Get("Location"), "/orders/")
	if a.status != http.StatusSeeOther || !ok {
		c.t.Fatalf("ordering: %d to %q", a.status, a.header.Get("Location"))
	}
	return number
}

// pay pays an order at the sandbox and waits until its notice was answered.
func (c *customer) pay(number string) {
	c.t.Helper()
	a := c.get("/pay?out_trade_no=" + number)
	if a.status != http.StatusSeeOther {
		c.t.Fatalf("pay: %d %s", a.status, a.body)
	}
	c.get(a.header.Get("Location"))
	if err := c.d.gateway.Pay(number, 1); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	if err := c.d.gateway.WaitIdle(ctx); err != nil {
		c.t.Fatal(err)
	}
}

// isPaid reports whether the shop shows the order as paid.
func (c *customer) isPaid(number string) bool {
	c.t.Helper()
	a := c.get("/orders/" + number)
	if a.status != http.StatusOK {
		c.t.Fatalf("the order's page: %d", a.status)
	}
	return strings.Contains(a.body, `data-state="paid"`)
}
