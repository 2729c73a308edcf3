// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// document is openapi.json, read.
var document = sync.OnceValue(func() (d struct {
	Paths map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Security    *[]any
		RequestBody struct {
			Content map[string]json.RawMessage
		} `json:"requestBody"`
		Responses map[string]struct {
			Ref     string `json:"$ref"`
			Content map[string]json.RawMessage
		}
	}
	Components struct {
		Responses map[string]struct{ Content map[string]json.RawMessage }
	}
},
) {
	if err := json.Unmarshal(OpenAPI, &d); err != nil {
		panic(err)
	}
	return d
})

// schema compiles a schema of the document, by its JSON pointer.
func schema(t *testing.T, pointer string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(OpenAPI))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("openapi.json#" + pointer)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var schemas sync.Map // by pointer

func cached(t *testing.T, pointer string) *jsonschema.Schema {
	t.Helper()
	if s, ok := schemas.Load(pointer); ok {
		return s.(*jsonschema.Schema)
	}
	s := schema(t, pointer)
	schemas.Store(pointer, s)
	return s
}

// escape writes a name as part of a JSON pointer in a URL.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "+", "%2B").Replace(name)
}

// wantDocumented holds an answer against the document: the status, the media type
// and the schema. What is not routed at all, or not by this method, is in none.
func (o *office) wantDocumented(r *http.Request, a *answer) {
	o.Helper()
	t, _, err := find(r.Method, r.URL.EscapedPath())
	if err != nil {
		o.wantSchema("/components/schemas/Problem", a)
		return
	}
	call := document().Paths[t.path][strings.ToLower(t.method)]
	status := fmt.Sprint(a.Status)
	response, ok := call.Responses[status]
	pointer := "/paths/" + escape(t.path) + "/" + strings.ToLower(t.method) + "/responses/" + status
	content := response.Content
	if name := strings.TrimPrefix(response.Ref, "#/components/responses/"); response.Ref != "" {
		pointer, content = "/components/responses/"+name, document().Components.Responses[name].Content
	}
	mediaType := a.Header.Get("Content-Type")
	if _, described := content[mediaType]; !ok || !described {
		o.Errorf("%s was answered %s %s, which openapi.json does not describe: %s", a.call, status, mediaType, a.Body)
		return
	}
	o.wantSchema(pointer+"/content/"+escape(mediaType)+"/schema", a)
}

func (o *office) wantSchema(pointer string, a *answer) {
	o.Helper()
	if err := cached(o.T, pointer).Validate(a.fields); err != nil {
		o.Errorf("the answer to %s is not as openapi.json describes it: %v\n%s", a.call, err, a.Body)
	}
}

// TestEveryCallIsDocumented: the document describes the calls that there are, and
// no others, and says of each whether it needs a token.
func TestEveryCallIsDocumented(t *testing.T) {
	t.Parallel()
	seen := 0
	for i := range targets {
		tg := &targets[i]
		call, ok := document().Paths[tg.path][strings.ToLower(tg.method)]
		if !ok {
			t.Errorf("%s %s is not described", tg.method, tg.path)
			continue
		}
		seen++
		if open := call.Security != nil && len(*call.Security) == 0; open != tg.open {
			t.Errorf("%s %s: needs no token: %v; the document says %v", tg.method, tg.path, tg.open, open)
		}
		for status, response := range call.Responses {
			if response.Ref == "" && len(response.Content) == 0 {
				t.Errorf("%s %s: %s has no content", tg.method, tg.path, status)
			}
		}
	}
	described := 0
	for _, methods := range document().Paths {
		described += len(methods)
	}
	if described != seen {
		t.Errorf("%d calls are described, %d of them exist", described, seen)
	}
	var all any
	if err := json.Unmarshal(OpenAPI, &all); err != nil {
		t.Fatal(err)
	}
	for _, ref := range regexp.MustCompile(`"\$ref": "#([^"]+)"`).FindAllStringSubmatch(string(OpenAPI), -1) {
		var value = all
		for name := range strings.SplitSeq(strings.TrimPrefix(ref[1], "/"), "/") {
			object, _ := value.(map[string]any)
			value = object[name]
		}
		if value == nil {
			t.Errorf("%s leads nowhere", ref[1])
		}
	}
}

// TestRequestsAreDocumented: what the document allows in a body is what the calls
// take.
func TestRequestsAreDocumented(t *testing.T) {
	t.Parallel()
	for name, texts := range map[string]map[string]bool{
		"RefundRequest": {
			`{"out_request_no":"R1","refund_amount":"1.00"}`:                      true,
			`{"out_request_no":"R1","refund_amount":"1","refund_reason":"茶"}`:     true,
			`{"out_request_no":"R1","refund_amount":1}`:                           false,
			`{"out_request_no":"R1"}`:                                             false,
			`{"refund_amount":"1.00"}`:                                            false,
			`{"out_request_no":"R/1","refund_amount":"1.00"}`:                     false,
			`{"out_request_no":"R1","refund_amount":"1.00","operator_id":"x"}`:    false,
			`{"out_request_no":"R1","refund_amount":"1.001"}`:                     false,
			`{"out_request_no":"R1","refund_amount":"1.00","refund_reason":true}`: false,
		},
		"AcceptRequest":    {`{}`: true, `{"public_url":"https://shop.example"}`: true, `{"x":1}`: false},
		"RedeliverRequest": {`{}`: false, `{"dry_run":true}`: false, `{"state":"dead"}`: true, `{"type":"trade.won"}`: false},
	} {
		s := cached(t, "/components/schemas/"+name)
		for text, valid := range texts {
			var value any
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(value); (err == nil) != valid {
				t.Errorf("%s %s: %v", name, text, err)
			}
		}
	}
}

// TestEveryProblemIsExplained: docs/errors.md has a heading for each type, and no
// others.
func TestEveryProblemIsExplained(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	find := func(text []byte, pattern string) (words []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
			words = append(words, string(m[1]))
		}
		slices.Sort(words)
		return words
	}
	types, explained := find(code, `= kind\{"([a-z-]+)"`), find(page, `(?m)^## ([a-z-]+)$`)
	if len(types) == 0 || !slices.Equal(types, explained) || len(types) != len(slices.Compact(slices.Clone(types))) {
		t.Errorf("the types are\n%v\nthe page explains\n%v", types, explained)
	}
	statuses := find(page, `(?m)^## [a-z-]+\n\n(\d{3}) `)
	if len(statuses) != len(types) {
		t.Errorf("%d of %d types name their status", len(statuses), len(types))
	}
}
