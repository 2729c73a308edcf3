// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// copied writes a snapshot of the ledger into a file.
func copied(t *testing.T, l *Ledger, name string) string {
	t.Helper()
	s, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	n, err := s.WriteTo(&b)
	if err := errors.Join(err, s.Close(), s.Close()); err != nil || n != s.Size() || n != int64(b.Len()) {
		t.Fatalf("%d of %d bytes: %v", n, b.Len(), err)
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSnapshot: a copy that was made under load is a sound ledger and holds all
// that was recorded before it.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	var writers sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				number := fmt.Sprintf("W%d-%d", i, n)
				if _, err := l.Attempt(t.Context(), testKey(number), benchAttempt(testTime)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for round := range 5 {
		number := fmt.Sprintf("BEFORE-%d", round)
		if _, err := l.Attempt(t.Context(), testKey(number), benchAttempt(testTime)); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Record(t.Context(), testPaid(number)); err != nil {
			t.Fatal(err)
		}
		want, err := l.Order(t.Context(), testKey(number))
		if err != nil {
			t.Fatal(err)
		}
		file := copied(t, l.Ledger, "copy.db")
		if err := CheckCopy(file); err != nil {
			t.Error(err)
		}
		if faults, err := CheckFile(t.Context(), file); err != nil || len(faults) > 0 {
			t.Errorf("the copy is unsound: %v %v", faults, err)
		}
		back, err := Open(file, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := back.Order(t.Context(), testKey(number))
		if err = errors.Join(err, back.Close()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: %+v, want %+v", err, got, want)
		}
	}
	close(stop)
	writers.Wait()
}

// TestSnapshotEndsWithTheLedger: a reader that has fallen asleep does not keep a
// server from ending.
func TestSnapshotEndsWithTheLedger(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	s, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := s.WriteTo(w)
		ended <- errors.Join(err, s.Close())
	}()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	go func() { // the ledger is being closed, and only then is more read
		<-l.closing
		_, _ = io.Copy(io.Discard, r)
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("the copy ended with %v", err)
	}
	if _, err := l.Snapshot(); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("a closed ledger gave a snapshot: %v", err)
	}
}

// TestCheckFile finds what is wrong with a file, and leaves it alone.
func TestCheckFile(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	if _, err := l.Attempt(t.Context(), testKey("A"), benchAttempt(testTime)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Record(t.Context(), testPaid("A")); err != nil {
		t.Fatal(err)
	}
	file := copied(t, l.Ledger, "copy.db")
	sound, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if faults, err := CheckFile(t.Context(), file); err != nil || len(faults) > 0 {
		t.Errorf("a sound file: %v %v", faults, err)
	}
	for name, spoil := range map[string]func(*bbolt.Tx) error{
		"cannot be read":       func(tx *bbolt.Tx) error { return replaceFirst(tx, bucketOrders, []byte{0xff, 1}) },
		"event lost its order": func(tx *bbolt.Tx) error { return replaceFirst(tx, bucketEvents, []byte{0xff}) },
		"sums": func(tx *bbolt.Tx) error {
			k, v := tx.Bucket(bucketTotals).Cursor().First()
			s, err := decodeSums(v)
			s.paid++
			return errors.Join(err, tx.Bucket(bucketTotals).Put(bytes.Clone(k), appendSums(nil, &s)))
		},
	} {
		db, err := bbolt.Open(file, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(spoil), db.Close()); err != nil {
			t.Fatal(err)
		}
		if faults, err := CheckFile(t.Context(), file); err != nil || len(faults) != 1 {
			t.Errorf("%s: %v %v", name, faults, err)
		}
		if err := os.WriteFile(file, sound, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func replaceFirst(tx *bbolt.Tx, bucket, value []byte) error {
	k, _ := tx.Bucket(bucket).Cursor().First()
	return tx.Bucket(bucket).Put(bytes.Clone(k), value)
}

// TestCheckRefuses tells what is no ledger from a damaged one.
func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	file := copied(t, l.Ledger, "copy.db")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		write("text", bytes.Repeat([]byte("no ledger "), 4000)): "is no ledger, or a damaged one",
		write("cut", whole[:len(whole)-pageSize]):               "of",
		write("empty", nil):                                     "",
		filepath.Join(dir, "missing"):                           "no such file",
		l.Path():                                                "in use",
	} {
		_, err := CheckFile(t.Context(), path)
		if err == nil || !strings.Contains(err.Error(), want) || CheckCopy(path) == nil {
			t.Errorf("%s: %v", path, err)
		}
		if missing := strings.HasSuffix(path, "missing"); missing != errors.Is(err, fs.ErrNotExist) || (path == l.Path()) != errors.Is(err, ErrInUse) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "empty")); err != nil || info.Size() != 0 {
		t.Errorf("the check has written to a file: %v %v", info, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := CheckFile(ctx, file); !errors.Is(err, context.Canceled) {
		t.Errorf("a check went on without its caller: %v", err)
	}
}
