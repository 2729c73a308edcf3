// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"errors"
	"sync"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// TestCommitsAreObserved: one telling for each commit, with all who took part,
// and none for what cost no commit.
func TestCommitsAreObserved(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	l.attempted(t, "A", "B", "C") // nobody is told
	var mu sync.Mutex
	var seen []ledger.Commit
	l.Observe(func(ledger.Commit) { t.Error("who was replaced is told") })
	l.Observe(func(c ledger.Commit) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, c)
	})
	calls := make([]*call, 0, 3)
	for _, number := range []string{"A", "B", "C"} {
		calls = append(calls, &call{ctx: t.Context(), done: make(chan struct{}), run: func(g *group) error {
			e := testPaid(number)
			_, err := g.record(&e)
			return err
		}})
	}
	l.commitGroup(calls)
	if _, err := l.Record(t.Context(), testPaid("A")); err != nil { // a repeat
		t.Fatal(err)
	}
	full := errors.New("no space left")
	l.onCommit(func(func() error) error { return full })
	if _, err := l.Record(t.Context(), testPaid("none")); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatal(err)
	}
	l.onCommit(nil)
	if err := l.Accept(t.Context(), trade.Key{AppID: benchApp, OutTradeNo: "A"}, 1, testTime); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil { // commits what was accepted
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 3 || seen[0].Calls != 3 || seen[0].Err != nil || seen[0].Took <= 0 ||
		seen[1].Calls != 1 || !errors.Is(seen[1].Err, full) || seen[2].Calls != 0 || seen[2].Err != nil {
		t.Errorf("told of %+v", seen)
	}
}
