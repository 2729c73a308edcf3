// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// Options of Open; the zero value is what a server uses.
type Options struct {
	// LockTimeout is how long Open waits for a file that another process has
	// open. Default: 2s.
	LockTimeout time.Duration
	// AcceptDelay is the longest time that an accepted mark waits for a commit
	// to ride with. Default: 50ms.
	AcceptDelay time.Duration
	// Warn is told, during Open only, what an operator should know and what
	// stops nothing. Default: nobody.
	Warn func(message string)
	// Commit stands around every commit and has to call it, or fail; for tests
	// and benchmarks, which inject faults and slow disks. Default: none.
	Commit func(commit func() error) error
}

// Ledger is a ledger in one file. It implements ledger.Ledger.
type Ledger struct {
	db    *bbolt.DB
	path  string
	salt  []byte
	names *names
	opts  Options

	version uint64 // the file's format when it was opened

	accepts accepts
	recent  recent
	leases  leases
	decided atomic.Bool // perhaps a held item was decided

	queue   chan *call
	wake    chan struct{} // accepted marks are due
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed when the committer has ended

	maxScan int // maxScan, but for tests

	closeOnce sync.Once
	closeErr  error

	committer committer
}

// Open opens the ledger at path, or makes it (mode 0600, its folder 0700). A
// ledger is open in one process, and there once: open it again and the error
// says who has it. Close it when no call is wanted any more.
func Open(path string, o Options) (*Ledger, error) {
	if o.LockTimeout <= 0 {
		o.LockTimeout = lockTimeout
	}
	if o.AcceptDelay <= 0 {
		o.AcceptDelay = 50 * time.Millisecond
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Commit == nil {
		o.Commit = func(commit func() error) error { return commit() }
	}
	path, err := CanonicalPath(path)
	if err != nil {
		return nil, err
	}
	db, err := openFile(path, &o)
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		db: db, path: path, opts: o, maxScan: maxScan,
		queue:   make(chan *call, maxQueue),
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	// a process that was killed may have left behind what is in the page cache only
	if err := errors.Join(db.Sync(), l.prepare()); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the ledger %q: %w", path, err), db.Close())
	}
	l.accepts.init(o.AcceptDelay, l.wake)
	go l.run()
	return l, nil
}

// prepare brings an older file up to date and reads what is held in memory.
func (l *Ledger) prepare() error {
	if err := l.db.View(l.load); err != nil || l.version >= formatVersion {
		return err
	}
	if err := l.db.Update(l.upgrade); err != nil {
		return fmt.Errorf("bringing the file from format %d to %d: %w", l.version, formatVersion, err)
	}
	return l.db.View(l.load)
}

// load reads what is held in memory.
func (l *Ledger) load(tx *bbolt.Tx) (err error) {
	l.committer.durable.Store(int64(tx.ID()))
	l.recent.tx = tx.ID()
	meta := tx.Bucket(bucketMeta)
	l.version, _ = binary.Uvarint(meta.Get(keyVersion))
	l.salt = append([]byte(nil), meta.Get(keySalt)...)
	l.decided.Store(meta.Get(keyDecided) != nil)
	if l.names, err = loadNames(tx.Bucket(bucketNames)); err != nil {
		return err
	}
	if id, ok := parseID(meta.Get(keyLast)); ok {
		l.committer.lastID = max(l.committer.lastID, id)
	}
	for _, name := range [][]byte{bucketOrders, bucketEvents, bucketHeld} {
		if k, _ := tx.Bucket(name).Cursor().Last(); k != nil {
			id, ok := parseID(k)
			if !ok {
				return fmt.Errorf("%w: %s holds the key %x", errDamaged, name, k)
			}
			l.committer.lastID = max(l.committer.lastID, id)
		}
	}
	return nil
}

// Path is the canonical path of the file.
func (l *Ledger) Path() string { return l.path }

// Close commits what has been handed in and closes the file. Calls that come
// later, and those still waiting, fail with ledger.ErrUnavailable. To close
// twice is fine.
func (l *Ledger) Close() error {
	l.closeOnce.Do(func() {
		close(l.closing)
		<-l.stopped
		l.accepts.stop()
		l.closeErr = l.db.Close()
		if l.accepts.waiting() {
			l.closeErr = errors.Join(unavailable("writing", errors.New("what was accepted last will be told again")), l.closeErr)
		}
	})
	return l.closeErr
}

func (l *Ledger) closed() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

// view runs f in a read transaction.
func (l *Ledger) view(ctx context.Context, f func(v *view) error) error {
	if ctx.Err() != nil {
		return leaving(ctx)
	}
	tx, err := l.db.Begin(false)
	if err != nil {
		return unavailable("reading", err)
	}
	defer func() { _ = tx.Rollback() }() // of a read transaction: it cannot fail
	return f(&view{ledger: l, tx: tx})
}

// unavailable marks an error of the store as what it means to the caller.
func unavailable(doing string, err error) error {
	return fmt.Errorf("%w: %s: %w", ledger.ErrUnavailable, doing, err)
}

var (
	_ ledger.Ledger     = (*Ledger)(nil)
	_ ledger.Observable = (*Ledger)(nil)
)
