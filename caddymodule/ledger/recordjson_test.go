// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// fill draws every field of v, whatever is added to it later.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Interface().(type) {
	case trade.Amount:
		v.SetInt(rapid.Int64Range(0, int64(trade.MaxAmount)).Draw(t, "amount"))
		return
	case time.Time:
		if rapid.Bool().Draw(t, "some time") {
			micros := rapid.Int64Range(0, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMicro()).Draw(t, "time")
			v.Set(reflect.ValueOf(time.UnixMicro(micros).UTC()))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		text := rapid.OneOf(
			rapid.String(),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.SampledFrom([]string{`\x`, `\x41`, `\xzz`, "\u2028", "<&>"}),
		)
		v.SetString(text.Draw(t, "text"))
	case reflect.Int:
		v.SetInt(int64(rapid.IntRange(0, math.MaxInt32).Draw(t, "number")))
	case reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, "position"))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(t, "byte")))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "flag"))
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field)
		}
	case reflect.Slice:
		n := rapid.IntRange(0, 2).Draw(t, "length")
		if n == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(t, v.Index(i))
		}
	default:
		t.Fatalf("a record has a %s", v.Type())
	}
}

func comesBack[T any](t *rapid.T) {
	var in, out T
	fill(t, reflect.ValueOf(&in).Elem())
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(in, out) {
		t.Fatalf("of\n%+v\ncame back\n%+v\nby %s", in, out, data)
	}
	if again, err := json.Marshal(out); err != nil || string(again) != string(data) {
		t.Fatalf("equal records have the bytes\n%s\n%s (%v)", data, again, err)
	}
}

func TestRecordJSON(t *testing.T) { rapid.Check(t, comesBack[ledger.Record]) }

func TestHeldRecordJSON(t *testing.T) { rapid.Check(t, comesBack[ledger.HeldRecord]) }
