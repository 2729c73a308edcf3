// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"slices"
	"strings"
)

// maxParams bounds the parameters of one message. Alipay's longest notices have
// about 40.
const maxParams = 256

// param is one parameter, percent-decoded exactly once. The value is bytes in
// the message's charset.
type param struct{ key, value string }

// params are sorted by key and hold each key once.
type params []param

// parseForm reads a form body. It is stricter than a browser's form has to be,
// so that no two parsers can read it differently: keys are [a-z0-9_]+ and not
// escaped, every parameter has its =, escapes are whole, and raw bytes are
// printable ASCII without the semicolon, which some shops' parsers take for &.
func parseForm(body []byte) (params, *Rejection) {
	text := make([]byte, 0, len(body))
	ends := make([]int, 0, 64) // of key and value in turn
	for len(body) > 0 {
		if len(ends) == 2*maxParams {
			return nil, reject(ReasonForm, "more than 256 parameters")
		}
		n := 0
		for n < len(body) && isKeyByte(body[n]) {
			n++
		}
		if n == 0 || n == len(body) || body[n] != '=' {
			return nil, reject(ReasonForm, "a key that is not of [a-z0-9_], or without a value")
		}
		text = append(text, body[:n]...)
		ends = append(ends, len(text))
		var ok bool
		if text, body, ok = appendValue(text, body[n+1:]); !ok {
			return nil, reject(ReasonForm, "a value that is not percent-encoded as forms are")
		}
		ends = append(ends, len(text))
	}
	return split(string(text), ends), nil
}

// AppIDOf is the app_id that a notice's body or a return's query states, "" if it
// cannot be told. It proves nothing: it says whose keys have to.
func AppIDOf(form []byte) string {
	const key = "app_id="
	for pair := range bytes.SplitSeq(form[:min(len(form), MaxNotifyBody)], []byte{'&'}) {
		if value, ok := bytes.CutPrefix(pair, []byte(key)); ok && isAppID(string(value)) {
			return string(value)
		}
	}
	return ""
}

func split(text string, ends []int) params {
	ps := make(params, 0, len(ends)/2)
	at := 0
	for i := 0; i < len(ends); i += 2 {
		ps = append(ps, param{key: text[at:ends[i]], value: text[ends[i]:ends[i+1]]})
		at = ends[i+1]
	}
	return ps
}

// appendValue decodes a value up to the & that ends it or to the end of body,
// and returns what follows. An & with nothing behind it is not well-formed.
func appendValue(text, body []byte) (_, rest []byte, ok bool) {
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '&':
			return text, body[i+1:], i+1 < len(body)
		case c == '+':
			text = append(text, ' ')
		case c == '%':
			if i+2 >= len(body) {
				return nil, nil, false
			}
			hi, lo := unhex(body[i+1]), unhex(body[i+2])
			if hi|lo > 0xf {
				return nil, nil, false
			}
			text = append(text, hi<<4|lo)
			i += 2
		case c <= ' ' || c >= 0x7f || c == ';':
			return nil, nil, false
		default:
			text = append(text, c)
		}
	}
	return text, nil, true
}

func isKeyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_'
}

func isKey(s string) bool {
	for i := range len(s) {
		if !isKeyByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// unhex is the value of a hexadecimal digit, or 0xff.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// sort orders ps by key, as the signed text has them, and reports whether each
// key occurs once.
func (ps params) sort() bool {
	slices.SortFunc(ps, func(a, b param) int { return strings.Compare(a.key, b.key) })
	for i := 1; i < len(ps); i++ {
		if ps[i-1].key == ps[i].key {
			return false
		}
	}
	return true
}

// find returns the parameter's value; an absent one and an empty one differ in
// the second result alone.
func (ps params) find(key string) (string, bool) {
	i, ok := slices.BinarySearchFunc(ps, key, func(p param, key string) int { return strings.Compare(p.key, key) })
	if !ok {
		return "", false
	}
	return ps[i].value, true
}

func (ps params) get(key string) string {
	value, _ := ps.find(key)
	return value
}
