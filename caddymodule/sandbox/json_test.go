// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/json"
	"testing"
)

func TestAnswersKeepTheirOrderAndTheirBytes(t *testing.T) {
	text, err := plainJSON(object{{"z", "a&b<c>"}, {"a", []object{{{"n", "1"}}}}, {"list", nil}})
	if err != nil || string(text) != `{"z":"a&b<c>","a":[{"n":"1"}],"list":null}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestBizText(t *testing.T) {
	content, err := parseBiz(`{"s":"x","n":88.80,"b":true,"nil":null,"o":{"a":1},"l":["p","q"]}`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"s": "x", "n": "88.80", "b": "true", "nil": "", "absent": ""} {
		if got, ok := content.text(name); !ok || got != want {
			t.Errorf("%s is %q, %t", name, got, ok)
		}
	}
	if _, ok := content.text("o"); ok {
		t.Error("an object is no text")
	}
	if list := content.list("l"); len(list) != 2 {
		t.Errorf("%v", list)
	}
}

// Whatever parseBiz accepts is JSON with unique names, and reads like it.
func FuzzParseBiz(f *testing.F) {
	for _, seed := range []string{"{}", `{"a":1}`, `{"a":1,"a":2}`, `{"a":{"b":[1,{"c":null}]}}`, "[]", `{"a"}`, "{", "{}{}", `{"a":"\ud800"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		content, err := parseBiz(text)
		if err != nil {
			return
		}
		var theirs map[string]any
		if err := json.Unmarshal([]byte(text), &theirs); err != nil {
			t.Fatalf("%q: encoding/json refuses: %v", text, err)
		}
		if len(theirs) != len(content) {
			t.Fatalf("%q: %d members here, %d there", text, len(content), len(theirs))
		}
		for name := range theirs {
			value, ok := content.text(name)
			if want, isText := theirs[name].(string); isText && (!ok || value != want) {
				t.Fatalf("%q: %q is %q, not %q", text, name, value, want)
			}
		}
	})
}
