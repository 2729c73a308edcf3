// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// goodAnswers has the server answer the readings of every command.
func goodAnswers(s *fakeServer) {
	s.file("GET /alipay/orders", "orders.json")
	s.file("GET /alipay/orders/TEA-1", "order.json")
	s.file("POST /alipay/orders/TEA-1/query", "order.json")
	s.file("POST /alipay/orders/TEA-1/close", "order.json")
	s.file("GET /alipay/orders/TEA-1/timeline", "timeline.json")
	s.file("GET /alipay/held", "held.json")
	s.file("GET /alipay/events", "events.json")
}

// readings are commands that read, with what they ask.
var readings = []struct {
	name string
	args []string
	call string
}{
	{"orders", []string{"orders", "--since=2026-03-14"}, "GET /alipay/orders?limit=50&since=2026-03-14T00%3A00%3A00%2B08%3A00"},
	{"show", []string{"show", "TEA-1"}, "GET /alipay/orders/TEA-1"},
	{"query", []string{"query", "TEA-1"}, "POST /alipay/orders/TEA-1/query"},
	{"close", []string{"close", "TEA-1", "--yes"}, "POST /alipay/orders/TEA-1/close"},
	{"explain", []string{"explain", "TEA-1"}, "GET /alipay/orders/TEA-1/timeline"},
	{"held", []string{"held", "--decided"}, "GET /alipay/held?decided=true&limit=50"},
	{"events", []string{"events", "--after=EA0"}, "GET /alipay/events?after=EA0&limit=50"},
}

// TestReadings: on a terminal a person reads a table in his language; a script
// gets the server's JSON, member by member.
func TestReadings(t *testing.T) {
	t.Parallel()
	for _, c := range readings {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newFakeServer(t)
			goodAnswers(s)
			args := append(slices.Clone(c.args), s.address())
			dir := t.TempDir()
			for locale, language := range map[string]string{"C.UTF-8": "en", "zh_CN.UTF-8": "zh"} {
				r := onTerminal(t, dir, locale, args...)
				if r.code != 0 {
					t.Errorf("%+v", r)
				}
				golden(t, c.name+"."+language+".txt", r.stdout)
			}
			if got := s.called(); !slices.Equal(got, []string{c.call, c.call}) {
				t.Errorf("asked %q, want %q", got, c.call)
			}
			r := piped(t, dir, "zh_CN.UTF-8", args...)
			path, _, _ := strings.Cut(c.call, "?")
			var got, want any
			if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || r.code != 0 || r.stderr != "" {
				t.Errorf("%+v: %v", r, err)
			}
			if err := json.Unmarshal([]byte(s.answers[path].body), &want); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("a script got %s", r.stdout)
			}
			if strings.Count(r.stdout, "\n") != 1 {
				t.Error("piped JSON is not one line")
			}
			if r := piped(t, dir, "C", append(args, "--text")...); r.code != 0 || strings.HasPrefix(r.stdout, "{") {
				t.Errorf("--text: %+v", r)
			}
			if r := onTerminal(t, dir, "C", append(args, "--json")...); r.code != 0 || !strings.HasPrefix(r.stdout, "{\n  ") {
				t.Errorf("--json on a terminal: %+v", r)
			}
		})
	}
}

