// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import "io"

// Snapshotter is what a ledger in a file of its own implements beside Ledger, so
// that it can be copied while it is in use. One in a database leaves copies to the
// database's own means.
type Snapshotter interface {
	// Snapshot fixes the ledger as it is now, until it is closed.
	Snapshot() (Snapshot, error)
}

// Snapshot is a ledger as it was at one moment.
type Snapshot interface {
	Size() int64 // the bytes that WriteTo writes
	io.WriterTo
	io.Closer
}
