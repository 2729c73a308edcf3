// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// ErrInUse: a process has the file open, so that nobody else can read it.
var ErrInUse = errors.New("the ledger is in use")

// maxFaults bounds how many faults CheckFile tells.
const maxFaults = 100

// checkLockTimeout is how long a check waits for a file that is in use.
const checkLockTimeout = 200 * time.Millisecond

// openCopy opens a file to be read only.
func openCopy(path string) (*bbolt.DB, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: checkLockTimeout})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("%w%s", ErrInUse, holder(path))
	}
	if err != nil {
		return nil, fmt.Errorf("%q is no ledger, or a damaged one: %w", path, err)
	}
	if err := db.View(func(tx *bbolt.Tx) error {
		if tx.Size() > info.Size() { // what lies beyond must not be touched: the system would end the process
			return fmt.Errorf("%w: it has %d of %d bytes", errDamaged, info.Size(), tx.Size())
		}
		return checkFormat(tx)
	}); err != nil {
		return nil, errors.Join(fmt.Errorf("%q: %w", path, err), db.Close())
	}
	return db, nil
}

// CheckCopy reports whether a file is a whole ledger, by its ends: that all of it
// is sound is for CheckFile to say.
func CheckCopy(path string) error {
	db, err := openCopy(path)
	if err != nil {
		return err
	}
	l := &Ledger{db: db, path: path}
	return errors.Join(db.View(l.load), db.Close())
}

// CheckFile reads all of a ledger's file that no process has open, and tells up to
// 100 faults: pages that do not fit together, records that cannot be read, and sums
// that are not those of the records.
func CheckFile(ctx context.Context, path string) (faults []string, err error) {
	db, err := openCopy(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	faults = []string{}
	l := &Ledger{db: db, path: path}
	err = db.View(func(tx *bbolt.Tx) error {
		for fault := range tx.Check() {
			if len(faults) < maxFaults {
				faults = append(faults, fault.Error())
			}
		}
		if err := l.load(tx); err != nil || len(faults) > 0 {
			return err
		}
		v := &view{ledger: l, tx: tx}
		for _, fault := range v.unreadable(ctx) {
			faults = append(faults, fault.Error())
		}
		return ctx.Err()
	})
	return faults, err
}

// unreadable finds records that cannot be read, and sums that are wrong.
func (v *view) unreadable(ctx context.Context) (faults []error) {
	add := func(err error) bool {
		if err != nil {
			faults = append(faults, err)
		}
		return len(faults) < maxFaults && ctx.Err() == nil
	}
	for id := range v.allIDs(bucketOrders, 0) {
		r, err := v.orderAt(id)
		if !add(err) {
			return faults
		}
		for _, place := range r.evidence {
			if _, err := v.evidence(place); !add(err) {
				return faults
			}
		}
	}
	for id := range v.allIDs(bucketEvents, 0) {
		if _, err := v.event(id); !add(err) {
			return faults
		}
	}
	for id := range v.allIDs(bucketHeld, 0) {
		if _, err := v.heldAt(id); !add(err) {
			return faults
		}
	}
	if len(faults) == 0 && v.tx.Bucket(bucketTotals) != nil {
		add(v.wrongSums())
	}
	add(v.wrongAlias())
	return faults
}

// wrongSums compares what each transaction has counted with a count.
func (v *view) wrongSums() error {
	counted, err := v.countAll()
	if err != nil {
		return err
	}
	return v.tx.Bucket(bucketTotals).ForEach(func(appID, data []byte) error {
		kept, err := decodeSums(data)
		if err != nil {
			return err
		}
		if s := counted[string(appID)]; kept != (sums{}) && (s == nil || kept != *s) {
			return fmt.Errorf("%w: the sums of app %s are not those of its orders", errDamaged, appID)
		}
		return nil
	})
}
