// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func TestParseAmount(t *testing.T) {
	t.Parallel()
	good := map[string]trade.Amount{
		"0.01": 1, "0.1": 10, "1": 100, "88.88": 8888, "88.8": 8880, "100000000.00": 10_000_000_000,
		"100000000": 10_000_000_000, "007.50": 750,
	}
	for in, want := range good {
		if got, err := trade.ParseAmount(in); err != nil || got != want {
			t.Errorf("ParseAmount(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	bad := []string{
		"", "0", "0.00", "-1", "+1", "1e2", "1E2", "0x10", "1.", ".5", "1.234", "1,00", "1 ", " 1", "1..2",
		"100000000.01", "100000001", "99999999999999999999", "1_000", "١", "NaN", "Inf", "1.0.0", "0.001", "1\x00",
	}
	for _, in := range bad {
		if got, err := trade.ParseAmount(in); !errors.Is(err, trade.ErrAmount) {
			t.Errorf("ParseAmount(%q) = %d, %v; want ErrAmount", in, got, err)
		}
	}
}

func TestParseSumAllowsZero(t *testing.T) {
	t.Parallel()
	if got, err := trade.ParseSum("0.00"); err != nil || got != 0 {
		t.Errorf("ParseSum(0.00) = %d, %v", got, err)
	}
}

func TestAmountRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := trade.Amount(rapid.Int64Range(1, int64(trade.MaxAmount)).Draw(t, "fen"))
		back, err := trade.ParseAmount(a.String())
		if err != nil || back != a {
			t.Fatalf("%d prints as %q and reads back as %d, %v", a, a, back, err)
		}
		var viaJSON trade.Amount
		text, _ := json.Marshal(a)
		if err := json.Unmarshal(text, &viaJSON); err != nil || viaJSON != a {
			t.Fatalf("%d is %s in JSON and reads back as %d, %v", a, text, viaJSON, err)
		}
	})
}

// FuzzParseAmount holds the parser against arbitrary-precision arithmetic.
func FuzzParseAmount(f *testing.F) {
	for _, s := range []string{"0.01", "88.88", "100000000.00", "1e9", "-1", "0.1", "1.", ".1", "00.10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := trade.ParseAmount(s)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q was accepted and is no number", s)
		}
		if got := big.NewRat(int64(a), 100); got.Cmp(want) != 0 {
			t.Fatalf("%q was read as %s", s, got.FloatString(4))
		}
		if a < trade.MinAmount || a > trade.MaxAmount {
			t.Fatalf("%q gave %d, out of bounds", s, a)
		}
	})
}
