// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"errors"
	"strings"
)

// member is one member of a JSON object: its name, unescaped, and the bytes of
// its value as they came, without the white space around it.
type member struct {
	name string
	raw  []byte
}

type members []member

var errObject = errors.New("not a JSON object")

// scanObject takes a JSON object apart without touching its values: a signature
// is over their bytes. A name that occurs twice is an error, for two parsers
// would not pick the same one.
func scanObject(data []byte) (members, error) {
	if !json.Valid(data) {
		return nil, errObject
	}
	i := skipSpace(data, 0)
	if data[i] != '{' {
		return nil, errObject
	}
	var list members
	for i = skipSpace(data, i+1); data[i] != '}'; {
		end := skipString(data, i)
		var m member
		if err := json.Unmarshal(data[i:end], &m.name); err != nil {
			return nil, errObject
		}
		if list.has(m.name) {
			return nil, errors.New("a member occurs twice")
		}
		i = skipSpace(data, skipSpace(data, end)+1) // past the colon
		end = skipValue(data, i)
		m.raw = data[i:end]
		list = append(list, m)
		if i = skipSpace(data, end); data[i] == ',' {
			i = skipSpace(data, i+1)
		}
		if len(list) > maxParams {
			return nil, errors.New("more than 256 members")
		}
	}
	return list, nil
}

func skipSpace(data []byte, i int) int {
	for data[i] == ' ' || data[i] == '\t' || data[i] == '\r' || data[i] == '\n' {
		i++
	}
	return i
}

// skipString returns the index behind the string that begins at i. Like the
// other skips it relies on json.Valid.
func skipString(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue returns the index behind the value that begins at i, in an object.
func skipValue(data []byte, i int) int {
	depth := 0
	for {
		switch data[i] {
		case '"':
			i = skipString(data, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // the object around a number or word
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
		i++
	}
}

func (l members) has(name string) bool { return l.raw(name) != nil }

// raw is the value's bytes, nil if there is no such member.
func (l members) raw(name string) []byte {
	for _, m := range l {
		if m.name == name {
			return m.raw
		}
	}
	return nil
}

// text is the value of a string member, unescaped; a number is taken as it is
// written, and any other value is "".
func (l members) text(name string) string {
	raw := l.raw(name)
	var s string
	switch {
	case len(raw) == 0:
	case raw[0] == '"':
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		s = string(raw)
	}
	return strings.TrimSpace(s)
}
