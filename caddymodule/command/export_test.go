// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
)

// twoPages has the orders of testdata on two pages.
func twoPages(t *testing.T) *fakeServer {
	s := newFakeServer(t)
	s.file("GET /alipay/orders", "orders.json")
	s.on("GET /alipay/orders?cursor=C2&limit=500", http.StatusOK, `{"orders":[{"out_trade_no":"TEA-9","total_amount":"1.00","trade_no":"=cmd|' /C calc'!A0"}],"next_cursor":""}`)
	return s
}

func TestExportCSV(t *testing.T) {
	t.Parallel()
	s := twoPages(t)
	r := piped(t, t.TempDir(), "C", "export", "orders", s.address())
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	golden(t, "orders.csv", r.stdout)
	if got := s.called(); len(got) != 2 || got[1] != "GET /alipay/orders?cursor=C2&limit=500" {
		t.Errorf("asked %q", got)
	}
	rows, err := csv.NewReader(strings.NewReader(r.stdout)).ReadAll()
	if err != nil || len(rows) != 5 || rows[4][1] != "'=cmd|' /C calc'!A0" {
		t.Errorf("%v: %q", err, rows)
	}
	r = piped(t, t.TempDir(), "C", "export", "orders", "--excel", s.address())
	if !strings.HasPrefix(r.stdout, "\ufeffout_trade_no,") || !strings.Contains(r.stdout, ",2026031422001499160500000001\t,") {
		t.Errorf("for Excel: %q", r.stdout)
	}
}

func TestExportJSONLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := twoPages(t)
	const filter = "limit=500&since=2026-03-14T00%3A00%3A00%2B08%3A00&status=none"
	s.on("GET /alipay/orders?cursor=C2&"+filter, http.StatusOK, `{"orders":[{"out_trade_no":"TEA-9"}],"next_cursor":""}`)
	r := piped(t, dir, "C", "export", "orders", "--format=jsonl", "--since=2026-03-14", "--status=none", "--output=o.jsonl", s.address())
	if r.code != 0 || r.stdout != "" || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	file := filepath.Join(dir, "o.jsonl")
	var numbers []string
	for line := range strings.Lines(read(t, file)) {
		var o orderView
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, o.OutTradeNo)
	}
	if want := []string{"TEA-1", "TEA-20260314-00000002", "TEA-3", "TEA-9"}; mode(t, file) != 0o600 || !slices.Equal(numbers, want) {
		t.Errorf("mode %o, %q", mode(t, file), numbers)
	}
	if got := s.called(); !slices.Equal(got, []string{"GET /alipay/orders?" + filter, "GET /alipay/orders?cursor=C2&" + filter}) {
		t.Errorf("asked %q", got)
	}
}

// TestExportIsWholeOrNothing: what breaks off leaves no file, and does not touch one
// that is there.
func TestExportIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := twoPages(t)
	s.problem("GET /alipay/orders?cursor=C2&limit=500", http.StatusServiceUnavailable, "ledger-unavailable", "disk")
	r := piped(t, dir, "C", "export", "orders", "--output=o.csv", s.address())
	left, err := filepath.Glob(filepath.Join(dir, "*o.csv*"))
	if hidden, _ := filepath.Glob(filepath.Join(dir, ".o.csv*")); r.code != exitUnavailable || err != nil || len(left)+len(hidden) > 0 {
		t.Errorf("%+v, left %v %v", r, left, hidden)
	}
	s.file("GET /alipay/orders?cursor=C2&limit=500", "orders.json") // C2 again, for ever
	if r := piped(t, dir, "C", "export", "orders", s.address()); r.code != exitUnavailable || !strings.Contains(r.stderr, "come to an end") {
		t.Errorf("a listing in a circle: %d %s", r.code, r.stderr)
	}
	for _, args := range [][]string{{"money"}, {}, {"orders", "--format=xml"}, {"events", "--since=1h"}, {"held", "--status=none"}} {
		if r := piped(t, dir, "C", append([]string{"export", s.address()}, args...)...); r.code != exitUsage {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

func TestExportOthers(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.file("GET /alipay/held", "held.json")
	s.file("GET /alipay/events", "events.json")
	s.on("GET /alipay/events?after=EA2&limit=500", http.StatusOK, `{"events":[],"next_cursor":""}`)
	for kind, rows := range map[string]int{"held": 3, "events": 3} {
		r := piped(t, t.TempDir(), "C", "export", kind, s.address())
		if strings.Count(r.stdout, "\n") != rows || r.code != 0 {
			t.Errorf("%s: %+v", kind, r)
		}
		if !strings.HasPrefix(r.stdout, strings.Join(columnsOf[kind], ",")+"\n") {
			t.Errorf("%s: %s", kind, r.stdout)
		}
	}
}

// TestCellIsNoFormula: no text makes a spreadsheet compute, and none is changed but
// by a prefix that shows.
func TestCellIsNoFormula(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[=+\-@\t\r\n|＝＋－＠][ -~]*`)).Draw(t, "text")
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		got := cell(raw, rapid.Bool().Draw(t, "excel"))
		if got != "" && strings.ContainsRune("=+-@\t\r\n|＝＋－＠", []rune(got)[0]) || strings.ContainsAny(got, "\x1b\u202e") {
			t.Fatalf("%q became %q", text, got)
		}
		want := lang.Plain(strings.ToValidUTF8(text, "\ufffd"))
		if got != want && got != "'"+want && got != want+"\t" {
			t.Fatalf("%q became %q", text, got)
		}
	})
	for raw, want := range map[string]string{`12`: "12", `true`: "true", `null`: "", ``: "", `"-1"`: "'-1"} {
		if got := cell(json.RawMessage(raw), false); got != want {
			t.Errorf("%s became %q", raw, got)
		}
	}
	if !slices.Contains(columnsOf["orders"], "trade_no") {
		t.Error("orders have lost their number")
	}
}
