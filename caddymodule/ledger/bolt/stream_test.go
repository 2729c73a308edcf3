// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// openStreamFile is a database with an evidence bucket and nothing else.
func openStreamFile(t *testing.T) *bbolt.DB {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "stream.db"), 0o600, &bbolt.Options{PageSize: pageSize, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// freshStream empties the stream.
func freshStream(t *rapid.T, db *bbolt.DB) {
	err := db.Update(func(tx *bbolt.Tx) error {
		if tx.Bucket(bucketEvidence) != nil {
			if err := tx.DeleteBucket(bucketEvidence); err != nil {
				return err
			}
		}
		_, err := tx.CreateBucket(bucketEvidence)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStreamComesBack: records of any size, over any number of transactions, at
// the places that they were given.
func TestStreamComesBack(t *testing.T) {
	t.Parallel()
	db := openStreamFile(t)
	sizes := rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(chunkSize-4, chunkSize+4), rapid.IntRange(0, 5*chunkSize))
	rapid.Check(t, func(t *rapid.T) {
		freshStream(t, db)
		stored := map[uint64][]byte{}
		for range rapid.IntRange(1, 4).Draw(t, "transactions") {
			err := db.Update(func(tx *bbolt.Tx) error {
				w, err := openStream(tx.Bucket(bucketEvidence), nil)
				if err != nil {
					return err
				}
				for _, size := range rapid.SliceOfN(sizes, 0, 5).Draw(t, "sizes") {
					record := bytes.Repeat([]byte{byte(len(stored) + 1)}, size)
					place := w.append(record)
					if _, taken := stored[place]; taken {
						t.Fatalf("the place %d is given twice", place)
					}
					stored[place] = record
				}
				return w.flush()
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		err := db.View(func(tx *bbolt.Tx) error {
			for place, want := range stored {
				got, err := readStream(tx.Bucket(bucketEvidence), place)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("at %d: %d bytes, %v; want %d", place, len(got), err, len(want))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestStreamDamaged: wrong places and lengths give errors, and take no memory.
func TestStreamDamaged(t *testing.T) {
	t.Parallel()
	db := openStreamFile(t)
	err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(bucketEvidence)
		if err != nil {
			return err
		}
		long := bytes.Repeat([]byte{0xff}, chunkSize) // a length without an end
		huge := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, make([]byte, 100)...)
		return errors.Join(b.Put(idKey(0), long), b.Put(idKey(1), huge))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		for _, place := range []uint64{0, chunkSize - 1, chunkSize, chunkSize + 108, chunkSize + 500, 2 * chunkSize, 1 << 60, 1<<64 - 1} {
			if _, err := readStream(tx.Bucket(bucketEvidence), place); !errors.Is(err, errDamaged) {
				t.Errorf("at %d: %v", place, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
