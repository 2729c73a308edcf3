// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"errors"
	"io"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// snapshot is the ledger as it is at one moment. While it is open the file grows
// instead of using freed pages again, and Close of the ledger waits for it.
type snapshot struct {
	ledger *Ledger
	tx     *bbolt.Tx
	size   int64
}

// Snapshot implements ledger.Snapshotter.
func (l *Ledger) Snapshot() (ledger.Snapshot, error) {
	tx, err := l.db.Begin(false)
	if err != nil {
		return nil, unavailable("reading", err)
	}
	return &snapshot{l, tx, tx.Size()}, nil
}

// Size implements ledger.Snapshot.
func (s *snapshot) Size() int64 { return s.size }

// WriteTo writes a file that Open takes. It ends early, with an error, when the
// ledger is closed.
func (s *snapshot) WriteTo(w io.Writer) (int64, error) {
	n, err := s.tx.WriteTo(&whileOpen{s.ledger, w})
	if err != nil && s.ledger.closed() {
		err = unavailable("copying", errClosed) // bbolt does not wrap it
	}
	return n, err
}

// Close ends the snapshot. To close twice is fine.
func (s *snapshot) Close() error {
	if err := s.tx.Rollback(); err != nil && !errors.Is(err, berrors.ErrTxClosed) {
		return err
	}
	return nil
}

// whileOpen writes until the ledger is closed, so that a slow reader keeps no
// server from ending.
type whileOpen struct {
	ledger *Ledger
	w      io.Writer
}

func (o *whileOpen) Write(p []byte) (int, error) {
	if o.ledger.closed() {
		return 0, unavailable("copying", errClosed)
	}
	return o.w.Write(p)
}

var _ ledger.Snapshotter = (*Ledger)(nil)
