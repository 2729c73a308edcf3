// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseQuery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		driver, text, want string
		args               string
	}{
		{"postgres", "SELECT :out_trade_no", "SELECT $1", "out_trade_no"},
		{"postgres", "select a::text, :user, :out_trade_no, :user", "select a::text, $1, $2, $1", "user out_trade_no"},
		{"mysql", "SELECT :user, :out_trade_no, :user", "SELECT ?, ?, ?", "user out_trade_no user"},
		{"sqlite", "SELECT x[1:2], ':user', \":user\", `:user`, :out_trade_no", "SELECT x[1:2], ':user', \":user\", `:user`, ?", "out_trade_no"},
		{"postgres", "SELECT 'it''s :user', :out_trade_no", "SELECT 'it''s :user', $1", "out_trade_no"},
		{"postgres", `SELECT '\', :out_trade_no`, `SELECT '\', $1`, "out_trade_no"},
		{"mysql", `SELECT '\':user', :out_trade_no`, `SELECT '\':user', ?`, "out_trade_no"},
		{"mysql", "SELECT 1 -- :user '\n, :out_trade_no", "SELECT 1 -- :user '\n, ?", "out_trade_no"},
		{"mysql", "SELECT /* ; :user ' */ :out_trade_no", "SELECT /* ; :user ' */ ?", "out_trade_no"},
		{"mysql", "-- first\nWITH x AS (SELECT ';') SELECT :out_trade_no", "-- first\nWITH x AS (SELECT ';') SELECT ?", "out_trade_no"},
	} {
		q, err := parseQuery(c.text, dialects[c.driver])
		if err != nil || q.text != c.want || strings.Join(q.args, " ") != c.args {
			t.Errorf("%s: %q %v, %v", c.text, q.text, q.args, err)
		}
	}
	for text, want := range map[string]error{
		"":                                  errNoQuery,
		"SELECT 1":                          errNoNumber,
		"SELECT ':out_trade_no'":            errNoNumber,
		"SELECT :out_trade_no;":             errSeveral,
		"SELECT :out_trade_no; DELETE x":    errSeveral,
		"DELETE FROM x WHERE :out_trade_no": errNotSelect,
		"(SELECT :out_trade_no)":            errNotSelect,
		"'SELECT' :out_trade_no":            errNotSelect,
		"-- SELECT :out_trade_no":           errNotSelect,
		"SELECT ':out_trade_no":             errUnclosed,
		"SELECT :out_trade_no /* x":         errUnclosed,
		"SELECT :out_trade_no \"":           errUnclosed,
	} {
		if _, err := parseQuery(text, dialects["postgres"]); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	if _, err := parseQuery("SELECT :out_trade_no, :password", dialects["mysql"]); err == nil || !strings.Contains(err.Error(), ":password is unknown") {
		t.Errorf("an unknown parameter: %v", err)
	}
}

// FuzzParseQuery: each mark of the text has its argument, and taking the marks
// back gives the text again.
func FuzzParseQuery(f *testing.F) {
	f.Add("SELECT :out_trade_no, ':user' FROM a /* ? */ WHERE b = :user -- x")
	f.Add(`WITH a AS (SELECT '\'') SELECT :out_trade_no::text`)
	f.Fuzz(func(t *testing.T, text string) {
		// a mark that cannot be in the text
		marked := dialect{mark: func(q *query, name string) string {
			q.args = append(q.args, name)
			return "\x00mark\x00"
		}}
		q, err := parseQuery(text, marked)
		if err != nil || strings.Contains(text, "\x00") {
			return
		}
		parts := strings.Split(q.text, "\x00mark\x00")
		if len(parts) != len(q.args)+1 || !slices.Contains(q.args, "out_trade_no") {
			t.Fatalf("%q: %q with %v", text, q.text, q.args)
		}
		again := parts[0]
		for i, name := range q.args {
			again += ":" + name + parts[i+1]
		}
		if again != strings.TrimSpace(text) {
			t.Fatalf("%q became %q", text, again)
		}
	})
}
