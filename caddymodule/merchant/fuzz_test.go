// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// FuzzBody: whatever a body holds, it is refused as a problem of the caller's or
// read as encoding/json reads it, each member once and under its exact name.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"out_request_no":"R1","refund_amount":"1.00"}`, `{"refund_amount":"1.00","refund_amount":"2.00"}`, `{"refund_\u0061mount":1}`,
		`{"Refund_Amount":"1.00"}`, `[]`, `{`, `{}{}`, `{"out_request_no":{"a":[1,{}]}}`, "{\"out_request_no\":\"\xff\"}", "\ufeff{}", ` { } `, `{"refund_reason":null}`,
	} {
		f.Add([]byte(seed))
	}
	names := []string{"out_request_no", "refund_amount", "refund_reason"}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(text))
		r.Header.Set("Content-Type", "application/json")
		b, err := (&call{Request: r, w: httptest.NewRecorder()}).body(names...)
		if err != nil {
			if p, ok := errors.AsType[*Problem](err); !ok || p.Status < 400 || p.Status > 499 || len(p.Detail) > 300 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if len(bytes.TrimSpace(text)) == 0 {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil || len(want) != len(b.members) {
			t.Fatalf("%q was read as %v; encoding/json: %v, %v", text, b.members, want, err)
		}
		for name, value := range want {
			if !bytes.Equal(value, b.members[name]) {
				t.Fatalf("%q: %s is %s, and %s for encoding/json", text, name, b.members[name], value)
			}
		}
		b.text("out_request_no")
		b.amount("refund_amount")
		b.flag("refund_reason")
		b.number("refund_reason", 1, 5, 1)
		b.time("refund_reason")
	})
}
