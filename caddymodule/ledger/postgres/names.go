// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// maxName bounds app ids, order and trade numbers. Alipay's own are 64
// characters at most.
const maxName = 256

func checkKey(k trade.Key) error {
	for _, s := range []string{k.AppID, k.OutTradeNo} {
		if len(s) == 0 || len(s) > maxName {
			return fmt.Errorf("an order's app id and number have 1 to %d bytes, not %d", maxName, len(s))
		}
	}
	return nil
}

// Prefixes of the ids that callers see. Each ends in the ledger's salt, so that
// no other ledger's looks the same.
const (
	eventPrefix = "evt_"
	orderCursor = "o"
	heldCursor  = "h"
)

// idShift is how far an order's id holds the millisecond of its creation; the
// bits below are those of a sequence.
const idShift = 20

// orderID makes an order's id.
func orderID(created time.Time, number int64) int64 {
	return max(created.UnixMilli(), 0)<<idShift | number&(1<<idShift-1)
}

// createdAround is the instant that an order's id tells.
func createdAround(id int64) time.Time { return time.UnixMilli(id >> idShift).UTC() }

func (l *Ledger) eventID(order int64, sequence int) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(order))
	b = binary.BigEndian.AppendUint32(b, uint32(sequence))
	return eventPrefix + hex.EncodeToString(append(b, l.salt...))
}

func (l *Ledger) parseEventID(id string) (order int64, sequence int, ok bool) {
	b, ok := l.parse(eventPrefix, id, 12)
	if !ok {
		return 0, 0, false
	}
	order, sequence = int64(binary.BigEndian.Uint64(b)), int(int32(binary.BigEndian.Uint32(b[8:])))
	return order, sequence, order >= 0 && sequence > 0
}

func (l *Ledger) cursor(prefix string, position int64) string {
	return prefix + hex.EncodeToString(append(binary.BigEndian.AppendUint64(nil, uint64(position)), l.salt...))
}

func (l *Ledger) parseCursor(prefix, s string) (int64, bool) {
	b, ok := l.parse(prefix, s, 8)
	if !ok {
		return 0, false
	}
	position := int64(binary.BigEndian.Uint64(b))
	return position, position >= 0
}

// parse takes n bytes from a text that this ledger has given out.
func (l *Ledger) parse(prefix, s string, n int) ([]byte, bool) {
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || len(digits) != 2*(n+len(l.salt)) || strings.ToLower(digits) != digits { // no second spelling
		return nil, false
	}
	b, err := hex.DecodeString(digits)
	if err != nil || string(b[n:]) != string(l.salt) {
		return nil, false
	}
	return b[:n], true
}
