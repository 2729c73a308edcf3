// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "github.com/caddy-alipay/caddy-alipay/caddymodule/orders/sql" // docs/orders.md shows it
)

// pages are those whose examples this file holds, without their language.
var pages = []string{"assertion", "orders"}

// codeOf are a page's code blocks in a language.
func codeOf(text, language string) []string {
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// TestPages: each Caddyfile of a page is one, each program is the file that a test
// runs, each link leads somewhere, and both languages show the same.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, page := range pages {
		english, chinese := doc(t, page+".md"), doc(t, page+".zh-CN.md")
		caddyfiles := codeOf(english, "caddyfile")
		if len(caddyfiles) < 3 {
			t.Errorf("%s has %d Caddyfiles: does this test still look for the right thing?", page, len(caddyfiles))
		}
		for i, text := range caddyfiles {
			if _, err := adapt(t, text); err != nil {
				t.Errorf("%s, Caddyfile %d: %v", page, i+1, err)
			}
		}
		for _, language := range []string{"caddyfile", "php", "python", "sh"} {
			if !slices.Equal(codeOf(english, language), codeOf(chinese, language)) {
				t.Errorf("the languages of %s show different %s", page, language)
			}
		}
		for _, text := range []string{english, chinese} {
			for _, m := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(text, -1) {
				if _, err := os.Stat(filepath.Join("..", "docs", m[1])); err != nil {
					t.Errorf("%s links to %s: %v", page, m[1], err)
				}
			}
		}
	}
	orders := doc(t, "orders.md")
	for language, file := range map[string]string{"php": "pay_link.php", "python": "pay_link.py"} {
		if blocks := codeOf(orders, language); len(blocks) != 1 || blocks[0] != string(must(os.ReadFile("../examples/orders/"+file))) {
			t.Errorf("orders.md shows another program than examples/orders/%s", file)
		}
	}
}

// TestPagesNameAll: what an assertion claims and what the sources take is on their
// page, in both languages.
func TestPagesNameAll(t *testing.T) {
	t.Parallel()
	for page, words := range map[string][]string{
		"assertion": {"iss", "aud", "iat", "exp", "body_sha256", "assertion_rotate", "assertion_key", "assertion hs256", "assertion off"},
		"orders": {"secret", "public_key", "driver", "dsn", "query", "user", "timeout", "connections", "out_trade_no", "total_amount",
			"total_fen", "subject", "paid"},
	} {
		if page == "assertion" {
			for _, claim := range assertionClaims {
				words = append(words, claim)
			}
		}
		for _, language := range []string{".md", ".zh-CN.md"} {
			text := doc(t, page+language)
			for _, word := range words {
				if !strings.Contains(text, "`"+word) && !strings.Contains(text, word+" ") {
					t.Errorf("%s%s does not name %s", page, language, word)
				}
			}
		}
	}
}

// TestScalePages: both languages give the same figures, and both links lead
// somewhere.
func TestScalePages(t *testing.T) {
	t.Parallel()
	english, chinese := doc(t, "scale.md"), doc(t, "scale.zh-CN.md")
	headings := regexp.MustCompile(`(?m)^## `)
	if a, b := len(headings.FindAllString(english, -1)), len(headings.FindAllString(chinese, -1)); a != b || a < 8 {
		t.Errorf("%d sections, and %d in Chinese", a, b)
	}
	inputs := regexp.MustCompile(`(?m)^\|.*\|$`)
	a, b := inputs.FindAllString(english, -1), inputs.FindAllString(chinese, -1)
	if len(a) != len(b) {
		t.Fatalf("%d rows of tables, and %d in Chinese", len(a), len(b))
	}
	figures := regexp.MustCompile(`[0-9][0-9.,]*[0-9]|[0-9]`)
	for i := range a {
		if x, y := figures.FindAllString(a[i], -1), figures.FindAllString(b[i], -1); len(x) != len(y) {
			t.Errorf("other figures:\n%s\n%s", a[i], b[i])
		}
	}
}
