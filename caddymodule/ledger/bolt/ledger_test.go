// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/ledgertest"
)

var errDisk = errors.New("no space left on device")

// opened is a ledger whose disk can break. At the end of its test the file is
// checked.
type opened struct {
	path   string
	broken atomic.Bool
	ledger *Ledger
}

func newOpened(t testing.TB, path string) *opened {
	t.Helper()
	o := &opened{path: path}
	o.open(t)
	t.Cleanup(func() {
		if err := o.ledger.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		checkFile(t, path)
	})
	return o
}

func (o *opened) open(t testing.TB) {
	t.Helper()
	l, err := Open(o.path, Options{
		Warn: func(message string) { t.Errorf("warned: %s", message) },
		Commit: func(commit func() error) error {
			if o.broken.Load() {
				return errDisk
			}
			return commit()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	o.ledger = l
}

func (o *opened) harness() ledgertest.Harness {
	return ledgertest.Harness{
		Ledger: o.ledger,
		Reopen: func(t testing.TB) ledger.Ledger {
			t.Helper()
			if err := o.ledger.Close(); err != nil {
				t.Fatal(err)
			}
			checkFile(t, o.path)
			o.open(t)
			return o.ledger
		},
		Break: func(testing.TB) func() {
			o.broken.Store(true)
			return func() { o.broken.Store(false) }
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T) ledgertest.Harness {
		return newOpened(t, filepath.Join(t.TempDir(), "alipay.db")).harness()
	})
}

// checkFile has bbolt check its pages, and checks that our records, indexes and
// lists agree. The file must be closed.
func checkFile(t testing.TB, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockTimeout})
	if err != nil {
		t.Errorf("opening %s to check it: %v", path, err)
		return
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("bbolt: %v", err)
		}
		l := &Ledger{db: db}
		if err := l.load(tx); err != nil {
			return err
		}
		return checkRecords(&view{ledger: l, tx: tx})
	})
	if err != nil {
		t.Errorf("checking %s: %v", path, err)
	}
}
