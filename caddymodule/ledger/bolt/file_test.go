// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// mustClose closes a ledger that a test is done with.
func mustClose(t *testing.T, l *Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "made", "on demand", "alipay.db")
	var warned []string
	o := Options{Warn: func(message string) { warned = append(warned, message) }}
	l, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700, filepath.Dir(filepath.Dir(path)): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has the mode %v, want %v", name, info.Mode().Perm(), want)
		}
	}
	if len(warned) > 0 {
		t.Errorf("warned %q of a private file", warned)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(path, o); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || len(warned) != 1 {
		t.Errorf("a readable file: mode %v, warned %q", info.Mode().Perm(), warned)
	}
}

// TestFileInUse: the error comes soon, names file and holder, and says what to
// do; `caddy validate` beside a running server meets it.
func TestFileInUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "alipay.db")
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, l)
	_, err = Open(path, Options{LockTimeout: time.Millisecond})
	if err == nil {
		t.Fatal("the file was opened twice")
	}
	want := []string{path, "in use", "caddy reload"}
	if locks, err := os.ReadFile("/proc/locks"); err == nil && strings.Contains(string(locks), "FLOCK") {
		want = append(want, fmt.Sprintf("by process %d", os.Getpid()))
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestOtherFiles(t *testing.T) {
	t.Parallel()
	made := func(t *testing.T, change func(tx *bbolt.Tx) error) string {
		path := filepath.Join(t.TempDir(), "alipay.db")
		l, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		mustClose(t, l)
		return changed(t, path, change)
	}
	tests := []struct {
		name string
		path func(t *testing.T) string
		want string
	}{
		{"a folder", func(t *testing.T) string { return t.TempDir() }, "not a file"},
		{"a text", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "notes.txt")
			if err := os.WriteFile(path, []byte(strings.Repeat("not a ledger\n", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}, "no ledger"},
		{"another program's database", func(t *testing.T) string {
			return changed(t, filepath.Join(t.TempDir(), "other.db"), func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucket([]byte("acme"))
				return err
			})
		}, "other program's"},
		{"a meta of its own", func(t *testing.T) string {
			return changed(t, filepath.Join(t.TempDir(), "other.db"), func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucket(bucketMeta)
				return err
			})
		}, "other program's"},
		{"a newer format", func(t *testing.T) string {
			return made(t, func(tx *bbolt.Tx) error {
				return tx.Bucket(bucketMeta).Put(keyVersion, binary.AppendUvarint(nil, formatAlias+1))
			})
		}, "newer program"},
		{"a bucket missing", func(t *testing.T) string {
			return made(t, func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketState) })
		}, "has no state"},
		{"a name missing", func(t *testing.T) string {
			return made(t, func(tx *bbolt.Tx) error { return tx.Bucket(bucketNames).Put(idKey(2), []byte("x")) })
		}, "damaged"},
		{"a file where the folder should be", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(path, "alipay.db")
		}, "folder"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := tt.path(t)
			l, err := Open(path, Options{LockTimeout: time.Millisecond})
			if err == nil {
				mustClose(t, l)
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q does not say %q", err, tt.want)
			}
			// nothing was left locked
			if _, err := Open(path, Options{LockTimeout: time.Millisecond}); err == nil || strings.Contains(err.Error(), "in use") {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

// changed makes a change in a bbolt file, and the file if there is none.
func changed(t *testing.T, path string, change func(tx *bbolt.Tx) error) string {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(change); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCanonicalPath: one file has one path, whatever leads to it.
func TestCanonicalPath(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(dir, "real", "alipay.db")
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "real"), 0o700),
		os.Symlink("real", filepath.Join(dir, "linked")),
		os.Symlink(filepath.Join("real", "alipay.db"), filepath.Join(dir, "link.db")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(paths ...string) {
		t.Helper()
		for _, path := range paths {
			if got, err := CanonicalPath(path); err != nil || got != want {
				t.Errorf("%s leads to %s (%v), want %s", path, got, err, want)
			}
		}
	}
	paths := []string{want, dir + "/linked/alipay.db", dir + "/real/../linked/./alipay.db"}
	check(paths...)
	l, err := Open(dir+"/link.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, l)
	if l.Path() != want {
		t.Errorf("a link to a new file opens %s, want %s", l.Path(), want)
	}
	check(append(paths, dir+"/link.db")...)
}
