// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
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

// nameKey is the key of an order in an index by name: the app's number and the
// name; an app without a number (full table) is written between two zeros.
func nameKey(app uint64, appID, name string) []byte {
	b := make([]byte, 0, binary.MaxVarintLen32+len(name))
	b = binary.AppendUvarint(b, app)
	if app == 0 {
		b = append(append(b, appID...), 0)
	}
	return append(b, name...)
}

// stateUndelivered marks orders with events that the shop has not accepted.
const stateUndelivered = 0x80

// stateCodes are the first bytes of keys in the state bucket.
var stateCodes = map[trade.Status]byte{
	trade.StatusNone: 0, trade.StatusWait: 1, trade.StatusSuccess: 2, trade.StatusFinished: 3, trade.StatusClosed: 4,
}

func stateKey(state byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{state}, id)
}
