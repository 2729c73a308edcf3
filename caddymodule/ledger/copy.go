// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// MaxExport bounds a page of an export and a batch of an import, in records.
const MaxExport = 500

// Record is all that a ledger keeps about one order, but for its leases. It has a
// lossless JSON form (recordjson.go).
type Record struct {
	// Position is the order's place in the listing, in microseconds since 1970 or
	// just above. It is no smaller than CreatedAt in these units, and no two orders,
	// events or held items of a ledger share one.
	Position uint64
	Order    trade.Order // with its agenda, and Accepted as of the export
	// Evidence is what has changed the order, in the order of arrival, with the raw
	// messages as far as the ledger has kept them. Each names the order.
	Evidence []trade.Evidence
	Events   []RecordEvent // in sequence, from 1
	// Tellings are those of accepted events, by sequence; how the next event fares
	// is in the order's agenda.
	Tellings []Telling
}

// RecordEvent is an event as a ledger keeps it. Its ID is the one that shops were
// told, and stays with it in whichever ledger the record is.
type RecordEvent struct {
	trade.Event
	Position uint64 // in the journal, as in Record
	Evidence int    // which of the record's evidence caused it, from 1; 0: none
}

// HeldRecord is a held item with its place in the listing, as in Record.
type HeldRecord struct {
	Position uint64
	Held     trade.Held
}

// NamedSetting is a setting with its name. Values hold private keys: they are for
// ledgers, and for nobody's eyes.
type NamedSetting struct {
	Name  string
	Value []byte
}

// Exporter gives out records as they were at one moment. It fails as
// Ledger does: ErrUnavailable, or the context's error.
type Exporter interface {
	// Export is up to limit orders (1 to MaxExport) with positions above after,
	// ascending. Fewer than the limit are the last ones.
	Export(ctx context.Context, after uint64, limit int) ([]Record, error)
	// ExportHeld is Export for held items, decided or not.
	ExportHeld(ctx context.Context, after uint64, limit int) ([]HeldRecord, error)
	// ExportSettings is all settings, by name.
	ExportSettings(ctx context.Context) ([]NamedSetting, error)
}

// Batch is what one transaction imports, up to MaxExport of each kind.
type Batch struct {
	Orders   []Record
	Held     []HeldRecord
	Settings []NamedSetting
}

// Copyable is what a ledger implements beside Ledger whose records can be moved to
// another one.
type Copyable interface {
	// Frozen is the ledger as it is at this moment, until release is called, which
	// has to be called before Close. The moment ends with ctx, too.
	Frozen(ctx context.Context) (e Exporter, release func(), err error)
	// CountOrders is how many orders there are now.
	CountOrders(ctx context.Context) (int, error)
	// Import stores records, in one transaction: those that the ledger does not have,
	// and later states of those it has, which hold all that the earlier one did. Later
	// records get greater positions. To import the same again changes nothing. Besides
	// ErrUnavailable it fails with ErrPosition, and has then no effect.
	Import(ctx context.Context, b Batch) error
}
