// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestColumns(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "tea": 3, "茶叶": 4, "，。（）": 8, "¥1": 2, "é": 1, "e\u0301": 1, "ﾃｨ": 2, "ティー": 6, "a\u200db": 2, "🍵": 2,
	} {
		if got := columns(text); got != want {
			t.Errorf("%q takes %d columns, want %d", text, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	x := table{head: []string{"订单", "AMOUNT", "NOTE"}, right: []bool{false, true}}
	x.add("A", "1.00", "")
	x.add("茶叶茶叶", "1000000.00", "已\x1b[2J支付\nx")
	var b strings.Builder
	if err := x.write(&b); err != nil {
		t.Fatal(err)
	}
	want := "" +
		"订单          AMOUNT  NOTE\n" +
		"A               1.00\n" +
		"茶叶茶叶  1000000.00  已 [2J支付 x\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// TestTableIsAligned: whatever the cells hold, every line has its columns where the
// others have them, and there is one line a row.
func TestTableIsAligned(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var x table
		n := rapid.IntRange(1, 8).Draw(t, "rows")
		for range n {
			x.add(rapid.String().Draw(t, "first"), "|", rapid.String().Draw(t, "last"))
		}
		var b strings.Builder
		if err := x.write(&b); err != nil {
			t.Fatal(err)
		}
		widest := 0
		for _, row := range x.rows {
			widest = max(widest, columns(row[0]))
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if len(lines) != n {
			t.Fatalf("%d rows became %d lines", n, len(lines))
		}
		for i, line := range lines {
			rest, found := strings.CutPrefix(line, x.rows[i][0]+strings.Repeat(" ", widest-columns(x.rows[i][0]))+"  |")
			if !found || strings.TrimSpace(rest) != strings.TrimSpace(strings.TrimRight(x.rows[i][2], " ")) && rest != "  "+strings.TrimRight(x.rows[i][2], " ") {
				t.Fatalf("line %d is %q", i, line)
			}
		}
	})
}
