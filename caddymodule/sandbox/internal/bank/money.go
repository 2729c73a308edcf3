// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package bank keeps the emulator's accounts: trades, refunds, buyers and
// their money. It is pure: the time is an argument, nothing is locked, nothing
// is sent; the caller does all three.
package bank

import (
	"errors"
	"strconv"
	"strings"
)

// Fen is an amount of money in hundredths of a yuan.
type Fen int64

// The bounds of one payment: 0.01 to 100000000.00 yuan.
const (
	MinAmount Fen = 1
	MaxAmount Fen = 100_000_000_00
)

var errAmount = errors.New("an amount is digits with at most two decimals, from 0.01 to 100000000.00")

// ParseFen reads an amount in yuan: digits, then at most two decimals. No
// sign, exponent, blank or bare point is accepted, and the bounds hold.
func ParseFen(text string) (Fen, error) {
	whole, decimals, point := strings.Cut(text, ".")
	if len(whole) < 1 || len(whole) > 9 || !digits(whole) {
		return 0, errAmount
	}
	if point && (len(decimals) < 1 || len(decimals) > 2 || !digits(decimals)) {
		return 0, errAmount
	}
	decimals += "00"[len(decimals):]
	value, err := strconv.ParseInt(whole+decimals, 10, 64)
	if err != nil || Fen(value) < MinAmount || Fen(value) > MaxAmount {
		return 0, errAmount
	}
	return Fen(value), nil
}

func digits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// String writes the amount in yuan with two decimals: "88.88".
func (f Fen) String() string {
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	text := strconv.FormatInt(int64(f), 10)
	for len(text) < 3 {
		text = "0" + text
	}
	return sign + text[:len(text)-2] + "." + text[len(text)-2:]
}
