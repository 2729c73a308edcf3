// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
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
		if !strings.HasPrefix(p, "/") || p == "/" || p != path.Clean(p) || strings.ContainsAny(p, "?#{%;\\\x00") || len(p) > 64 {
			return routes{}, fmt.Errorf("%s %q is no plain path such as /pay/%s, of at most 64 characters", name, p, name)
		}
	}
	if strings.EqualFold(pay, back) || strings.EqualFold(pay, notify) || strings.EqualFold(back, notify) {
		return routes{}, fmt.Errorf("pay, return and notify need three different paths, not %q, %q and %q", pay, back, notify)
	}
	return routes{pay: pay, back: back, notify: notify}, nil
}

// maxOddPath bounds, in bytes, a path that can be read in several ways: reading
// it in all of them costs a hundred times its length. A longer one is answered as
// if it were the look-up's. Web servers take no longer request line either.
const maxOddPath = 8 << 10

// at says which of our paths a request is for. It reads the path in every way in
// which a lenient backend might, so that no spelling dodges its route or reaches
// the shop's look-up from outside: letters of either case, encodings, dots,
// doubled and trailing slashes, backslashes and path parameters. It allocates
// nothing for a plain path.
func (h *Handler) at(u *url.URL) route {
	p := u.Path
	if len(p) > 1 && p[len(p)-1] == '/' {
		p = p[:len(p)-1]
	}
	if u.RawPath == "" && isPlain(p) {
		return h.read(p)
	}
	escaped := u.EscapedPath()
	if len(escaped) > maxOddPath {
		return routePrivate
	}
	for _, p := range readings(escaped) {
		if at := h.read(p); at != routeNone {
			return at
		}
	}
	return routeNone
}

// read is at for one reading of a path.
func (h *Handler) read(p string) route {
	switch {
	case h.Shadow: // only notices are ours to see
		if strings.EqualFold(p, h.routes.notify) {
			return routeNotify
		}
	case strings.EqualFold(p, h.routes.pay):
		return routePay
	case strings.EqualFold(p, h.routes.back):
		return routeReturn
	case strings.EqualFold(p, h.routes.notify):
		return routeNotify
	case h.source.Private(p):
		return routePrivate
	}
	return routeNone
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

// maxDecodings is how often a path is decoded: by Caddy's own reading, by a
// backend, by a second one behind it, and once more for good measure.
const maxDecodings = 4

// readings are the paths that a backend might see in an escaped path. Whether
// it decodes first and then resolves dots, or the other way round, or does
// neither, decides which order number it reads.
func readings(escaped string) []string {
	var all []string
	add := func(p string) {
		all = append(all, collapsed(p), path.Clean("/"+p))
	}
	for range maxDecodings + 1 {
		for _, p := range spelt(escaped) {
			add(p)
		}
		decoded := decode(escaped)
		if decoded == escaped {
			break
		}
		escaped = decoded
	}
	return all
}

// spelt are the ways to read p besides its encoding and its dots: with
// backslashes as slashes or as letters, with path parameters or without, to its
// end or, as C reads strings, to its first zero byte. Most paths have one.
func spelt(p string) []string {
	all := []string{p}
	if slashed := strings.ReplaceAll(p, "\\", "/"); slashed != p {
		all = append(all, slashed)
	}
	for _, p := range all {
		if strings.Contains(p, ";") {
			all = append(all, withoutParameters(p))
		}
	}
	for _, p := range all {
		if cut, _, found := strings.Cut(p, "\x00"); found {
			all = append(all, cut)
		}
	}
	return all
}

// collapsed joins slashes and drops trailing ones, and leaves dots alone.
func collapsed(p string) string {
	var b strings.Builder
	for segment := range strings.SplitSeq(p, "/") {
		if segment != "" {
			b.WriteByte('/')
			b.WriteString(segment)
		}
	}
	return b.String()
}

// withoutParameters drops what follows a semicolon in each segment (RFC 3986,
// section 3.3), as servers of the Java world do.
func withoutParameters(p string) string {
	segments := strings.Split(p, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}

// decode undoes percent-encoding once and, as lenient backends do, leaves alone
// what is not well-formed.
func decode(p string) string {
	if !strings.Contains(p, "%") {
		return p
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			if c, err := strconv.ParseUint(p[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(p[i])
	}
	return b.String()
}
