// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// MaxRemove bounds the orders of one Remove, and so a transaction that deletes.
const MaxRemove = 100

// Archivable is what a ledger implements beside Ledger whose orders can be moved
// to files (package archive). Nothing else deletes anything.
type Archivable interface {
	// Whole is all that is kept about an order, of one moment, or ErrNotFound.
	Whole(ctx context.Context, k trade.Key) (Whole, error)
	// Remove deletes, in one transaction, those orders that are to their last byte
	// what was exported, and nobody is just changing; it returns how many. The others
	// stay as they are. Totals go on counting what was deleted. At most MaxRemove.
	Remove(ctx context.Context, list []Exported) (removed int, err error)
	// LeaseArchive makes the owner the only one among all processes who archives, until
	// the given time, and reports false if somebody else is. One's own is prolonged.
	LeaseArchive(ctx context.Context, owner string, now, until time.Time) (bool, error)
	// TidyArchive gives back the room of what was deleted and is older than before,
	// as far as that takes more than Remove.
	TidyArchive(ctx context.Context, before time.Time) error
}

// Whole is an order with all that is kept about it.
type Whole struct {
	Record Record
	Held   []HeldRecord // statements about it that were held, decided or not, with their raw messages
}

// Exported is an order as it was exported: its name, and the SHA-256 of its line.
type Exported struct {
	Key    trade.Key
	Digest [sha256.Size]byte
}

// Line is the order's JSON form, without an end of line. Equal orders have equal
// lines.
func (w *Whole) Line() ([]byte, error) { return json.Marshal(w) }

// Is reports whether the order is what was exported.
func (w *Whole) Is(e *Exported) (bool, error) {
	line, err := w.Line()
	return err == nil && sha256.Sum256(line) == e.Digest, err
}

// Keeps says why an order has to stay in the ledger.
type Keeps string

// The reasons. KeepsNothing: it is finished business.
const (
	KeepsNothing      Keeps = ""
	KeepsUndelivered  Keeps = "undelivered"  // the shop has not accepted all of its events
	KeepsContradicted Keeps = "contradicted" // signed statements exclude each other
	KeepsRefund       Keeps = "refund"       // the outcome of a refund is unknown
	KeepsHeld         Keeps = "held"         // a held statement about it waits
	KeepsOpen         Keeps = "open"         // neither paid nor closed, or Alipay is still asked
	KeepsChanged      Keeps = "changed"      // it has changed since it was exported
)

// Unfinished says why the order has to stay, as far as its record tells.
func Unfinished(o *trade.Order) Keeps {
	switch {
	case o.Undelivered():
		return KeepsUndelivered
	case o.Contradicted:
		return KeepsContradicted
	case o.UnknownRefund() != nil || !o.RefundAt.IsZero():
		return KeepsRefund
	case !o.Paid && !o.Closed, !o.AskAt.IsZero():
		return KeepsOpen
	}
	return KeepsNothing
}

// Unfinished says why the order has to stay.
func (w *Whole) Unfinished() Keeps {
	for i := range w.Held {
		if w.Held[i].Held.Waits() {
			return KeepsHeld
		}
	}
	return Unfinished(&w.Record.Order)
}
