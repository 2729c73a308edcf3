// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// The JSON form of records is that of encoding/json under Go's names: amounts in
// yuan (from 0 to trade.MaxAmount), bytes in base64, times as RFC 3339 in UTC (up
// to the year 9999). Texts come from outside and may be no UTF-8, which JSON
// cannot hold: such a text, and one that begins with \x, is \x and its bytes in
// hexadecimal. Empty lists are null. So equal records have equal bytes.

const escape = `\x`

func escaped(s string) string {
	if utf8.ValidString(s) && !strings.HasPrefix(s, escape) {
		return s
	}
	return escape + hex.EncodeToString([]byte(s))
}

func unescaped(s string) string {
	if digits, ok := strings.CutPrefix(s, escape); ok {
		if b, err := hex.DecodeString(digits); err == nil {
			return string(b)
		}
	}
	return s
}

type (
	plainRecord Record
	plainHeld   HeldRecord
)

// MarshalJSON implements json.Marshaler.
func (r Record) MarshalJSON() ([]byte, error) {
	eachText(reflect.ValueOf(&r).Elem(), escaped)
	return json.Marshal(plainRecord(r))
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *Record) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, (*plainRecord)(r)); err != nil {
		return err
	}
	eachText(reflect.ValueOf(r).Elem(), unescaped)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (h HeldRecord) MarshalJSON() ([]byte, error) {
	eachText(reflect.ValueOf(&h).Elem(), escaped)
	return json.Marshal(plainHeld(h))
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *HeldRecord) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, (*plainHeld)(h)); err != nil {
		return err
	}
	eachText(reflect.ValueOf(h).Elem(), unescaped)
	return nil
}

// eachText replaces every text in v, a value that can be set, and leaves alone
// what v shares with others: slices are copied first. Times become UTC.
func eachText(v reflect.Value, replace func(string) string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(replace(v.String()))
	case reflect.Struct:
		if t, ok := reflect.TypeAssert[time.Time](v); ok {
			v.Set(reflect.ValueOf(t.UTC()))
			return
		}
		for _, field := range v.Fields() {
			eachText(field, replace)
		}
	case reflect.Slice:
		if v.Len() == 0 {
			v.SetZero()
			return
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		fresh := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(fresh, v)
		v.Set(fresh)
		for i := range v.Len() {
			eachText(v.Index(i), replace)
		}
	}
}
