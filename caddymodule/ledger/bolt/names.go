// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"fmt"
	"sync"

	"go.etcd.io/bbolt"
)

// maxNames and maxNameLength bound the table of names, which is held in memory:
// what comes beyond (a platform with thousands of sellers) is written in full.
const (
	maxNames      = 4096
	maxNameLength = 256
)

// names numbers the texts that repeat in records: apps, sellers, sites, states.
// Only the committer adds to it. A name whose transaction failed keeps its
// number in memory and is stored by a later one, so that a number never means
// two texts.
type names struct {
	mu     sync.RWMutex
	texts  []string // the text of number n is at n-1
	refs   map[string]uint64
	stored int // how many of texts are on disk
}

func loadNames(b *bbolt.Bucket) (*names, error) {
	n := &names{refs: make(map[string]uint64)}
	err := b.ForEach(func(k, v []byte) error {
		if id, ok := parseID(k); !ok || id != uint64(len(n.texts))+1 {
			return fmt.Errorf("%w: name %x after %d names", errDamaged, k, len(n.texts))
		}
		n.add(string(v))
		return nil
	})
	n.stored = len(n.texts)
	return n, err
}

func (n *names) add(s string) uint64 {
	n.texts = append(n.texts, s)
	n.refs[s] = uint64(len(n.texts))
	return uint64(len(n.texts))
}

// find is the number of s, if it has one.
func (n *names) find(s string) (uint64, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	ref, ok := n.refs[s]
	return ref, ok
}

// ref is the number of s, given now if it has none and there is room.
func (n *names) ref(s string) (uint64, bool) {
	if ref, ok := n.find(s); ok {
		return ref, true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.texts) >= maxNames || len(s) > maxNameLength {
		return 0, false
	}
	return n.add(s), true
}

// text is the text of a number.
func (n *names) text(ref uint64) (string, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if ref == 0 || ref > uint64(len(n.texts)) {
		return "", false
	}
	return n.texts[ref-1], true
}

// store writes the names that are not on disk and returns how many there are
// then; the committer sets stored to it when the transaction has succeeded.
func (n *names) store(b *bbolt.Bucket) (int, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for i := n.stored; i < len(n.texts); i++ {
		if err := b.Put(idKey(uint64(i)+1), []byte(n.texts[i])); err != nil {
			return 0, err
		}
	}
	return len(n.texts), nil
}

// setStored is told how many names are on disk.
func (n *names) setStored(count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stored = count
}
