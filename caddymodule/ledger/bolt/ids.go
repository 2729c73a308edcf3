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

// hashSize is how much of a name's hash a key holds: enough for two orders of
// ten million to share one but rarely, and then reading tells them apart.
const hashSize = 6

// numberKey and tradeNoKey are the keys by which orders are found, up to the
// order's id, which follows. Order numbers are of any length and often random,
// and a random key costs a commit a page: a short hash keeps these pages few.
// Trade numbers begin with the date, and their order keeps a day's together.
func numberKey(k trade.Key, salt []byte) []byte {
	b := make([]byte, 0, 128)
	b = append(append(append(b, salt...), k.AppID...), 0)
	sum := sha256.Sum256(append(b, k.OutTradeNo...))
	return append(make([]byte, 0, hashSize+idSize), sum[:hashSize]...)
}

func tradeNoKey(tradeNo string) []byte { return pack(make([]byte, 0, 32), tradeNo) }

// stateCodes are the first bytes of keys in the state bucket.
var stateCodes = map[trade.Status]byte{
	trade.StatusNone: 0, trade.StatusWait: 1, trade.StatusSuccess: 2, trade.StatusFinished: 3, trade.StatusClosed: 4,
}

func stateKey(state byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{state}, id)
}
