// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
)

// TestEveryCodeIsDocumented: both pages have one section for each code, in the
// order of Codes, with some text, and no other.
func TestEveryCodeIsDocumented(t *testing.T) {
	t.Parallel()
	for _, l := range []lang.Lang{lang.English, lang.Chinese} {
		page := filepath.Join("..", "..", "docs", filepath.Base(strings.Split(NoAccount.Page(l), "#")[0]))
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var sections []Code
		for _, m := range regexp.MustCompile(`(?m)^### (.*)\n\n(.+)`).FindAllStringSubmatch(string(text), -1) {
			sections = append(sections, Code(m[1]))
			if len(m[2]) < 20 {
				t.Errorf("%s says nothing about %s", page, m[1])
			}
		}
		if !slices.Equal(sections, Codes()) {
			t.Errorf("%s has the sections %v, the codes are %v", page, sections, Codes())
		}
	}
}

// TestText: what a person reads, in both languages and with colours.
func TestText(t *testing.T) {
	t.Parallel()
	found := []Finding{
		{KeysFine, Fine, "account default", "the keys fit", ""},
		{OpenPrivateKey, Warning, "account default", "others can read it", "chmod 600 it"},
		{OwnPublicKey, Fault, "site https://shop.example", "it is\x1b[2J your own", "take the other"},
		{ServerDown, Note, "", "no server", ""},
	}
	want := `account default
  ✓ the keys fit [keys-fine]
  ! others can read it [private-key-mode]
      cure: chmod 600 it
      https://github.com/caddy-alipay/caddy-alipay/blob/main/docs/doctor.md#private-key-mode

site https://shop.example
  ✗ it is [2J your own [own-public-key]
      cure: take the other
      https://github.com/caddy-alipay/caddy-alipay/blob/main/docs/doctor.md#own-public-key

  · no server [server-down]

1 fault, 1 warning.
`
	if got := Text(found, lang.English, false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	chinese := Text(found[:3], lang.Chinese, false)
	for _, part := range []string{"处理：chmod 600 it", "doctor.zh-CN.md#own-public-key", "1 处故障，1 处警告。"} {
		if !strings.Contains(chinese, part) {
			t.Errorf("%q is missing in\n%s", part, chinese)
		}
	}
	if colored := Text(found, lang.English, true); strings.Count(colored, "\x1b[") != 8 {
		t.Errorf("the colours are wrong: %q", colored)
	}
	if Worst(found) != Fault || Worst(found[:2]) != Warning || Worst(nil) != Fine || Text(nil, lang.Chinese, false) != "\n一切正常。\n" {
		t.Error("the worst is wrong")
	}
}
