// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// version1 is a file that the program of format 1 has written: an order in each
// state, events accepted, refused and not told yet, and two held items.
func version1(t *testing.T) (path string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "version1.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "version1.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFormat1IsReadRight(t *testing.T) {
	t.Parallel()
	path := version1(t)
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		mustClose(t, l)
		checkFile(t, path)
	}()
	oldest := testTime
	want := ledger.Totals{
		Paid: 4 * 8888, Accepted: 2 * 8888, Undelivered: 2 * 8888, Refunded: 300, RefundedTold: 300,
		UndeliveredEvents: 4, UndeliveredSince: oldest.UTC(), HeldItems: 2, HeldSince: oldest.UTC(), HeldPaid: 2 * 8888,
	}
	if got, err := l.Totals(t.Context(), benchApp); err != nil || got != want {
		t.Errorf("%v: totals\n got %+v\nwant %+v", err, got, want)
	}
	h, err := l.History(t.Context(), testKey("REFUNDED"))
	if err != nil || len(h.Events) != 3 || len(h.Evidence) != 3 || len(h.Tellings) != 0 || h.Order.Accepted != 2 {
		t.Errorf("%v: history %+v", err, h)
	}
	refused, err := l.History(t.Context(), testKey("REFUSED"))
	if err != nil || len(refused.Tellings) != 1 || refused.Tellings[0].Refusals != 1 {
		t.Errorf("%v: history %+v", err, refused)
	}
	if twice, err := l.History(t.Context(), testKey("TWICE")); err != nil || len(twice.Held) != 1 || !twice.Order.Contradicted {
		t.Errorf("%v: history %+v", err, twice)
	}
	acceptWhatFormat1Owes(t, l)
}

// acceptWhatFormat1Owes: with old records as with new ones everything goes on.
func acceptWhatFormat1Owes(t *testing.T, l *Ledger) {
	t.Helper()
	accepted := testTime.Add(100 * time.Hour)
	if err := l.Accept(t.Context(), testKey("REFUSED"), 1, accepted); err != nil {
		t.Fatal(err)
	}
	unknown := testPaid("UNKNOWN")
	unknown.TradeNo = "20260314220014684505125UNKNOWN"
	d := trade.Decision{Word: trade.DecideAccept, At: accepted, PublicURL: "https://shop.example.com"}
	r, err := l.Decide(t.Context(), unknown.Digest(), d)
	if err != nil || len(r.Events) != 1 || !r.News {
		t.Fatalf("%v: %+v", err, r)
	}
	if _, err := l.Change(t.Context(), testKey("PAID"), func(o *trade.Order) (bool, error) {
		return o.Intend(trade.RefundIntent{RequestNo: "R", Amount: 5, At: accepted})
	}); err != nil {
		t.Fatal(err)
	}
	h, err := l.History(t.Context(), testKey("REFUSED"))
	want := ledger.Telling{ // format 1 kept no reasons
		Sequence: 1, AcceptedAt: accepted.UTC(), Refusals: 1, RefusedSince: testTime.Add(time.Minute).UTC(),
	}
	if err != nil || len(h.Tellings) != 1 || h.Tellings[0] != want {
		t.Errorf("%v: tellings %+v, want %+v", err, h.Tellings, want)
	}
	got, err := l.Totals(t.Context(), benchApp)
	if err != nil || got.Paid != 5*8888 || got.Accepted != 3*8888 || got.Undelivered != 2*8888 || got.HeldItems != 1 || got.Unknown != 1 {
		t.Errorf("%v: totals %+v", err, got)
	}
}

// TestUpgradeIsOneTransaction: a file whose upgrade fails stays as it was.
func TestUpgradeIsOneTransaction(t *testing.T) {
	t.Parallel()
	path := version1(t)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	var first, good []byte
	err = db.Update(func(tx *bbolt.Tx) error {
		k, v := tx.Bucket(bucketOrders).Cursor().Last()
		first, good = bytes.Clone(k), bytes.Clone(v)
		return tx.Bucket(bucketOrders).Put(first, []byte{0x80})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err := Open(path, Options{}); err == nil {
		t.Errorf("a damaged file was brought up to date")
		mustClose(t, l)
	}
	if db, err = bbolt.Open(path, 0o600, nil); err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range bucketsSince2 {
			if tx.Bucket(name) != nil {
				t.Errorf("it has %s already", name)
			}
		}
		return tx.Bucket(bucketOrders).Put(first, good)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	checkFile(t, path)
}
