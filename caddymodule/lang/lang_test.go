// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package lang

import "testing"

func TestFromEnv(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		all, messages, lang string
		want                Lang
	}{
		{"", "", "", English},
		{"", "", "C.UTF-8", English},
		{"", "", "zh_CN.UTF-8", Chinese},
		{"", "", "zh-Hans", Chinese},
		{"", "", "ZH_TW", Chinese},
		{"", "", "zh", Chinese},
		{"", "", "zho_other", English},
		{"", "en_US.UTF-8", "zh_CN.UTF-8", English},
		{"", "zh_CN.UTF-8", "en_US.UTF-8", Chinese},
		{"C", "zh_CN.UTF-8", "zh_CN.UTF-8", English},
		{"zh_CN.GB18030", "C", "C", Chinese},
	} {
		env := map[string]string{"LC_ALL": c.all, "LC_MESSAGES": c.messages, "LANG": c.lang}
		if got := FromEnv(func(name string) string { return env[name] }); got != c.want {
			t.Errorf("%v: %s, want %s", env, got, c.want)
		}
	}
}

func TestSay(t *testing.T) {
	t.Parallel()
	if got := English.Say("100% of %s", "%s 的 100%"); got != "100% of %s" {
		t.Errorf("a text without arguments became %q", got)
	}
	if got := English.Say("%s of %d", "%[2]d 中的 %[1]s", "one", 2); got != "one of 2" {
		t.Error(got)
	}
	if got := Chinese.Say("%s of %d", "%[2]d 中的 %[1]s", "one", 2); got != "2 中的 one" {
		t.Error(got)
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"茶叶 tea":                      "茶叶 tea",
		"a\x1b[2Jb\r\nc\td\x00\x7f":   "a [2Jb  c d  ",
		"x\u202ey\u200bz\u009b\ufeff": "xyz ",
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
