// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// listed reads a listing and says how many pages it took.
func listed(t *testing.T, l *Ledger, q ledger.OrderQuery) (numbers []string, pages int) {
	t.Helper()
	for {
		page, err := l.Orders(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for i := range page.Orders {
			numbers = append(numbers, page.Orders[i].OutTradeNo)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return numbers, pages
		}
	}
}

// TestScanIsBounded: a filter that finds little gives short pages, and misses
// nothing.
func TestScanIsBounded(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	l.maxScan = 4
	for i := range 20 {
		k := testKey(fmt.Sprintf("A%02d", i))
		if i == 7 || i == 19 {
			k.AppID = "rare"
		}
		if _, err := l.Attempt(t.Context(), k, benchAttempt(testTime)); err != nil {
			t.Fatal(err)
		}
	}
	numbers, pages := listed(t, l.Ledger, ledger.OrderQuery{AppID: "rare"})
	if fmt.Sprint(numbers) != "[A07 A19]" || pages != 5 {
		t.Errorf("%v in %d pages", numbers, pages)
	}
	if numbers, _ := listed(t, l.Ledger, ledger.OrderQuery{}); len(numbers) != 20 {
		t.Errorf("all: %v", numbers)
	}
}

// TestClockJumps: a clock that is set forth and back changes no id's order, and
// hides no order from a listing by time.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	offsets := []time.Duration{0, time.Hour, -time.Hour, time.Second, -24 * time.Hour, 2 * time.Hour, 0}
	var all []string
	for i, offset := range offsets {
		number := fmt.Sprintf("A%d", i)
		if _, err := l.Attempt(t.Context(), testKey(number), benchAttempt(testTime.Add(offset))); err != nil {
			t.Fatal(err)
		}
		all = append(all, number)
	}
	if _, err := l.Attempt(t.Context(), testKey("no time"), benchAttempt(time.Time{})); err != nil {
		t.Fatal(err)
	}
	all = append(all, "no time")
	if numbers, _ := listed(t, l.Ledger, ledger.OrderQuery{Limit: 2}); fmt.Sprint(numbers) != fmt.Sprint(all) {
		t.Errorf("all: %v", numbers)
	}
	none := trade.StatusNone
	for _, since := range offsets {
		var want []string
		for i, offset := range offsets {
			if offset >= since {
				want = append(want, all[i])
			}
		}
		for _, q := range []ledger.OrderQuery{{Limit: 2}, {Limit: 2, Status: &none}} {
			q.Since = testTime.Add(since)
			if numbers, _ := listed(t, l.Ledger, q); fmt.Sprint(numbers) != fmt.Sprint(want) {
				t.Errorf("since %s: %v, want %v", since, numbers, want)
			}
		}
	}
}

func TestPublicIDs(t *testing.T) {
	t.Parallel()
	salt, other := []byte{1, 2, 3, 0xab}, []byte{1, 2, 3, 0xac}
	s := public(eventPrefix, 0xfedcba9876543210, salt)
	if s != "evt_fedcba9876543210010203ab" {
		t.Errorf("an event's id is %s", s)
	}
	if id, ok := parsePublic(eventPrefix, s, salt); !ok || id != 0xfedcba9876543210 {
		t.Errorf("it is read as %x, %v", id, ok)
	}
	for _, bad := range []string{"", "evt_", s[1:], s + "0", "evt_FEDCBA9876543210010203AB", "evt_fedcba987654321g010203ab"} {
		if _, ok := parsePublic(eventPrefix, bad, salt); ok {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, ok := parsePublic(eventPrefix, s, other); ok {
		t.Error("another ledger's id is taken")
	}
	if _, ok := parsePublic(orderCursor, s, salt); ok {
		t.Error("an event's id is taken for a cursor")
	}
}
