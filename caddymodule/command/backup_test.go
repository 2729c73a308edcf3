// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// ledgerFile is a sound ledger with an order.
func ledgerFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "alipay.db")
	l, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Attempt(t.Context(), trade.Key{AppID: "2021000000000001", OutTradeNo: "TEA-1"}, trade.Attempt{
		Total: 100, PublicURL: "https://shop.example.com", Channel: "page", At: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestBackup(t *testing.T) {
	t.Parallel()
	whole := read(t, ledgerFile(t))
	s := newFakeServer(t)
	s.on("GET /alipay/backup", http.StatusOK, whole)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "copy.db"), []byte("older"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := piped(t, dir, "C", "backup", "--output", "copy.db", s.address())
	if r.code != 0 || r.stdout != `{"file":"copy.db","bytes":`+strconv.Itoa(len(whole))+"}\n" || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	file := filepath.Join(dir, "copy.db")
	if mode(t, file) != 0o600 || read(t, file) != whole {
		t.Error("the copy is another one")
	}
	if r := piped(t, dir, "C", "backup", "--output", "-", s.address()); r.code != 0 || r.stdout != whole {
		t.Errorf("to stdout: %d, %d bytes, %s", r.code, len(r.stdout), r.stderr)
	}
	if r := onTerminal(t, dir, "zh_CN", "backup", "-o", "b.db", s.address()); r.code != 0 || r.stdout != "已保存 b.db，"+strconv.Itoa(len(whole))+" 字节。\n" {
		t.Errorf("%+v", r)
	}
	// the copy is a ledger for everybody else, too
	if r := piped(t, dir, "C", "ledger", "check", "copy.db"); r.code != 0 || r.stdout != `{"file":"copy.db","faults":[]}`+"\n" {
		t.Errorf("%+v", r)
	}
}

// TestBackupIsWholeOrNothing: half a copy, or something else than a ledger, never
// gets the name of one, and an older copy stays.
func TestBackupIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	whole := read(t, ledgerFile(t))
	dir := t.TempDir()
	file := filepath.Join(dir, "copy.db")
	if err := os.WriteFile(file, []byte("older"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newFakeServer(t)
	for name, a := range map[string]fakeAnswer{
		"cut":    {status: http.StatusOK, body: whole[:len(whole)/2], length: strconv.Itoa(len(whole))},
		"short":  {status: http.StatusOK, body: whole[:len(whole)-16<<10]},
		"other":  {status: http.StatusOK, body: "<html>hello"},
		"no":     {status: http.StatusNotImplemented, body: `{"error":"use the database's own means"}`},
		"absent": {status: http.StatusNotFound, body: `404 page not found`},
	} {
		s.mu.Lock()
		s.answers["GET /alipay/backup"] = a
		s.mu.Unlock()
		r := piped(t, dir, "C", "backup", "--output", "copy.db", s.address())
		if r.code == 0 || r.stdout != "" || r.stderr == "" || read(t, file) != "older" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".copy*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if r := piped(t, dir, "C", "backup", s.address()); r.code != exitUsage {
		t.Errorf("without --output: %+v", r)
	}
}

func TestLedgerCheck(t *testing.T) {
	t.Parallel()
	file := ledgerFile(t)
	dir := t.TempDir()
	if r := onTerminal(t, dir, "zh_CN.UTF-8", "ledger", "check", file); r.code != 0 || r.stdout != file+" 完好。\n" {
		t.Errorf("%+v", r)
	}
	data := []byte(read(t, file))
	// a page within the file is not what it says
	i := bytes.LastIndex(data, []byte("TEA-1"))
	page := i / (16 << 10) * (16 << 10)
	copy(data[page:], bytes.Repeat([]byte{0xff}, 64))
	broken := filepath.Join(dir, "broken.db")
	if err := os.WriteFile(broken, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := piped(t, dir, "C", "ledger", "check", broken); r.code != exitRefused || r.stderr == "" {
		t.Errorf("%+v", r)
	}
	if r := piped(t, dir, "C", "ledger", "check", filepath.Join(dir, "none.db")); r.code != exitNotFound {
		t.Errorf("%+v", r)
	}
	l, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := piped(t, dir, "C", "ledger", "check", file); r.code != exitUnavailable || !strings.Contains(r.stderr, "backup --output") {
		t.Errorf("in use: %+v", r)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestProgress draws at most ten times a second, and nothing for short work.
func TestProgress(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	now := time.Unix(0, 0)
	p := &progress{out: &b, now: func() time.Time { return now }, unit: "bytes", total: 200, shown: now}
	p.add(10)
	if b.Len() > 0 {
		t.Errorf("drawn at once: %q", b.String())
	}
	now = now.Add(drawEvery)
	p.add(90)
	p.add(1)
	want := "\r\x1b[K[" + strings.Repeat("=", 15) + strings.Repeat(" ", 15) + "]  50%  100/200 bytes"
	if b.String() != want {
		t.Errorf("drawn: %q, want %q", b.String(), want)
	}
	now = now.Add(drawEvery)
	p.add(500) // more than was announced
	if !strings.HasSuffix(b.String(), "100%  601/200 bytes") {
		t.Errorf("drawn: %q", b.String())
	}
	p.done()
	if !strings.HasSuffix(b.String(), "\r\x1b[K") {
		t.Error("the line stays")
	}
	b.Reset()
	p = &progress{out: &b, now: func() time.Time { return now }, unit: "个"}
	p.add(7)
	if b.String() != "\r\x1b[K7 个" {
		t.Errorf("without a total: %q", b.String())
	}
	silent := &progress{now: func() time.Time { return now }}
	silent.add(1)
	silent.done()
}
