// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"
)

// escape begins a text that PostgreSQL cannot hold as it is.
const escape = `\x`

// column is s as the database keeps it. Texts come from outside, and PostgreSQL
// takes neither broken UTF-8 nor a zero byte: such a text becomes \x and its
// bytes in hexadecimal, as does one that looks like that.
func column(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 && !strings.HasPrefix(s, escape) {
		return s
	}
	return escape + hex.EncodeToString([]byte(s))
}

// uncolumn undoes column.
func uncolumn(s string) string {
	digits, ok := strings.CutPrefix(s, escape)
	if !ok {
		return s
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return s
	}
	return string(b)
}

// text is a string inside a jsonb column.
type text string

func (t text) MarshalText() ([]byte, error) { return []byte(column(string(t))), nil }

func (t *text) UnmarshalText(b []byte) error {
	*t = text(uncolumn(string(b)))
	return nil
}

// instant is a time inside a jsonb column, in microseconds since 1970: every time
// that trade can hold comes back, the zero time by its absence.
type instant int64

func toInstant(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	i := instant(t.UnixMicro())
	return &i
}

func (i *instant) time() time.Time {
	if i == nil {
		return time.Time{}
	}
	return time.UnixMicro(int64(*i)).UTC()
}

// micros cuts a time to what the database holds of it.
func micros(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// nullable is a time as a column holds it.
func nullable(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// given undoes nullable.
func given(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return micros(*t)
}
