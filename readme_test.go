// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package alipay_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-alipay/caddy-alipay"
)

var readmes = []string{"README.md", "README.zh-CN.md"}

// fences are a README's code blocks in a language.
func fences(t *testing.T, file, language string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no %s block: does this test still look for the right thing?", file, language)
	}
	return blocks
}

// TestCaddyfilesAdapt: every Caddyfile in a README is one.
func TestCaddyfilesAdapt(t *testing.T) {
	t.Parallel()
	for _, file := range readmes {
		for i, block := range fences(t, file, "caddyfile") {
			_, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(block), map[string]any{"filename": file})
			if err != nil || len(warnings) > 0 {
				t.Errorf("%s, Caddyfile %d: %v %v", file, i+1, err, warnings)
			}
		}
	}
}

// TestShopIsTheExample: the shop in a README is the file that a test runs.
func TestShopIsTheExample(t *testing.T) {
	t.Parallel()
	shop, err := os.ReadFile("examples/php/shop.php")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range readmes {
		if got := fences(t, file, "php")[0]; got != string(shop) {
			t.Errorf("%s shows another shop than examples/php/shop.php", file)
		}
	}
}

// TestLinksExist: what a README links to within the project is there.
func TestLinksExist(t *testing.T) {
	t.Parallel()
	for _, file := range readmes {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			}
		}
	}
}
