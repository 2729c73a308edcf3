// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

// route is one of the handler's own paths.
type route string

const (
	routeNone    route = ""
	routePay     route = "pay"
	routeReturn  route = "return"
	routeNotify  route = "notify"
	routePrivate route = "private" // the shop's order look-up, from outside
)

// routes are the handler's own paths.
type routes struct{ pay, back, notify string }

func newRoutes(pay, back, notify string) (routes, error) {
	for name, p := range map[string]string{"pay": pay, "return": back, "notify": notify} {
		if !strings.HasPrefix(p, "/") || p == "/" || p != cleaned(p) || strings.ContainsAny(p, "?#{") || len(p) > 64 {
			return routes{}, fmt.Errorf("%s %q is no plain path such as /pay/%s, of at most 64 characters", name, p, name)
		}
	}
	if strings.EqualFold(pay, back) || strings.EqualFold(pay, notify) || strings.EqualFold(back, notify) {
		return routes{}, fmt.Errorf("pay, return and notify need three different paths, not %q, %q and %q", pay, back, notify)
	}
	return routes{pay: pay, back: back, notify: notify}, nil
}

// find says which of our paths p is, if any. It compares as the most lenient
// backend would, so that no spelling of a path dodges its route and reaches the
// shop unverified: letters of either case, encodings, dots, doubled and trailing
// slashes, backslashes and path parameters. p is the request's cleaned path.
func (r *routes) find(p string) route {
	switch {
	case strings.EqualFold(p, r.pay):
		return routePay
	case strings.EqualFold(p, r.back):
		return routeReturn
	case strings.EqualFold(p, r.notify):
		return routeNotify
	}
	return routeNone
}

// cleaned is the path that a lenient backend might understand. It allocates
// nothing for a path that is plain.
func cleaned(p string) string {
	if isPlain(p) {
		return p
	}
	// a backend that decodes once more must not see another path than we do
	for range 3 {
		decoded, err := url.PathUnescape(p)
		if err != nil || decoded == p {
			break
		}
		p = decoded
	}
	p = strings.ReplaceAll(p, "\\", "/")
	if strings.Contains(p, ";") {
		segments := strings.Split(p, "/")
		for i, s := range segments {
			segments[i], _, _ = strings.Cut(s, ";")
		}
		p = strings.Join(segments, "/")
	}
	return path.Clean("/" + p)
}

// isPlain reports whether no backend can read p in two ways.
func isPlain(p string) bool {
	if p == "" || p[0] != '/' || len(p) > 1 && p[len(p)-1] == '/' {
		return false
	}
	for i := range len(p) {
		switch p[i] {
		case '%', ';', '\\', 0:
			return false
		case '/', '.':
			if i > 0 && p[i-1] == '/' {
				return false
			}
		}
	}
	return true
}
