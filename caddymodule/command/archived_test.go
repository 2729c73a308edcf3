// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/archive"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// archivedFile is the archive of a ledger with one paid order, A1.
func archivedFile(t *testing.T, dir string) string {
	t.Helper()
	l, err := bolt.Open(filepath.Join(dir, "alipay.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k, at := trade.Key{AppID: "2021000000000001", OutTradeNo: "A1"}, time.Date(2024, 3, 14, 10, 0, 0, 0, trade.Zone)
	_, err1 := l.Attempt(t.Context(), k, trade.Attempt{Total: 8888, PublicURL: "https://shop.example", At: at})
	_, err2 := l.Record(t.Context(), trade.Evidence{
		Source: trade.SourceNotify, AppID: k.AppID, OutTradeNo: "A1", TradeNo: "2024031422001", Status: trade.StatusSuccess,
		Total: 8888, ReceivedAt: at, PaidAt: at, Raw: []byte("the notice"),
	})
	if err := errors.Join(err1, err2, l.Accept(t.Context(), k, 1, at), l.Close()); err != nil {
		t.Fatal(err)
	}
	if l, err = bolt.Open(filepath.Join(dir, "alipay.db"), bolt.Options{}); err != nil {
		t.Fatal(err)
	}
	r, err := archive.Pass{Store: l, Folder: dir, Before: at.AddDate(0, 1, 0), Owner: "one", Now: time.Now}.Run(t.Context())
	if err = errors.Join(err, l.Close()); err != nil || len(r.Files) != 1 {
		t.Fatalf("%+v: %v", r, err)
	}
	return filepath.Join(dir, r.Files[0])
}

func TestArchived(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := archivedFile(t, dir)
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{file}, 0, `"out_trade_no":"A1"`},
		{[]string{file}, 0, `"paid":"88.88"`},
		{[]string{file, "--text"}, 0, "1 orders, 88.88 paid, 0.00 refunded"},
		{[]string{file, "A1"}, 0, "dGhlIG5vdGljZQ=="}, // the notice, in base64
		{[]string{file, "A2"}, exitNotFound, "holds no order A2"},
		{[]string{filepath.Join(dir, "none")}, exitNotFound, "there is no file"},
	} {
		r := piped(t, dir, "C", append([]string{"ledger", "archived"}, tt.args...)...)
		if r.code != tt.code || !strings.Contains(r.stdout+r.stderr, tt.want) {
			t.Errorf("%q: %+v", tt.args, r)
		}
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, data[:len(data)-9], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r := piped(t, dir, "C", "ledger", "archived", file); r.code != exitRefused || !strings.Contains(r.stderr, "damaged") {
		t.Errorf("cut: %+v", r)
	}
}