// TestRefusals: each class of failure has its exit code, and words in the person's
// language.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.problem("GET /alipay/orders/NONE", http.StatusNotFound, "order-not-found", "no buyer was ever sent to the cashier with this out_trade_no")
	s.problem("GET /alipay/orders/OLD", http.StatusNotFound, "not-found", "the API has no such path")
	s.problem("GET /alipay/orders/DOWN", http.StatusServiceUnavailable, "ledger-unavailable", "the ledger could not be read")
	s.problem("POST /alipay/orders/NONE/query", http.StatusBadGateway, "alipay-unreachable", "Alipay could not be reached")
	s.problem("GET /alipay/orders/ODD", http.StatusConflict, "something-new", "a new kind\x1b[2J of problem")
	s.on("GET /alipay/orders/CADDY", http.StatusBadRequest, `{"error":"Caddy's own words"}`)
	s.on("GET /alipay/orders/HTML", http.StatusOK, `<html>`)
	s.problem("POST /alipay/orders/NONE/close", http.StatusConflict, "order-paid", "the order is paid")
	nobody := "--address=127.0.0.1:1"
	for _, c := range []struct {
		args    []string
		code    int
		english string
		chinese string
	}{
		{[]string{"show", "NONE"}, exitNotFound, "no buyer was ever sent", "没有此订单"},
		{[]string{"show", "OLD"}, exitUnavailable, "no such path", "不支持此操作"},
		{[]string{"show", "UNKNOWN-CALL"}, exitUnavailable, "does not know this call", "不支持此操作"},
		{[]string{"show", "DOWN"}, exitUnavailable, "could not be read", "账本暂不可用"},
		{[]string{"query", "NONE"}, exitUnavailable, "could not be reached", "无法连接支付宝"},
		{[]string{"show", "ODD"}, exitRefused, "a new kind [2J of problem", "a new kind [2J of problem"},
		{[]string{"show", "CADDY"}, exitUnavailable, "Caddy's own words", "Caddy's own words"},
		{[]string{"show", "HTML"}, exitUnavailable, "cannot be read", "无法读取"},
		{[]string{"close", "NONE", "--yes"}, exitRefused, "the order is paid", "订单已支付"},
		{[]string{"close", "NONE"}, exitUsage, "--yes", "--yes"},
		{[]string{"show", "TEA-1", nobody}, exitUnavailable, "no running server", "无法询问"},
		{[]string{"show", "a/b"}, exitUsage, "no order number", "订单号应为"},
		{[]string{"show"}, exitUsage, "accepts 1 arg", "accepts 1 arg"},
		{[]string{"orders", "--since=yesterday"}, exitUsage, "neither a time", "既不是时间"},
		{[]string{"orders", "--limit=0"}, exitUsage, "between 1 and 500", "1 到 500"},
		{[]string{"orders", "--address=a:1-9"}, exitUsage, "no address", "不是管理端点"},
		{[]string{"show", "TEA-1", "--config=none.json", "--address="}, exitUsage, "none.json", "none.json"},
	} {
		for locale, want := range map[string]string{"C": c.english, "zh_CN.UTF-8": c.chinese} {
			r := piped(t, t.TempDir(), locale, append([]string{c.args[0], s.address()}, c.args[1:]...)...)
			if r.code != c.code || !strings.Contains(r.stderr, want) || r.stdout != "" || strings.ContainsRune(r.stderr, '\x1b') {
				t.Errorf("%v: %+v, want %d and %q", c.args, r, c.code, want)
			}
		}
	}
}

// TestAccount: the account is named in the query, where the admin endpoint looks.
func TestAccount(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	goodAnswers(s)
	if r := piped(t, t.TempDir(), "C", "show", "TEA-1", "--account", "b c", s.address()); r.code != 0 {
		t.Errorf("%+v", r)
	}
	if got := s.called(); !slices.Equal(got, []string{"GET /alipay/orders/TEA-1?account=b+c"}) {
		t.Errorf("asked %q", got)
	}
}

// TestEmpty: a listing without entries says so.
func TestEmpty(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	for kind, want := range map[string]string{"orders": "没有订单。\n", "held": "没有挂起项。\n", "events": "没有事件。\n"} {
		s.on("GET /alipay/"+kind, http.StatusOK, `{"`+kind+`":[],"next_cursor":""}`)
		if r := onTerminal(t, t.TempDir(), "zh_CN", kind, s.address()); r.code != 0 || r.stdout != want {
			t.Errorf("%+v", r)
		}
	}
}

// TestProblemsInChinese: every problem that the API documents has Chinese words, and
// none has that does not exist.
func TestProblemsInChinese(t *testing.T) {
	t.Parallel()
	var slugs []string
	for line := range strings.Lines(read(t, filepath.Join("..", "..", "docs", "errors.md"))) {
		if slug, found := strings.CutPrefix(strings.TrimSpace(line), "## "); found {
			slugs = append(slugs, slug)
		}
	}
	slices.Sort(slugs)
	if have := slices.Sorted(maps.Keys(problemsInChinese)); !slices.Equal(have, slugs) {
		t.Errorf("Chinese words for %v, documented are %v", have, slugs)
	}
}
