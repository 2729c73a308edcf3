// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// target is one call of the API.
type target struct {
	method string
	path   string // {…} stands for one segment
	open   bool   // needs no token: it holds nothing secret
	call   func(*API, *call) (reply, error)
	raw    func(*API, http.ResponseWriter, *http.Request) // in place of call
}

// targets are all calls. openapi.json describes the same ones.
var targets = []target{
	{method: "GET", path: "/orders", call: (*API).listOrders},
	{method: "GET", path: "/orders/{out_trade_no}", call: (*API).showOrder},
	{method: "GET", path: "/orders/{out_trade_no}/history", call: (*API).showHistory},
	{method: "GET", path: "/orders/{out_trade_no}/timeline", call: (*API).showTimeline},
	{method: "POST", path: "/orders/{out_trade_no}/query", call: (*API).query},
	{method: "POST", path: "/orders/{out_trade_no}/close", call: (*API).close},
	{method: "POST", path: "/orders/{out_trade_no}/refunds", call: (*API).refund},
	{method: "GET", path: "/orders/{out_trade_no}/refunds/{out_request_no}", call: (*API).showRefund},
	{method: "GET", path: "/held", call: (*API).listHeld},
	{method: "GET", path: "/held/{id}", call: (*API).showHeld},
	{method: "POST", path: "/held/{id}/accept", call: (*API).acceptHeld},
	{method: "POST", path: "/held/{id}/refund", call: (*API).refundHeld},
	{method: "POST", path: "/held/{id}/dismiss", call: (*API).dismissHeld},
	{method: "GET", path: "/events", call: (*API).listEvents},
	{method: "POST", path: "/events/redeliver", call: (*API).redeliverMany},
	{method: "POST", path: "/events/{id}/redeliver", call: (*API).redeliver},
	{method: "GET", path: "/totals", call: (*API).showTotals},
	{method: "GET", path: "/openapi.json", open: true, raw: (*API).serveOpenAPI},
	{method: "GET", path: KeysPath, open: true, raw: (*API).serveKeys},
}

// IsOpen reports whether a request needs no token.
func IsOpen(r *http.Request) bool {
	t, _, err := find(r.Method, r.URL.EscapedPath())
	return err == nil && t.open
}

// find finds a call. The path is taken as it was sent, so that an encoded slash is
// part of a number.
func find(method, escaped string) (*target, map[string]string, error) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var allowed []string
	for i := range targets {
		t := &targets[i]
		args, matches := match(t.path, escaped)
		if !matches {
			continue
		}
		if t.method == method {
			return t, args, nil
		}
		if allowed = append(allowed, t.method); t.method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	if len(allowed) > 0 {
		slices.Sort(allowed)
		p := problem(methodNotAllowed, "the path takes "+strings.Join(allowed, " and ")+" only")
		p.allow = strings.Join(allowed, ", ")
		return nil, nil, p
	}
	return nil, nil, problem(notFound, "the API has no such path; GET /openapi.json describes those that it has")
}

// maxSegment bounds a number in a path, in bytes: numbers have 64 characters.
const maxSegment = 256

func match(pattern, escaped string) (args map[string]string, matches bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(escaped, "/")
	if len(want) != len(have) {
		return nil, false
	}
	for i := range want {
		if !strings.HasPrefix(want[i], "{") {
			if want[i] != have[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(have[i])
		if err != nil || value == "" || len(value) > maxSegment {
			return nil, false
		}
		if args == nil {
			args = make(map[string]string)
		}
		args[strings.Trim(want[i], "{}")] = value
	}
	return args, true
}
