// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// ErrOccupied: an imported record's place is taken by another one: somebody has
// used the ledger by itself.
var ErrOccupied = errors.New("the ledger holds something of its own there")

// Copyable is what a ledger implements beside Ledger whose records can be carried
// over to another kind of ledger, and back (package ledgercopy).
//
// Every record has a position: microseconds since 1970, or one more than the last
// position if that is greater. Orders, events and held items are each listed by
// theirs, and a copy keeps them, so that all listings stay as they are.
type Copyable interface {
	// Export begins to read the ledger as it is now. It may keep the ledger's file
	// from using freed pages again until it is closed.
	Export(ctx context.Context) (Export, error)
	// Import stores whole records, in one transaction: those it does not have, and
	// later states of those it has, which hold all that the earlier one did. The same
	// records again change nothing. ErrOccupied: a record's place is taken.
	Import(ctx context.Context, b *Batch) error
}

// Export is a ledger as it was at one moment.
type Export interface {
	// Len is how many orders there are.
	Len(ctx context.Context) (int, error)
	// Orders are the orders after a position, by their positions, up to limit.
	Orders(ctx context.Context, after uint64, limit int) ([]OrderRecord, error)
	// Held are the held items after a position, decided ones too.
	Held(ctx context.Context, after uint64, limit int) ([]HeldRecord, error)
	// Settings are all of them. Some are private keys.
	Settings(ctx context.Context) (map[string][]byte, error)
	Close() error
}

// OrderRecord is all that is kept about an order, save held items.
type OrderRecord struct {
	Position uint64
	Order    trade.Order
	Evidence []trade.Evidence // that has changed the order, in the order of arrival, with the raw messages
	Events   []EventRecord    // in sequence
	Tellings []Telling        // of events that the shop has accepted
}

// EventRecord is an event with its place in the journal. Its id stays what it is in
// every copy: shops tell by it what they know already.
type EventRecord struct {
	Position uint64
	Event    trade.Event
	Evidence int // which of the order's evidence caused it, counted from 1
}

// HeldRecord is a held item with its place in the listing.
type HeldRecord struct {
	Position uint64
	Held     trade.Held
}

// Batch is what Import stores at once.
type Batch struct {
	Orders   []OrderRecord
	Held     []HeldRecord
	Settings map[string][]byte
}
