// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Records are fields in protobuf's wire format: a reader skips the fields that
// a later version has added, and a zero value takes no room. Times are
// microseconds (finer digits are cut off) relative to a base that the record's
// place gives, amounts are fen, and texts that repeat are numbers (names).

// errDamaged is wrapped by every error of a decoder.
var errDamaged = errors.New("damaged record")

func appendUint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, v)
}

func appendText(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendString(b, s)
}

// First bytes of a packed text that is not written as it is. No UTF-8 begins
// like this.
const (
	packedText  = 0xff // two digits a byte follow
	literalText = 0xfe // a text that itself begins with one of these two follows
)

// pack writes texts that are mostly digits, as Alipay's numbers are, in half the
// room.
func pack(b []byte, s string) []byte {
	if !allDigits(s) {
		if s[0] >= literalText {
			b = append(b, literalText)
		}
		return append(b, s...)
	}
	return appendPairs(append(b, packedText), s)
}

// appendPairs writes two digits a byte; the last half of an odd number is 0xf.
func appendPairs(b []byte, digits string) []byte {
	for i := 0; i < len(digits); i += 2 {
		low := byte(0xf)
		if i+1 < len(digits) {
			low = digits[i+1] - '0'
		}
		b = append(b, (digits[i]-'0')<<4|low)
	}
	return b
}

// appendDigits is appendText with a packed text.
func appendDigits(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	var room [64]byte
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, pack(room[:0], s))
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// digits undoes appendDigits.
func (f *fields) digits() string {
	b := f.bytes
	switch {
	case len(b) == 0 || b[0] < literalText:
		return string(b)
	case b[0] == literalText:
		return string(b[1:])
	}
	s := make([]byte, 0, 2*len(b))
	for i, two := range b[1:] {
		high, low := two>>4, two&0xf
		if high > 9 || low > 9 && (low != 0xf || i != len(b)-2) {
			f.fail(fmt.Errorf("no digits: %x", b))
			return ""
		}
		s = append(s, '0'+high)
		if low <= 9 {
			s = append(s, '0'+low)
		}
	}
	return string(s)
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, v)
}

// appendName writes a text that repeats as its number, or in full when the
// table of names is full.
func appendName(b []byte, num protowire.Number, s string, n *names) []byte {
	if s == "" {
		return b
	}
	if ref, ok := n.ref(s); ok {
		return appendUint(b, num, ref)
	}
	return appendText(b, num, s)
}

// appendTime leaves out the zero time only, so that it comes back as such.
func appendTime(b []byte, num protowire.Number, t time.Time, base uint64) []byte {
	if t.IsZero() {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, protowire.EncodeZigZag(t.UnixMicro()-int64(base)))
}

// fields walks over a record:
//
//	for f := (fields{rest: data}); f.next(); { switch f.num { … } }
type fields struct {
	rest   []byte
	num    protowire.Number
	value  uint64 // of a number
	bytes  []byte // of a text or a nested record; not nil then; aliases the record
	failed error
}

func (f *fields) next() bool {
	for len(f.rest) > 0 && f.failed == nil {
		num, kind, n := protowire.ConsumeTag(f.rest)
		if n < 0 {
			f.fail(protowire.ParseError(n))
			return false
		}
		f.rest = f.rest[n:]
		f.num, f.value, f.bytes = num, 0, nil
		switch kind {
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(f.rest)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(f.rest)
		default:
			n = protowire.ConsumeFieldValue(num, kind, f.rest)
		}
		if n < 0 {
			f.fail(protowire.ParseError(n))
			return false
		}
		f.rest = f.rest[n:]
		if kind == protowire.VarintType || kind == protowire.BytesType {
			return true
		}
	}
	return false
}

func (f *fields) fail(err error) {
	if f.failed == nil {
		f.failed = fmt.Errorf("%w: %w", errDamaged, err)
	}
}

// text is the field as a string of its own.
func (f *fields) text() string { return string(f.bytes) }

// name undoes appendName.
func (f *fields) name(n *names) string {
	if f.bytes != nil {
		return string(f.bytes)
	}
	s, ok := n.text(f.value)
	if !ok {
		f.fail(fmt.Errorf("name %d is not in the table", f.value))
	}
	return s
}

func (f *fields) time(base uint64) time.Time {
	return time.UnixMicro(protowire.DecodeZigZag(f.value) + int64(base)).UTC()
}

// micros cuts a time to what a record holds of it.
func micros(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// appendDeltas writes a list of growing numbers as their steps from base.
func appendDeltas(b []byte, num protowire.Number, list []uint64, base uint64) []byte {
	if len(list) == 0 {
		return b
	}
	size := 0
	for i, last := 0, base; i < len(list); i++ {
		size += protowire.SizeVarint(list[i] - last)
		last = list[i]
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	for _, v := range list {
		b = protowire.AppendVarint(b, v-base)
		base = v
	}
	return b
}

// deltas undoes appendDeltas.
func (f *fields) deltas(base uint64) []uint64 {
	var list []uint64
	for rest := f.bytes; len(rest) > 0; {
		v, n := protowire.ConsumeVarint(rest)
		if n < 0 {
			f.fail(protowire.ParseError(n))
			return nil
		}
		base += v
		list = append(list, base)
		rest = rest[n:]
	}
	return list
}
