// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestParseForm(t *testing.T) {
	params, err := ParseForm("a=1+2&b=%E6%98%A5&c&&d=x=y&e=a%2Bb")
	if err != nil {
		t.Fatal(err)
	}
	want := Params{{"a", "1 2"}, {"b", "春"}, {"c", ""}, {"d", "x=y"}, {"e", "a+b"}}
	if len(params) != len(want) {
		t.Fatalf("%v", params)
	}
	for i := range want {
		if params[i] != want[i] {
			t.Errorf("%d: %v, not %v", i, params[i], want[i])
		}
	}
	for name, text := range map[string]string{
		"broken escape": "a=%zz", "broken name": "%z=1", "too many": strings.Repeat("a", 3) + many(MaxParams),
	} {
		if _, err := ParseForm(text); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := ParseForm("a=1&%61=2"); !errors.Is(err, ErrRepeated) {
		t.Errorf("the same name in two spellings: %v", err)
	}
}

func many(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString("&p")
		text.WriteString(strings.Repeat("x", i))
	}
	return text.String()
}

func TestMerge(t *testing.T) {
	query := Params{{"charset", "utf-8"}, {"method", "m"}}
	merged, err := Merge(query, Params{{"charset", "utf-8"}, {"biz_content", "{}"}})
	if err != nil || merged.Encode() != "charset=utf-8&method=m&biz_content=%7B%7D" {
		t.Errorf("%v, %v", merged, err)
	}
	if _, err := Merge(query, Params{{"charset", "gbk"}}); !errors.Is(err, ErrRepeated) {
		t.Errorf("two charsets: %v", err)
	}
}

func TestCharsets(t *testing.T) {
	for name, want := range map[string]string{"utf-8": UTF8, "UTF-8": UTF8, "GBK": GBK, "gb2312": GBK, "": GBK} {
		if got, ok := CharsetOf(name); got != want || !ok {
			t.Errorf("%q: %q, %t", name, got, ok)
		}
	}
	if _, ok := CharsetOf("big5"); ok {
		t.Error("big5 is accepted")
	}
	encoded, err := Encode(GBK, "春茶")
	if err != nil || encoded != "\xb4\xba\xb2\xe8" {
		t.Errorf("%q, %v", encoded, err)
	}
	if decoded, err := Decode(GBK, encoded); err != nil || decoded != "春茶" {
		t.Errorf("%q, %v", decoded, err)
	}
	if _, err := Decode(UTF8, encoded); err == nil {
		t.Error("GBK bytes pass as UTF-8")
	}
}

// What is parsed can be written and parsed again, keys stay unique, and the
// signed string never holds the signature.
func FuzzParseForm(f *testing.F) {
	for _, seed := range []string{"", "a=1&b=2", "a=%E6&a=1", "sign=x&sign_type=RSA2", "=&&=x", "a=%", "a;b=c", strings.Repeat("&", 99)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		params, err := ParseForm(text)
		if err != nil {
			return
		}
		again, err := ParseForm(params.Encode())
		if err != nil || again.NoticeString() != params.NoticeString() {
			t.Fatalf("%q: %v then %v, %v", text, params, again, err)
		}
		theirs, err := url.ParseQuery(strings.ReplaceAll(text, ";", "%3B"))
		if err != nil {
			t.Fatalf("%q: net/url refuses: %v", text, err)
		}
		for _, param := range params {
			if values := theirs[param.Key]; len(values) != 1 || values[0] != param.Value {
				t.Fatalf("%q: %q is %q here, %q in net/url", text, param.Key, param.Value, values)
			}
		}
	})
}
