// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

var start = time.Date(2026, 3, 14, 2, 0, 0, 0, time.UTC)

// near allows the tenth that jitter adds or takes.
func near(got, want time.Duration) bool { return got >= want*9/10 && got <= want*11/10 }

func TestTellingSchedule(t *testing.T) {
	t.Parallel()
	var o trade.Order
	o.Sequence = 1
	at := start
	var gaps []time.Duration
	for {
		next := nextTelling(&o, at)
		if !o.Refuse(1, "it answered 500", at, next) {
			t.Fatal("the refusal was not taken")
		}
		if next.IsZero() {
			break
		}
		gaps = append(gaps, next.Sub(at))
		at = next
		if len(gaps) > 100 {
			t.Fatal("the schedule does not end")
		}
	}
	want := []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour}
	for i, w := range want {
		if !near(gaps[i], w) {
			t.Errorf("gap %d is %s, want about %s", i+1, gaps[i], w)
		}
	}
	if lived := at.Sub(start); lived > 72*time.Hour || lived < 65*time.Hour || !o.Dead() {
		t.Errorf("given up after %s, dead %v", lived, o.Dead())
	}
}

func TestAskingSchedule(t *testing.T) {
	t.Parallel()
	var o trade.Order
	o.Attempts = []trade.Attempt{{ExpiresAt: start.Add(time.Hour)}}
	at, asked := start.Add(30*time.Second), 0
	for ; asked < 100; asked++ {
		next := nextAsking(&o, at, false)
		if next.IsZero() {
			break
		}
		if !next.After(at) {
			t.Fatalf("question %d comes at %s after %s", asked, next, at)
		}
		at, o.Asked = next, o.Asked+1
	}
	if want := start.Add(time.Hour + time.Minute); !at.Equal(want) {
		t.Errorf("the last question comes at %s, want just after the expiry, %s", at, want)
	}
	if asked < 5 || asked > 12 {
		t.Errorf("%d questions in an hour", asked)
	}
	if nextAsking(&o, at, true).IsZero() {
		t.Error("an unknown result after the expiry is not asked about again")
	}
	if !nextAsking(&o, start.Add(26*time.Hour), true).IsZero() {
		t.Error("an order is asked about for ever")
	}
}
