// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package teashop

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const public = "http://shop.test:9400"

// visitor is a browser of sorts: it keeps cookies and follows no redirect.
type visitor struct {
	t       *testing.T
	shop    *Shop
	cookies map[string]*http.Cookie
}

func open(t *testing.T, dir string) *Shop {
	t.Helper()
	at := time.Date(2026, 4, 5, 10, 0, 0, 0, time.FixedZone("CST", 8*3600))
	s, err := Open(Config{PublicURL: public, Dir: dir, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func visit(t *testing.T, s *Shop) *visitor {
	return &visitor{t: t, shop: s, cookies: map[string]*http.Cookie{}}
}

// login is a visitor who has logged in.
func login(t *testing.T, s *Shop, name string) *visitor {
	t.Helper()
	v := visit(t, s)
	if resp := v.post("/login", url.Values{"name": {name}, "next": {"/orders"}}); resp.StatusCode != 303 || resp.Header.Get("Location") != "/orders" {
		t.Fatalf("login: %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	return v
}

func (v *visitor) send(r *http.Request) *http.Response {
	v.t.Helper()
	for _, c := range v.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	v.shop.ServeHTTP(w, r)
	resp := w.Result()
	for _, c := range resp.Cookies() {
		v.cookies[c.Name] = c
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		}
	}
	return resp
}

func (v *visitor) get(path string) *http.Response {
	v.t.Helper()
	return v.send(httptest.NewRequest(http.MethodGet, public+path, nil))
}

func (v *visitor) post(path string, form url.Values) *http.Response {
	v.t.Helper()
	r := httptest.NewRequest(http.MethodPost, public+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", public)
	return v.send(r)
}

// buy orders a tea and returns the order's number.
func (v *visitor) buy(slug string, quantity string) string {
	v.t.Helper()
	resp := v.post("/tea/"+slug, url.Values{"quantity": {quantity}})
	number, ok := strings.CutPrefix(resp.Header.Get("Location"), "/orders/")
	if resp.StatusCode != 303 || !ok || number == "" {
		v.t.Fatalf("buying: %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	return number
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
