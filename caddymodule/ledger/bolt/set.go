// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"go.etcd.io/bbolt"
)

// A set is a bucket of entries of one size, sorted and gathered in blocks of
// about a quarter page. As keys of bbolt's own they would cost it 16 bytes each,
// and for each one added the unpacking of a page of more than a hundred.
//
// A block's key is a lower bound of its entries; the first block's is setBottom,
// which is below any entry, and always there.
type set struct {
	bucket *bbolt.Bucket
	size   int // bytes an entry
}

// maxBlock is the most bytes of a block: four of them fill a page.
const maxBlock = (pageSize-16)/4 - 32

var setBottom = []byte{0}

// setChange adds an entry or takes it away.
type setChange struct {
	entry  []byte
	remove bool
}

// apply makes changes, of which no two may be for the same entry. keep holds
// what its argument appends until the transaction ends.
func (s set) apply(changes []setChange, keep func(func([]byte) []byte) []byte) error {
	slices.SortFunc(changes, func(a, b setChange) int { return bytes.Compare(a.entry, b.entry) })
	for c := s.bucket.Cursor(); len(changes) > 0; {
		key, block := s.floor(c, changes[0].entry)
		if key == nil {
			return fmt.Errorf("%w: a set without its first block", errDamaged)
		}
		n := len(changes)
		if upper, _ := c.Next(); upper != nil {
			n, _ = slices.BinarySearchFunc(changes, upper, func(a setChange, b []byte) int { return bytes.Compare(a.entry, b) })
		}
		key = bytes.Clone(key)
		appended := len(block) == 0 || bytes.Compare(block[len(block)-s.size:], changes[0].entry) < 0
		merged := keep(func(b []byte) []byte { return s.merge(b, block, changes[:n]) })
		if err := s.put(key, merged, appended); err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}

// floor is the block in which an entry belongs, with the cursor on it.
func (s set) floor(c *bbolt.Cursor, entry []byte) (key, block []byte) {
	key, block = c.Seek(entry)
	switch {
	case key == nil:
		return c.Last()
	case bytes.Equal(key, entry):
		return key, block
	}
	return c.Prev()
}

// merge appends the block to b with the changes made.
func (s set) merge(b, block []byte, changes []setChange) []byte {
	for _, c := range changes {
		at := s.search(block, c.entry)
		b, block = append(b, block[:at]...), block[at:]
		if len(block) > 0 && bytes.Equal(block[:s.size], c.entry) {
			block = block[s.size:]
		}
		if !c.remove {
			b = append(b, c.entry...)
		}
	}
	return append(b, block...)
}

// search is the place of the first entry that is not below the given one.
func (s set) search(block, entry []byte) int {
	low, high := 0, len(block)/s.size
	for low < high {
		middle := (low + high) / 2
		if bytes.Compare(block[middle*s.size:(middle+1)*s.size], entry) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low * s.size
}

// put stores entries in place of the block at key, in as many blocks as they
// need: full ones if entries come at the end, else all with room for more.
func (s set) put(key, entries []byte, appended bool) error {
	if len(entries) == 0 && !bytes.Equal(key, setBottom) {
		return s.bucket.Delete(key)
	}
	most := maxBlock / s.size
	if blocks := (len(entries)/s.size + most - 1) / most; blocks > 1 && !appended {
		most = (len(entries)/s.size + blocks - 1) / blocks
	}
	for {
		block := entries[:min(most*s.size, len(entries))]
		if err := s.bucket.Put(key, block); err != nil {
			return err
		}
		if entries = entries[len(block):]; len(entries) == 0 {
			return nil
		}
		key = entries[:s.size]
	}
}

// from walks over the entries that are not below start, which may be a prefix.
// They are valid until the transaction ends.
func (s set) from(start []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		c := s.bucket.Cursor()
		key, block := s.floor(c, start)
		if key == nil {
			return
		}
		for block = block[s.search(block, start):]; key != nil; key, block = c.Next() {
			for entry := range slices.Chunk(block, s.size) {
				if !yield(entry) {
					return
				}
			}
		}
	}
}
