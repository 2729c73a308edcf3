// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"io"
	"net/http"
	"strings"
)

// prefix is what every header of ours begins with, folded as foldsTo folds.
const prefix = "x-alipay-"

// Strip takes everything off a request that could look verified to the shop:
// each header and trailer whose name begins with X-Alipay- once case is ignored
// and whatever is neither letter nor digit is read as -. CGI, FastCGI and WSGI
// deliver these under one name: all of them fold -, PHP and others _ and ., some
// web servers every sign. It also takes such names out of Connection, whose every name
// a proxy removes: a client could else make a verified header vanish.
//
// It allocates nothing on a request that has nothing to strip and no trailer.
func Strip(r *http.Request) {
	stripNames(r.Header)
	for i, v := range r.Header["Connection"] {
		r.Header["Connection"][i] = withoutOurs(v)
	}
	// Trailers arrive when the body ends, with names that need not have been
	// announced; only a body of unknown length can carry any.
	if r.Body != nil && (r.Trailer != nil || r.ContentLength < 0) {
		stripNames(r.Trailer)
		r.Body = &trailerStripper{ReadCloser: r.Body, request: r}
	}
}

func stripNames(h http.Header) {
	for name := range h {
		if ours(name) {
			delete(h, name) // by the stored name: Del would canonicalise it and miss
		}
	}
}

// ours reports whether name folds to one that begins with X-Alipay-.
func ours(name string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if foldsTo(name[i]) != prefix[i] {
			return false
		}
	}
	return true
}

func foldsTo(c byte) byte {
	switch {
	case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
		return c
	case c >= 'A' && c <= 'Z':
		return c + 'a' - 'A'
	}
	return '-'
}

// withoutOurs drops our names from a comma-separated list.
func withoutOurs(list string) string {
	found := false
	for token := range strings.SplitSeq(list, ",") {
		found = found || ours(strings.TrimSpace(token))
	}
	if !found {
		return list
	}
	var kept []string
	for token := range strings.SplitSeq(list, ",") {
		if !ours(strings.TrimSpace(token)) {
			kept = append(kept, token)
		}
	}
	return strings.Join(kept, ",")
}

// trailerStripper strips the trailers in the read that brings them, before
// whoever reads the body can look at them.
type trailerStripper struct {
	io.ReadCloser
	request *http.Request
}

func (t *trailerStripper) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err != nil {
		stripNames(t.request.Trailer)
	}
	return n, err
}
