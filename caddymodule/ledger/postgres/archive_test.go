// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/archive"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// oldOrder is an order of some month whose payment the shop has accepted, or not.
func oldOrder(t *testing.T, l *Ledger, i int, at time.Time, accepted bool) trade.Key {
	t.Helper()
	k := numbered(i)
	if _, err := l.Attempt(t.Context(), k, terms(at)); err != nil {
		t.Fatal(err)
	}
	e := notice(k)
	e.ReceivedAt, e.PaidAt = at.Add(time.Minute), at
	record(t, l, e)
	if accepted {
		if err := l.Accept(t.Context(), k, 1, at.Add(2*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	l.settleMarks(t.Context())
	return k
}

func partsOf(t *testing.T, l *Ledger) []string {
	t.Helper()
	parts, err := rows(t.Context(), l, "looking", pgx.RowTo[string], sqlParts, l.schema.name)
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// TestArchiveDropsMonths: a month's parts go with its last order, and come back if an
// order of that month is made after all, through another process too.
func TestArchiveDropsMonths(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	other := openAt(t, d.dsn())
	defer other.Close()
	march, april := time.Date(2024, 3, 10, 0, 0, 0, 0, time.UTC), time.Date(2024, 4, 10, 0, 0, 0, 0, time.UTC)
	oldOrder(t, other, 0, march, true)
	oldOrder(t, d.ledger, 1, march, true)
	stays := oldOrder(t, d.ledger, 2, april, false)
	oldOrder(t, d.ledger, 3, april, true)
	pass := archive.Pass{Store: d.ledger, Folder: t.TempDir(), Before: april.AddDate(0, 2, 0), Owner: "one", Now: time.Now}
	r, err := pass.Run(t.Context())
	if err != nil || r.Archived != 3 || len(r.Files) != 2 || r.Kept[ledger.KeepsUndelivered] != 1 {
		t.Fatalf("%+v: %v", r, err)
	}
	if parts := partsOf(t, d.ledger); slices.Contains(parts, "evidence_2024_03") || !slices.Contains(parts, "evidence_2024_04") {
		t.Errorf("the parts are %q", parts)
	}
	if list, err := d.ledger.Undelivered(t.Context(), stays); err != nil || len(list) != 1 || len(list[0].Original) == 0 {
		t.Errorf("what stays: %+v, %v", list, err)
	}
	oldOrder(t, other, 4, march, true)
	if r, err = pass.Run(t.Context()); err != nil || r.Archived != 1 {
		t.Errorf("%+v: %v", r, err)
	}
}

// TestArchiveAmongProcesses: of several processes one archives at a time, while others
// record; each order is in the ledger or in a file, and each statement is somewhere.
func TestArchiveAmongProcesses(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	other := openAt(t, d.dsn())
	defer other.Close()
	at := time.Date(2024, 3, 10, 0, 0, 0, 0, time.UTC)
	const orders = 120
	for i := range orders {
		oldOrder(t, d.ledger, i, at.Add(time.Duration(i)*time.Second), true)
	}
	folder := t.TempDir()
	var work sync.WaitGroup
	var reports [2]archive.Report
	for i, l := range []*Ledger{d.ledger, other} {
		work.Go(func() {
			p := archive.Pass{Store: l, Folder: folder, Before: at.AddDate(0, 2, 0), Owner: fmt.Sprint(i), Now: time.Now}
			var err error
			if reports[i], err = p.Run(context.Background()); err != nil && !errors.Is(err, archive.ErrElsewhere) {
				t.Error(err)
			}
		})
	}
	held := 0
	for i := range orders / 2 { // a refund of every second order
		if out := record(t, other, refundNotice(numbered(2*i), 100)); out.Held != nil {
			held++
		} else if len(out.Events) != 1 {
			t.Errorf("a refund: %+v", out)
		}
	}
	work.Wait()
	living := 0
	for i := range orders {
		if _, err := d.ledger.Order(t.Context(), numbered(i)); err == nil {
			living++
		} else if !errors.Is(err, ledger.ErrNotFound) {
			t.Fatal(err)
		}
	}
	archived := reports[0].Archived + reports[1].Archived
	if archived+living != orders || held+living < orders/2 {
		t.Errorf("%d archived, %d living, %d held", archived, living, held)
	}
	totals, err := d.ledger.Totals(t.Context(), testApp)
	if err != nil || totals.Paid != orders*8888 || totals.Paid != totals.Accepted+totals.Undelivered || totals.Refunded != totals.RefundedTold {
		t.Errorf("%+v: %v", totals, err)
	}
	if totals.Refunded != trade.Amount(orders/2-held)*100 {
		t.Errorf("%s refunded, and %d held", totals.Refunded, held)
	}
}
