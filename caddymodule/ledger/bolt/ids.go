// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	idSize   = 8
	saltSize = 4 // random bytes that tell two ledgers' ids apart
)

// Prefixes of the ids that callers see.
const (
	eventPrefix = "evt_"
	orderCursor = "o"
	heldCursor  = "h"
)

func idKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func parseID(key []byte) (uint64, bool) {
	if len(key) != idSize {
		return 0, false
	}
	return binary.BigEndian.Uint64(key), true
}

// idAt is the id that a record made at t has if no other has taken it; also the
// place where a search for records from t on begins.
func idAt(t time.Time) uint64 {
	if us := t.UnixMicro(); us > 0 && !t.IsZero() {
		return uint64(us)
	}
	return 0
}

// public writes an id so that no other ledger's looks the same.
func public(prefix string, id uint64, salt []byte) string {
	b := make([]byte, 0, len(prefix)+2*(idSize+saltSize))
	b = append(b, prefix...)
	b = hex.AppendEncode(b, idKey(id))
	b = hex.AppendEncode(b, salt)
	return string(b)
}

// parsePublic undoes public; false if s is not one of this ledger's.
func parsePublic(prefix, s string, salt []byte) (uint64, bool) {
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || len(digits) != 2*(idSize+saltSize) {
		return 0, false
	}
	raw, err := hex.DecodeString(digits)
	if err != nil || string(raw[idSize:]) != string(salt) {
		return 0, false
	}
	id, ok := parseID(raw[:idSize])
	return id, ok && s == public(prefix, id, salt) // no second spelling (capitals)
}

// lookupSize is the part of an entry in number and tradeno that finds an order;
// the order's id follows. Two orders may share it, and reading tells them apart.
const lookupSize = 8

// numberKey finds an order by its number: a hash, for such numbers are of any
// length.
func numberKey(k trade.Key, salt []byte) []byte {
	b := make([]byte, 0, 128)
	b = append(append(append(b, salt...), k.AppID...), 0)
	sum := sha256.Sum256(append(b, k.OutTradeNo...))
	return append(make([]byte, 0, lookupSize+idSize), sum[:lookupSize]...)
}

// tradeNoKey finds an order by Alipay's number: the date with which it begins
// and the digits that count at its end, so that numbers which follow each other
// stay together; a hash if it is no such number.
func tradeNoKey(tradeNo string, salt []byte) []byte {
	b := make([]byte, 0, lookupSize+idSize)
	if n := len(tradeNo); n >= 2*lookupSize && allDigits(tradeNo) {
		return appendPairs(b, tradeNo[:lookupSize]+tradeNo[n-lookupSize:])
	}
	sum := sha256.Sum256(append(append(make([]byte, 0, 64), salt...), tradeNo...))
	return append(b, sum[:lookupSize]...)
}

// stateCodes are the first bytes of keys in the state bucket.
var stateCodes = map[trade.Status]byte{
	trade.StatusNone: 0, trade.StatusWait: 1, trade.StatusSuccess: 2, trade.StatusFinished: 3, trade.StatusClosed: 4,
}

func stateKey(state byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{state}, id)
}
