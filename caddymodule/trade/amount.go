// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade

import (
	"errors"
	"fmt"
	"strconv"
)

// Amount is a sum of money in fen (1/100 yuan), the only unit in which this
// project computes. Alipay writes yuan with two decimals; ParseAmount and
// String convert without rounding.
type Amount int64

// Bounds of total_amount as alipay.trade.page.pay documents them.
const (
	MinAmount Amount = 1              // 0.01 yuan
	MaxAmount Amount = 10_000_000_000 // 100000000.00 yuan
)

// ErrAmount is wrapped by every error of ParseAmount and ParseSum.
var ErrAmount = errors.New("not an amount in yuan")

// ParseAmount reads an amount that is paid: "88.88", "88.8" or "88", within
// [0.01, 100000000.00]. Signs, exponents, spaces, empty parts and more than two
// decimals are refused, for each of them is read differently somewhere.
func ParseAmount(s string) (Amount, error) {
	a, err := ParseSum(s)
	if err != nil {
		return 0, err
	}
	if a < MinAmount {
		return 0, fmt.Errorf("%w: %q is below 0.01", ErrAmount, s)
	}
	return a, nil
}

// ParseSum is ParseAmount, but lets zero pass: sums such as refund_fee are
// "0.00" as long as nothing has been refunded.
func ParseSum(s string) (Amount, error) {
	if len(s) == 0 || len(s) > len("100000000.00") {
		return 0, fmt.Errorf("%w: %d characters long", ErrAmount, len(s))
	}
	var fen Amount
	point := -1
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			fen = fen*10 + Amount(c-'0')
		case c == '.' && point < 0:
			point = i
		default:
			return 0, fmt.Errorf("%w: %q holds something other than digits and one point", ErrAmount, s)
		}
	}
	decimals, err := countDecimals(s, point)
	if err != nil {
		return 0, err
	}
	for ; decimals < 2; decimals++ {
		fen *= 10
	}
	if fen > MaxAmount {
		return 0, fmt.Errorf("%w: %q is above 100000000.00", ErrAmount, s)
	}
	return fen, nil
}

// countDecimals says how many digits follow the point at index point (-1: none).
func countDecimals(s string, point int) (int, error) {
	if point < 0 {
		return 0, nil
	}
	decimals := len(s) - point - 1
	if point == 0 || decimals == 0 {
		return 0, fmt.Errorf("%w: %q has no digit on one side of the point", ErrAmount, s)
	}
	if decimals > 2 {
		return 0, fmt.Errorf("%w: %q has more than two decimals", ErrAmount, s)
	}
	return decimals, nil
}

// String is the amount in yuan with two decimals, as Alipay writes it.
func (a Amount) String() string {
	var buf [24]byte
	b := buf[:0]
	if a < 0 {
		b = append(b, '-')
		a = -a
	}
	b = strconv.AppendInt(b, int64(a/100), 10)
	fen := a % 100
	b = append(b, '.', byte('0'+fen/10), byte('0'+fen%10))
	return string(b)
}

// MarshalText writes the yuan string, so that JSON never carries a float.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Amount) UnmarshalText(text []byte) error {
	v, err := ParseSum(string(text))
	if err == nil {
		*a = v
	}
	return err
}
