// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package bolt

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// steps are calls of all kinds; each changes what the ledger holds.
func steps(l *Ledger) []func(t *testing.T) error {
	attempt := func(number string) func(t *testing.T) error {
		return func(t *testing.T) error {
			_, err := l.Attempt(t.Context(), testKey(number), benchAttempt(testTime))
			return err
		}
	}
	record := func(number string, change func(*trade.Evidence)) func(t *testing.T) error {
		return func(t *testing.T) error {
			e := testPaid(number)
			change(&e)
			_, err := l.Record(t.Context(), e)
			return err
		}
	}
	none := func(*trade.Evidence) {}
	return []func(t *testing.T) error{
		attempt("A"), record("A", none), attempt("B"), record("unknown", none),
		record("A", func(e *trade.Evidence) { e.Refunded, e.Raw = 100, make([]byte, 3*chunkSize) }),
		record("B", func(e *trade.Evidence) { e.Status = trade.StatusClosed }),
		record("B", none), attempt("C"), refundStep(l), decideStep(l),
		func(t *testing.T) error { return l.SetSetting(t.Context(), "key", nil, []byte("value")) },
		func(t *testing.T) error { // the mark rides with what commits next
			if err := l.Accept(t.Context(), testKey("A"), 2, testTime.Add(time.Hour)); err != nil {
				return err
			}
			return attempt("D")(t)
		},
	}
}

func refundStep(l *Ledger) func(t *testing.T) error {
	return func(t *testing.T) error {
		_, err := l.Change(t.Context(), testKey("A"), func(o *trade.Order) (bool, error) {
			return o.Intend(trade.RefundIntent{RequestNo: "R", Amount: 5, At: testTime})
		})
		return err
	}
}

// decideStep accepts what is held about an unknown order.
func decideStep(l *Ledger) func(t *testing.T) error {
	return func(t *testing.T) error {
		held, err := l.Held(t.Context(), ledger.HeldQuery{Limit: 1})
		if err != nil {
			return err
		}
		d := trade.Decision{Word: trade.DecideAccept, At: testTime, PublicURL: "https://shop.example.com"}
		_, err = l.Decide(t.Context(), held.Held[0].ID, d)
		return err
	}
}

// shown is all that a ledger shows.
func shown(t *testing.T, l *Ledger) (all []any) {
	t.Helper()
	orders, err1 := l.Orders(t.Context(), ledger.OrderQuery{})
	events, err2 := l.Events(t.Context(), "", 0)
	held, err3 := l.Held(t.Context(), ledger.HeldQuery{Decided: true})
	totals, err4 := l.Totals(t.Context(), benchApp)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	setting, err := l.Setting(t.Context(), "key")
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		t.Fatal(err)
	}
	for i := range orders.Orders {
		list, err1 := l.Undelivered(t.Context(), orders.Orders[i].Key())
		history, err2 := l.History(t.Context(), orders.Orders[i].Key())
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		all = append(all, list, history)
	}
	return append(all, orders, events, held, totals, setting)
}

// shownIn is shown of a file with these bytes, as a process finds it that starts
// after a crash. The file is checked, too.
func shownIn(t *testing.T, data []byte) []any {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crashed.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := shown(t, l)
	mustClose(t, l)
	checkFile(t, path)
	return all
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestCrashKeepsWhatWasAcknowledged: a copy of the file, taken after a call has
// returned, shows all that the ledger shows.
func TestCrashKeepsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{AcceptDelay: time.Hour})
	for i, step := range steps(l.Ledger) {
		if err := step(t); err != nil {
			t.Fatal(err)
		}
		if got, want := shownIn(t, contents(t, l.path)), shown(t, l.Ledger); !reflect.DeepEqual(got, want) {
			t.Fatalf("after step %d:\n got %+v\nwant %+v", i, got, want)
		}
	}
}

// TestPowerCut: whatever pages of a commit reach the disk, and however torn its
// last page is, the ledger shows what it showed before or what it shows after,
// and never anything between.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{AcceptDelay: time.Hour})
	random := rand.New(rand.NewPCG(2088, 1))
	for i, step := range steps(l.Ledger) {
		old, before := contents(t, l.path), shown(t, l.Ledger)
		if err := step(t); err != nil {
			t.Fatal(err)
		}
		now := contents(t, l.path)
		for range 6 {
			data := append([]byte(nil), now...)
			clear(data[len(old):]) // the file has grown before anything was written
			copy(data, old)
			for at := 2 * pageSize; at < len(now); at += pageSize {
				if random.IntN(2) == 0 {
					copy(data[at:at+pageSize], now[at:])
				}
			}
			if got := shownIn(t, data); !reflect.DeepEqual(got, before) {
				t.Fatalf("step %d, cut before the last page:\n got %+v\nwant %+v", i, got, before)
			}
			data = append(data[:0], now...)
			cut := random.IntN(pageSize) // the last page, torn at a random byte
			for meta := 0; meta < 2*pageSize; meta += pageSize {
				copy(data[meta+cut:meta+pageSize], old[meta+cut:])
			}
			if got := shownIn(t, data); !reflect.DeepEqual(got, before) && !reflect.DeepEqual(got, shown(t, l.Ledger)) {
				t.Fatalf("step %d, last page torn at %d: %+v", i, cut, got)
			}
		}
	}
}

// TestFullDisk: a disk without room gives errors and claims nothing; with room
// again, everything goes on in the same process. As root the disk is a small
// one of its own, else the store is told to refuse to grow.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Logf("no disk of its own (%v): the store's own limit stands in", err)
		fullStore(t)
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "alipay.db")
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	fill := func() {
		f, err := os.Create(filler)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	fillUp(t, l, syscall.ENOSPC, fill, func() {
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	})
	mustClose(t, l)
	checkFile(t, path)
}

func fullStore(t *testing.T) {
	l := openHooked(t, Options{})
	fillUp(t, l.Ledger, nil, func() {
		l.onCommit(func(commit func() error) error {
			l.db.MaxSize = 1
			return commit()
		})
	}, func() {
		l.onCommit(func(commit func() error) error {
			l.db.MaxSize = 0
			return commit()
		})
	})
}

// fillUp records payments until the disk is full, and again when it has room.
func fillUp(t *testing.T, l *Ledger, cause error, fill, free func()) {
	t.Helper()
	pay := func(i int) error {
		number := fmt.Sprintf("A%d", i)
		if _, err := l.Attempt(t.Context(), testKey(number), benchAttempt(testTime)); err != nil {
			return err
		}
		_, err := l.Record(t.Context(), testPaid(number))
		return err
	}
	paid := 0
	for ; paid < 20; paid++ {
		if err := pay(paid); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	var err error
	for ; err == nil; paid++ {
		if err = pay(paid); err != nil {
			break
		}
	}
	if !errors.Is(err, ledger.ErrUnavailable) || cause != nil && !errors.Is(err, cause) {
		t.Fatalf("on a full disk: %v", err)
	}
	for i := range paid {
		if o, err := l.Order(t.Context(), testKey(fmt.Sprintf("A%d", i))); err != nil || !o.Paid {
			t.Fatalf("order %d on a full disk: %+v, %v", i, o, err)
		}
		if out, err := l.Record(t.Context(), testPaid(fmt.Sprintf("A%d", i))); err != nil || !out.Repeat {
			t.Fatalf("a repeat on a full disk: %+v, %v", out, err)
		}
	}
	if err := pay(paid); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("on a full disk, once more: %v", err)
	}
	free()
	if err := pay(paid); err != nil {
		t.Fatalf("with room again: %v", err)
	}
}
