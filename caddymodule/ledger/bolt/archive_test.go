// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/archive"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// TestArchiveFrees: the evidence of archived orders is deleted but for its last chunk
// and those that it shares with orders that stay, pages are used again, and a check of
// the file finds its sums right.
func TestArchiveFrees(t *testing.T) {
	t.Parallel()
	const orders = 500
	path := filepath.Join(t.TempDir(), "alipay.db")
	o := newOpened(t, path)
	at := time.Date(2024, 3, 14, 10, 0, 0, 0, trade.Zone)
	fill := func(from, to int) {
		for i := from; i < to; i++ {
			paidOrder(t, o.ledger, i, at.Add(time.Duration(i)*time.Second), i%100 != 7)
		}
		if err := o.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		o.open(t)
	}
	fill(0, orders)
	before := chunksOf(t, o.ledger)
	pass := archive.Pass{Store: o.ledger, Folder: t.TempDir(), Before: at.AddDate(0, 1, 0), Owner: "one", Now: time.Now}
	r, err := pass.Run(t.Context())
	if err != nil || r.Archived != orders*99/100 {
		t.Fatalf("%+v: %v", r, err)
	}
	// each order that stays holds at most two chunks
	if after := chunksOf(t, o.ledger); after > 2*orders/100+1 || before < orders/2 {
		t.Errorf("%d chunks of evidence before, %d after", before, after)
	}
	size := func() (n int64) {
		if err := o.ledger.db.View(func(tx *bbolt.Tx) error { n = tx.Size(); return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	was := size()
	fill(orders, 2*orders)
	if now := size(); now > was+was/4 {
		t.Errorf("the file has grown from %d to %d bytes: free pages are not used again", was, now)
	}
	if err := o.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	if faults, err := CheckFile(t.Context(), path); err != nil || len(faults) > 0 {
		t.Errorf("faults %q: %v", faults, err)
	}
	o.open(t)
}

// paidOrder is an order whose payment the shop has accepted, or not.
func paidOrder(t *testing.T, l *Ledger, i int, at time.Time, accepted bool) {
	t.Helper()
	k := trade.Key{AppID: "2021000000000001", OutTradeNo: fmt.Sprint("A", i)}
	if _, err := l.Attempt(t.Context(), k, trade.Attempt{Total: 100, PublicURL: "https://shop.example", At: at}); err != nil {
		t.Fatal(err)
	}
	e := trade.Evidence{
		Source: trade.SourceNotify, AppID: k.AppID, OutTradeNo: k.OutTradeNo, TradeNo: fmt.Sprint("20240314", i),
		Status: trade.StatusSuccess, Total: 100, ReceivedAt: at.Add(time.Minute), PaidAt: at, Raw: make([]byte, 1400),
	}
	if _, err := l.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if !accepted {
		return
	}
	if err := l.Accept(t.Context(), k, 1, at.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
}

func chunksOf(t *testing.T, l *Ledger) (n int) {
	t.Helper()
	if err := l.db.View(func(tx *bbolt.Tx) error {
		n = tx.Bucket(bucketEvidence).Stats().KeyN
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRemoveWithinGroup: calls of the group that deletes an order see it before, and
// no order after; and what a call before has changed is not deleted.
func TestRemoveWithinGroup(t *testing.T) {
	t.Parallel()
	o := newOpened(t, filepath.Join(t.TempDir(), "alipay.db"))
	at := time.Date(2024, 3, 14, 10, 0, 0, 0, trade.Zone)
	var list []ledger.Exported
	for i := range 2 {
		paidOrder(t, o.ledger, i, at, true)
	}
	if err := o.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	o.open(t)
	l := o.ledger
	key := func(i int) trade.Key { return trade.Key{AppID: "2021000000000001", OutTradeNo: fmt.Sprint("A", i)} }
	for i := range 2 {
		w, err := l.Whole(t.Context(), key(i))
		if err != nil {
			t.Fatal(err)
		}
		line, err := w.Line()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, ledger.Exported{Key: key(i), Digest: sha256.Sum256(line)})
	}
	statement := func(i int) *trade.Evidence {
		return &trade.Evidence{
			Source: trade.SourceNotify, AppID: key(i).AppID, OutTradeNo: key(i).OutTradeNo, TradeNo: fmt.Sprint("20240314", i),
			Status: trade.StatusFinished, Total: 100, ReceivedAt: at.Add(time.Hour), PaidAt: at, Raw: []byte("finished"),
		}
	}
	var removed int
	var out ledger.Outcome
	calls := make([]*call, 0, 4)
	for _, run := range []func(*group) error{
		func(g *group) error { _, err := g.record(statement(0)); return err },
		func(g *group) (err error) { removed, err = g.remove(list); return err },
		func(g *group) (err error) { out, err = g.record(statement(1)); return err },
		func(g *group) error {
			_, err := g.attempt(key(1), trade.Attempt{Total: 7, PublicURL: "https://shop.example", At: at})
			return err
		},
	} {
		calls = append(calls, &call{ctx: t.Context(), run: run, done: make(chan struct{})})
	}
	l.commitGroup(calls)
	for i, c := range calls {
		if <-c.done; c.err != nil {
			t.Errorf("call %d: %v", i, c.err)
		}
	}
	if removed != 1 || out.Held == nil || out.Held.Reason != trade.ReasonUnknownOrder {
		t.Errorf("%d removed, then %+v", removed, out)
	}
	for i, total := range []trade.Amount{100, 7} {
		if r, err := l.Order(t.Context(), key(i)); err != nil || r.Total != 0 && r.Total != total || r.Latest().Total != total {
			t.Errorf("order %d: %+v, %v", i, r, err)
		}
	}
}
