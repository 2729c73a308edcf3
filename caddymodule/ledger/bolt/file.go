// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// formatVersion is raised when an older program could no longer read the file, or
// would lose what it holds; Open then brings older files up to it. Fields and
// buckets that an older program may ignore raise nothing. A file into which another
// ledger was copied has formatAlias.
const formatVersion = 2

// lockTimeout is how long Open waits for a file that is in use: long enough for
// a process that is just ending, and over before anyone thinks it hangs.
const lockTimeout = 2 * time.Second

// The buckets; doc.go says what they hold.
var (
	bucketMeta     = []byte("meta")
	bucketNames    = []byte("names")
	bucketOrders   = []byte("orders")
	bucketNumber   = []byte("number")
	bucketTradeNo  = []byte("tradeno")
	bucketState    = []byte("state")
	bucketEvents   = []byte("events")
	bucketEvidence = []byte("evidence")
	bucketHeld     = []byte("held")
	bucketAgenda   = []byte("agenda")
	bucketDue      = []byte("due")
	bucketDigest   = []byte("digest")
	bucketWaiting  = []byte("waiting")
	bucketAbout    = []byte("about")
	bucketTotals   = []byte("totals")
	bucketSettings = []byte("settings")

	bucketsSince1 = [][]byte{
		bucketMeta, bucketNames, bucketOrders, bucketNumber, bucketTradeNo, bucketState,
		bucketAgenda, bucketDue, bucketEvents, bucketEvidence, bucketHeld, bucketDigest,
	}
	bucketsSince2 = [][]byte{bucketWaiting, bucketAbout, bucketTotals, bucketSettings}
	allBuckets    = slices.Concat(bucketsSince1, bucketsSince2)

	keyVersion = []byte("version")
	keySalt    = []byte("salt")
	keyDecided = []byte("decided") // there if a held item was ever decided
)

// CanonicalPath is the one name of the file that path leads to, by which two
// configurations that mean the same file are recognised: absolute and without
// symbolic links. To know it, a new file is made, empty (mode 0600), and its
// folder if there is none (mode 0700).
func CanonicalPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("finding the ledger %q: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o700); err != nil {
		return "", fmt.Errorf("making the ledger's folder: %w", err)
	}
	if _, err := os.Stat(abs); errors.Is(err, os.ErrNotExist) {
		f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return "", fmt.Errorf("making the ledger: %w", err)
		}
		if err := f.Close(); err != nil {
			return "", fmt.Errorf("making the ledger: %w", err)
		}
	}
	whole, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", fmt.Errorf("finding the ledger: %w", err)
	}
	return whole, nil
}

// openFile opens or makes the database and checks that it is a ledger.
func openFile(path string, o *Options) (*bbolt.DB, error) {
	if err := tighten(path, o.Warn); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:      o.LockTimeout,
		PageSize:     pageSize,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("the ledger %q is in use%s: a file has one process; "+
			"give a running Caddy its new configuration with `caddy reload`, or stop it first", path, holder(path))
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%q is no ledger, or a damaged one (%w): restore it from a backup, or name another file", path, err)
	case err != nil:
		return nil, fmt.Errorf("opening the ledger %q: %w", path, err)
	}
	err = db.View(checkFormat)
	if errors.Is(err, errEmpty) {
		err = db.Update(makeFormat)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the ledger %q: %w", path, err), db.Close())
	}
	return db, nil
}

// tighten takes from others the right to read an existing ledger: it holds
// buyers' data.
func tighten(path string, warn func(string)) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("opening the ledger %q: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("the ledger %q is not a file; name a file in a folder of its own", path)
	}
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 { // Windows has no such modes
		return nil
	}
	if err := os.Chmod(path, info.Mode().Perm()&^0o077); err != nil {
		warn("others can read the ledger, and its mode cannot be changed")
		return nil
	}
	warn("others could read the ledger; its mode is now 0600")
	return nil
}

var (
	errEmpty   = errors.New("the file is new")
	errForeign = errors.New("the file is some other program's database; name another file")
)

// checkFormat refuses a file that is no ledger, or one too new for this program.
func checkFormat(tx *bbolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		if k, _ := tx.Cursor().First(); k != nil {
			return errForeign
		}
		return errEmpty
	}
	version, n := binary.Uvarint(meta.Get(keyVersion))
	switch {
	case n <= 0 || len(meta.Get(keySalt)) != saltSize:
		return errForeign
	case version > formatAlias:
		return fmt.Errorf("the file has format %d, this program knows formats up to %d; use the newer program", version, formatAlias)
	}
	buckets := allBuckets
	if version < 2 {
		buckets = bucketsSince1
	}
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: the file has no %s", errDamaged, name)
		}
	}
	return nil
}

func makeFormat(tx *bbolt.Tx) error {
	if err := makeBuckets(tx, allBuckets); err != nil {
		return err
	}
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return err
	}
	meta := tx.Bucket(bucketMeta)
	if err := meta.Put(keySalt, salt); err != nil {
		return err
	}
	return meta.Put(keyVersion, binary.AppendUvarint(nil, formatVersion))
}
