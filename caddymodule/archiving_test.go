// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/archive"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// keepOld puts a paid order of two years ago into the world's ledger, which is closed,
// with its event accepted by the shop.
func (w *world) keepOld(number string) trade.Key {
	w.t.Helper()
	k := trade.Key{AppID: w.Gateway.AppID, OutTradeNo: number}
	at := time.Now().AddDate(-2, 0, 0)
	l := must(bolt.Open(w.path("alipay.db"), bolt.Options{}))
	must(l.Attempt(w.t.Context(), k, trade.Attempt{Total: 100, PublicURL: w.URL, At: at}))
	must(l.Record(w.t.Context(), trade.Evidence{
		Source: trade.SourceNotify, AppID: k.AppID, OutTradeNo: number, TradeNo: "2024031422001",
		Status: trade.StatusSuccess, Total: 100, ReceivedAt: at, PaidAt: at, Raw: []byte("notice"),
	}))
	if err := errors.Join(l.Accept(w.t.Context(), k, 1, at), l.Close()); err != nil {
		w.t.Fatal(err)
	}
	return k
}

// withArchive is the world's configuration with an archive before a day.
func (w *world) withArchive(day time.Time) string {
	option := w.path("alipay.db") + " {\n archive " + w.path("old") + " before " + day.Format(time.DateOnly) + "\n}\n"
	return strings.Replace(w.caddyfile(), w.path("alipay.db"), option, 1)
}

func (w *world) archives() []string {
	w.t.Helper()
	return must(filepath.Glob(w.path("old/*.jsonl.gz")))
}

// halt ends Caddy, and so closes the ledger.
func halt(t *testing.T) {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
}

// TestArchiving: a configuration that is loaded archives; one that is refused, or that
// fails to start, does not, and what was before goes on.
func TestArchiving(t *testing.T) {
	w := newWorld(t, scraped)
	halt(t)
	k := w.keepOld("OLD1")
	w.reload()

	err := load(w.withArchive(time.Now().AddDate(0, 0, -300)))
	if err == nil || !strings.Contains(err.Error(), "less than 400 days ago") {
		t.Errorf("300 days ago: %v", err)
	}
	day := time.Now().AddDate(0, 0, -500)
	taken := must(net.Listen("tcp", "127.0.0.1:0"))
	defer taken.Close()
	w.more = "http://" + taken.Addr().String() + " {\n\trespond ok\n}\n"
	if err := load(w.withArchive(day)); err == nil {
		t.Error("a configuration was loaded that cannot start")
	}
	w.more = ""
	if files := w.archives(); len(files) > 0 {
		t.Fatalf("a configuration that was refused has archived %q", files)
	}
	if err := load(w.withArchive(day)); err != nil {
		t.Fatal(err)
	}
	until(t, "the order is archived", func() bool {
		return strings.Contains(w.get("/metrics").Body, `caddy_alipay_archive_runs_total{ledger="bolt",outcome="finished"} `) &&
			!strings.Contains(w.get("/metrics").Body, `caddy_alipay_archived_orders_total{ledger="bolt"} 0`)
	})
	files := w.archives()
	if len(files) != 1 {
		t.Fatalf("the files are %q", files)
	}
	if err := load(w.withArchive(day)); err != nil { // a reload
		t.Fatal(err)
	}
	w.buy("NEW1", "1.00")
	w.wantNotify(w.notice("NEW1", "1.00"), 200, "success")
	text := w.get("/metrics").Body
	for _, want := range []string{
		`caddy_alipay_paid_fen{account="default"} 200`, `caddy_alipay_accepted_fen{account="default"} 200`,
		`caddy_alipay_books_paid_difference_fen{account="default"} 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	halt(t)
	l := must(bolt.Open(w.path("alipay.db"), bolt.Options{}))
	defer l.Close()
	if _, err := l.Order(t.Context(), k); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("the archived order: %v", err)
	}
	if s, err := archive.Read(files[0], func(*ledger.Whole, []byte) error { return nil }); err != nil || s.Orders != 1 || s.PaidFen != 100 {
		t.Errorf("%+v: %v", s, err)
	}
}
