// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// summing is a ledger that only sums up.
type summing struct {
	ledger.Ledger
	totals ledger.Totals
	err    error
	asked  int
	appID  string
	took   func() // lets time pass
}

func (l *summing) Totals(ctx context.Context, appID string) (ledger.Totals, error) {
	l.asked++
	if l.took != nil {
		l.took()
	}
	l.appID = appID
	if _, bounded := ctx.Deadline(); !bounded {
		return ledger.Totals{}, errors.New("summing up is not bounded in time")
	}
	return l.totals, l.err
}

// shelf are books with a clock of the test's, in a registry as Caddy makes one.
type shelf struct {
	*books
	t        *testing.T
	now      time.Time
	registry *prometheus.Registry
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{books: newBooks(), t: t, now: time.Date(2026, 3, 14, 2, 0, 0, 0, time.UTC), registry: prometheus.NewPedanticRegistry()}
	s.books.now = func() time.Time { return s.now }
	if err := s.registry.Register(s.books); err != nil {
		t.Fatal(err)
	}
	return s
}

func hears() time.Time { return time.Time{} }

func none() []certificate { return nil }

// read are the figures of an account, by name without the prefix.
func (s *shelf) read(account string) map[string]float64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == account {
				got[f.GetName()[len("caddy_alipay_"):]] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return got
}

// TestBooks: each figure comes from the right sum, and the differences from two.
func TestBooks(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	l := &summing{totals: ledger.Totals{
		Paid: 100_000, Refunded: 3_000, RefundedTold: 2_999, Accepted: 90_000, Undelivered: 10_001,
		UndeliveredEvents: 7, DeadEvents: 2, UndeliveredSince: s.now.Add(-time.Minute),
		HeldItems: 3, HeldSince: s.now.Add(-2 * time.Hour), HeldPaid: 500, Unknown: 4,
	}}
	s.add(&book{account: "a", appID: "app", ledger: l, certificates: none, silent: func() time.Time { return time.Unix(1_700_000_000, 0) }})
	want := map[string]float64{
		"paid_fen": 100_000, "refunded_fen": 3_000, "accepted_fen": 90_000, "undelivered_fen": 10_001, "held_fen": 500,
		"books_paid_difference_fen": -1, "books_refunded_difference_fen": 1,
		"undelivered_events": 7, "dead_events": 2, "held_items": 3, "unknown_refunds": 4,
		"undelivered_age_seconds": 60, "held_age_seconds": 7200,
		"notices_silent_since_timestamp_seconds": 1_700_000_000, "totals_errors_total": 0,
	}
	if got := s.read("a"); !maps.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	if l.appID != "app" {
		t.Errorf("summed up for %q", l.appID)
	}
}

// TestBooksCost: however often anybody scrapes, the ledger sums up every few
// seconds; while it cannot, its figures are missing, never 0.
func TestBooksCost(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	l := &summing{totals: ledger.Totals{Paid: 1, Accepted: 1, UndeliveredSince: s.now}}
	s.add(&book{account: "a", ledger: l, silent: hears, certificates: none})
	for range 100 {
		s.read("a")
	}
	s.now = s.now.Add(totalsFor - 1)
	if age := s.read("a")["undelivered_age_seconds"]; l.asked != 1 || age < 4.9 {
		t.Errorf("summed up %d times; an age of %v", l.asked, age)
	}
	l.err = ledger.ErrUnavailable
	s.now = s.now.Add(1)
	for range 3 {
		if got := s.read("a"); len(got) != 2 || got["totals_errors_total"] != 1 || l.asked != 2 {
			t.Errorf("read %v, summed up %d times", got, l.asked)
		}
	}
	l.err = nil
	s.now = s.now.Add(-time.Hour) // a clock that jumps stops nothing
	if got := s.read("a"); got["paid_fen"] != 1 || l.asked != 3 || got["undelivered_age_seconds"] != 0 {
		t.Errorf("read %v, summed up %d times", got, l.asked)
	}
	l.took = func() { s.now = s.now.Add(time.Second) }
	s.now = s.now.Add(totalsFor)
	s.read("a")
	l.took = nil
	s.now = s.now.Add(totalsShare*time.Second - 1)
	if s.read("a"); l.asked != 4 {
		t.Errorf("summed up %d times", l.asked)
	}
	s.now = s.now.Add(1)
	if s.read("a"); l.asked != 5 {
		t.Errorf("summed up %d times", l.asked)
	}
}

// TestBooksOfConfigurations: the newest configuration's are shown, and the ones
// before it again if it is undone.
func TestBooksOfConfigurations(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	paid := func(account string) float64 { return s.read(account)["paid_fen"] }
	open := func(account string, fen int) func() {
		return s.add(&book{account: account, silent: hears, certificates: none, ledger: &summing{totals: ledger.Totals{Paid: trade.Amount(fen)}}})
	}
	first := open("a", 1)
	other := open("b", 10)
	second := open("a", 2)
	if paid("a") != 2 || paid("b") != 10 {
		t.Errorf("read %v and %v", paid("a"), paid("b"))
	}
	second()
	second()
	if paid("a") != 1 {
		t.Errorf("read %v", paid("a"))
	}
	third := open("a", 3)
	first()
	if paid("a") != 3 {
		t.Errorf("read %v", paid("a"))
	}
	third()
	other()
	if got := s.read("a"); len(got) != 1 { // the counter of errors goes on
		t.Errorf("read %v", got)
	}
}

// TestExpiriesAreShown: of several certificates for one option the one that ends
// first counts; an account without any shows none.
func TestExpiriesAreShown(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	first, second := s.now.Add(24*time.Hour), s.now.Add(48*time.Hour)
	s.add(&book{account: "a", ledger: &summing{}, silent: hears, certificates: func() []certificate {
		return []certificate{{"alipay_cert", second}, {"alipay_cert", first}, {"app_cert", second}}
	}})
	s.add(&book{account: "b", ledger: &summing{}, silent: hears, certificates: none})
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "caddy_alipay_certificate_expiry_timestamp_seconds" {
				got[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	if want := map[string]float64{"a alipay_cert": float64(first.Unix()), "a app_cert": float64(second.Unix())}; !maps.Equal(got, want) {
		t.Errorf("shown are %v, want %v", got, want)
	}
}
