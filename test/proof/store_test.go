// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
)

// store is where a program keeps its orders, and where a test looks when the
// program has ended.
type store interface {
	option() string                   // the value of the option ledger
	check(t *testing.T)               // fails unless what was left holds together
	open(t *testing.T) opened         // the ledger, for the test alone
	copied(t *testing.T, n int) store // another one, with the same content
}

type opened interface {
	ledger.Ledger
	Close() error
}

// boltFile is the path of a bolt ledger.
type boltFile string

func (f boltFile) option() string { return "bolt " + string(f) }

// check is `bbolt check`: every page is reachable or free, and none both.
func (f boltFile) check(t *testing.T) {
	t.Helper()
	db, err := bbolt.Open(string(f), 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("the ledger's file: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f boltFile) open(t *testing.T) opened {
	t.Helper()
	return must(bolt.Open(string(f), bolt.Options{}))(t)
}

func (f boltFile) copied(t *testing.T, n int) store {
	t.Helper()
	path := filepath.Join(filepath.Dir(string(f)), numbered("D", n)+".db")
	if err := os.WriteFile(path, must(os.ReadFile(string(f)))(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return boltFile(path)
}
