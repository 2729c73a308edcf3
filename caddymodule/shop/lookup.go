// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	stdpath "path"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func init() {
	caddy.RegisterModule(new(Lookup))
}

// placeholder stands for the order's number in the look-up's path.
const placeholder = "{out_trade_no}"

// Lookup asks the shop what an order costs and whether this visitor may pay it:
// a GET of Path with the visitor's Cookie, Authorization, Accept-Language,
// User-Agent and X-Forwarded-*. The shop answers 200 with
// {"out_trade_no":"…","total_amount":"88.88","subject":"…"} and further fields
// of alipay.trade.page.pay if it likes. Any other answer than 2xx goes to the
// browser as it is, so that a redirect to the login page works.
type Lookup struct {
	// Path of the look-up at the shop, with {out_trade_no} in its place, such
	// as /alipay/orders/{out_trade_no}. Requests from outside never reach it.
	// Required.
	Path string `json:"path,omitempty"`

	before, after string // the path around the placeholder, folded, without the query
}

// CaddyModule returns the module's information.
func (*Lookup) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "alipay.orders.lookup", New: func() caddy.Module { return new(Lookup) }}
}

// UnmarshalCaddyfile reads
//
//	order <path>
func (l *Lookup) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if !d.AllArgs(&l.Path) || l.Path == "" {
		return d.ArgErr()
	}
	if d.NextBlock(d.Nesting()) {
		return d.Err("order takes a path and no block")
	}
	return nil
}

// Provision checks the path.
func (l *Lookup) Provision(caddy.Context) error {
	if !strings.HasPrefix(l.Path, "/") {
		return fmt.Errorf("order %q: the path has to begin with /", l.Path)
	}
	if strings.Count(l.Path, placeholder) != 1 {
		return fmt.Errorf("order %q: the path has to hold %s exactly once", l.Path, placeholder)
	}
	path, query, _ := strings.Cut(l.Path, "?")
	if strings.Contains(query, placeholder) {
		path += placeholder // the number is no part of the path: all of it is private
	}
	if plain := strings.TrimSuffix(path, "/"); plain != stdpath.Clean(plain) || strings.ContainsAny(path, "%;\\#") {
		return fmt.Errorf("order %q: the path has to be plain: no doubled slashes, dot segments, escapes, semicolons or backslashes", l.Path)
	}
	before, after, _ := strings.Cut(path, placeholder)
	l.before, l.after = Fold(before), Fold(strings.TrimSuffix(after, "/"))
	if l.before == "/" && l.after == "" {
		return fmt.Errorf("order %q: the path has to tell look-ups from the rest of the shop; this one would shut all of it out", l.Path)
	}
	return nil
}

// Private reports whether path is one of a look-up, for whatever order: path has
// no trailing slash. The comparison ignores case, as some backends do.
func (l *Lookup) Private(path string) bool {
	path = Fold(path)
	return len(path) >= len(l.before)+len(l.after) && strings.HasPrefix(path, l.before) && strings.HasSuffix(path, l.after)
}

// Offer asks the shop for the order out_trade_no.
func (l *Lookup) Offer(w http.ResponseWriter, r *http.Request, form url.Values, s *Shop) (*trade.Offer, error) {
	outTradeNo := form.Get("out_trade_no")
	if !trade.ValidOutTradeNo(outTradeNo) {
		return nil, caddyhttp.Error(http.StatusBadRequest,
			errors.New("out_trade_no is missing or not 1 to 64 letters, digits, underscores or hyphens"))
	}
	a := newAnswer(w)
	srv, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if srv == nil {
		srv = server
	}
	err := s.call(r.Context(), srv, a, l.request(r, s, outTradeNo))
	switch {
	case a.passed && err != nil:
		panic(http.ErrAbortHandler) // the browser must not take half an answer for a whole one
	case a.passed:
		return nil, nil
	case a.long:
		return nil, caddyhttp.Error(http.StatusBadGateway, errTooLong)
	case err != nil:
		return nil, err
	case a.status != http.StatusOK:
		return nil, caddyhttp.Error(http.StatusBadGateway,
			fmt.Errorf("the shop answered its order look-up with %d; 200 with the order was expected", a.status))
	}
	offer, err := trade.ParseOffer(a.body, outTradeNo)
	if err != nil {
		return nil, caddyhttp.Error(http.StatusBadGateway, fmt.Errorf("the shop's order look-up: %w", err))
	}
	for _, cookie := range a.header["Set-Cookie"] { // a session that moved on must not be lost
		w.Header().Add("Set-Cookie", cookie)
	}
	return &offer, nil
}

// request is the look-up on behalf of the visitor who sent r.
func (l *Lookup) request(r *http.Request, s *Shop, outTradeNo string) *http.Request {
	path, query, _ := strings.Cut(strings.Replace(l.Path, placeholder, outTradeNo, 1), "?")
	h := http.Header{"Accept": {"application/json"}}
	for _, name := range []string{"Cookie", "Authorization", "Accept-Language", "User-Agent"} {
		if v := r.Header[name]; v != nil {
			h[name] = v
		}
	}
	for name, v := range r.Header {
		if strings.HasPrefix(name, "X-Forwarded-") {
			h[name] = v
		}
	}
	u := &url.URL{Path: path, RawQuery: query}
	return &http.Request{
		Method: http.MethodGet, URL: u, RequestURI: u.RequestURI(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Host: r.Host, RemoteAddr: r.RemoteAddr, TLS: r.TLS, Body: http.NoBody,
	}
}

// Fold lower-cases ASCII, so that a path is compared as the most lenient
// backend would.
func Fold(path string) string { return strings.ToLower(path) }

var (
	_ Source                = (*Lookup)(nil)
	_ caddy.Provisioner     = (*Lookup)(nil)
	_ caddyfile.Unmarshaler = (*Lookup)(nil)
)
