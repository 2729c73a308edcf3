// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/archive"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// stopped is a ledger in whose passes a test stands.
type stopped struct {
	archive.Store
	leases chan string
}

func (s stopped) LeaseArchive(ctx context.Context, owner string, now, until time.Time) (bool, error) {
	if until.After(now) {
		s.leases <- owner
	}
	return s.Store.LeaseArchive(ctx, owner, now, until)
}

// TestSettings: the newest configuration's setting counts; one that is taken back, as
// that of a configuration that fails to start, leaves the one before.
func TestSettings(t *testing.T) {
	t.Parallel()
	l, err := bolt.Open(filepath.Join(t.TempDir(), "alipay.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	k := trade.Key{AppID: "2021000000000001", OutTradeNo: "OLD"}
	old := time.Now().AddDate(-3, 0, 0)
	if _, err := l.Attempt(t.Context(), k, trade.Attempt{Total: 1, PublicURL: "https://shop.example", At: old}); err != nil {
		t.Fatal(err)
	}
	setting := func() *archive.Setting {
		s := &archive.Setting{Folder: t.TempDir(), Before: time.Now().AddDate(-2, 0, 0).Format(time.DateOnly)}
		if err := s.Provision(time.Now()); err != nil {
			t.Fatal(err)
		}
		return s
	}
	ended := make(chan archive.Outcome, 10)
	w := archive.Watcher{Logger: zap.NewNop(), Archived: func(int) {}, Ended: func(o archive.Outcome, _ time.Time) { ended <- o }}
	leases := make(chan string, 100)
	a := archive.New(stopped{l, leases})
	defer a.Close()
	a.AtOnce()
	pass := func(want bool) {
		t.Helper()
		if !want {
			if len(ended) > 0 || len(leases) > 0 {
				t.Fatal("there was another pass")
			}
			return
		}
		if o := <-ended; o != archive.Finished {
			t.Fatal(o)
		}
		for len(leases) > 0 {
			<-leases
		}
	}
	first := setting()
	a.Add(nil, w)()
	pass(false)
	removeFirst := a.Add(first, w)
	pass(true)
	same := *first
	a.Add(&same, w)() // a reload that changes nothing, and is taken back
	pass(false)
	removeSecond := a.Add(setting(), w)
	pass(true)
	removeSecond()
	pass(true) // the first counts again
	removeFirst()
	pass(false)
	if _, err := l.Order(t.Context(), k); err != nil {
		t.Errorf("an unfinished order: %v", err)
	}
}
