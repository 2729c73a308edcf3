// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

func setIn(tx *bbolt.Tx, size int) set { return set{bucket: tx.Bucket(bucketState), size: size} }

func freshSet(t *rapid.T, db *bbolt.DB) {
	err := db.Update(func(tx *bbolt.Tx) error {
		if tx.Bucket(bucketState) != nil {
			if err := tx.DeleteBucket(bucketState); err != nil {
				return err
			}
		}
		b, err := tx.CreateBucket(bucketState)
		if err != nil {
			return err
		}
		return b.Put(setBottom, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSetIsASet: over any changes, in any transactions, it holds what a map
// holds, in order, and finds it from anywhere.
func TestSetIsASet(t *testing.T) {
	t.Parallel()
	db := openStreamFile(t)
	rapid.Check(t, func(t *rapid.T) {
		freshSet(t, db)
		size := rapid.SampledFrom([]int{9, 16, 200}).Draw(t, "size")
		have := map[string]bool{}
		entry := func(n uint32) string {
			e := make([]byte, size)
			binary.BigEndian.PutUint32(e, n)
			return string(e)
		}
		next := uint32(1000)
		for range rapid.IntRange(1, 8).Draw(t, "transactions") {
			changes := map[string]setChange{}
			add := func(e string, remove bool) { changes[e] = setChange{[]byte(e), remove} }
			switch rapid.SampledFrom([]string{"few", "append", "remove all"}).Draw(t, "kind") {
			case "few":
				for range rapid.IntRange(0, 400).Draw(t, "n") {
					add(entry(rapid.Uint32Range(0, 2000).Draw(t, "entry")), rapid.IntRange(0, 2).Draw(t, "remove") == 0)
				}
			case "append":
				for range rapid.IntRange(0, 300).Draw(t, "n") {
					next += 3
					add(entry(next), false)
				}
			default:
				for e := range have {
					add(e, true)
				}
			}
			list := make([]setChange, 0, len(changes))
			for e, c := range changes {
				list = append(list, c)
				if c.remove {
					delete(have, e)
				} else {
					have[e] = true
				}
			}
			err := db.Update(func(tx *bbolt.Tx) error {
				return setIn(tx, size).apply(list, func(add func([]byte) []byte) []byte { return add(nil) })
			})
			if err != nil {
				t.Fatal(err)
			}
			checkSetHas(t, db, size, have, []string{entry(rapid.Uint32Range(0, 3000).Draw(t, "from")), "\x00\x00\x03"})
		}
	})
}

func checkSetHas(t *rapid.T, db *bbolt.DB, size int, have map[string]bool, starts []string) {
	err := db.View(func(tx *bbolt.Tx) error {
		s := setIn(tx, size)
		if err := checkSet(s, have); err != nil {
			return err
		}
		for _, start := range starts {
			var got, want []string
			for e := range s.from([]byte(start)) {
				got = append(got, string(e))
			}
			for e := range have {
				if e >= start {
					want = append(want, e)
				}
			}
			if slices.Sort(want); !slices.Equal(got, want) {
				return fmt.Errorf("from %x: %x, want %x", start, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSetFillsItsBlocks: what comes in order leaves full blocks behind.
func TestSetFillsItsBlocks(t *testing.T) {
	t.Parallel()
	db := openStreamFile(t)
	rapid.Check(t, func(t *rapid.T) {
		freshSet(t, db)
		const size, n = 16, 5000
		err := db.Update(func(tx *bbolt.Tx) error {
			i := uint64(1)
			for i <= n { // the last group may go beyond
				var changes []setChange
				for range rapid.IntRange(1, 200).Draw(t, "group") {
					changes = append(changes, setChange{entry: append(idKey(i), idKey(0)...)})
					i++
				}
				if err := setIn(tx, size).apply(changes, func(add func([]byte) []byte) []byte { return add(nil) }); err != nil {
					return err
				}
			}
			blocks := 0
			err := setIn(tx, size).bucket.ForEach(func(_, _ []byte) error {
				blocks++
				return nil
			})
			if most := int(i)/(maxBlock/size) + 2; blocks > most {
				t.Fatalf("%d blocks, want at most %d", blocks, most)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestSetDamaged: a set without its first block is an error, not a loss.
func TestSetDamaged(t *testing.T) {
	t.Parallel()
	db := openStreamFile(t)
	err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(bucketState)
		if err != nil {
			return err
		}
		s := set{bucket: b, size: 4}
		for e := range s.from([]byte("a")) {
			t.Errorf("an empty bucket holds %x", e)
		}
		keep := func(add func([]byte) []byte) []byte { return add(nil) }
		if err := s.apply([]setChange{{entry: []byte("abcd")}}, keep); !errors.Is(err, errDamaged) {
			t.Errorf("a change of it: %v", err)
		}
		if err := b.Put([]byte("m"), bytes.Repeat([]byte("x"), 8)); err != nil {
			return err
		}
		if err := s.apply([]setChange{{entry: []byte("abcd")}}, keep); !errors.Is(err, errDamaged) {
			t.Errorf("a change below its first block: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
