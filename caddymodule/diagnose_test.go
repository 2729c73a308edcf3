// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

// TestVerificationExplains: the log names the mistake that a refused notice or return
// would verify without, believes it nonetheless not, and does so seldom: each
// diagnosis costs as much as a dozen notices, and anybody can cause one.
func TestVerificationExplains(t *testing.T) {
	for name, send := range map[string]func(*world) answer{
		"notice": func(w *world) answer { return w.post(sign(appKey(), w.notice("EX1", "1.00")).Encode()) },
		"return": func(w *world) answer {
			v := must(url.ParseQuery(w.returnQuery("EX1", "1.00")))
			return w.get("/pay/return?" + sign(appKey(), v).Encode())
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "", func(w *world) { w.log = "file " + w.path("caddy.log") })
			w.buy("EX1", "1.00")
			for range 5 {
				if a := send(w); a.Status != http.StatusBadRequest {
					t.Fatalf("answered %d", a.Status)
				}
			}
			text := string(must(os.ReadFile(w.path("caddy.log"))))
			if n := strings.Count(text, "a refused "+name+" would verify but for one mistake"); n != 1 || !strings.Contains(text, `"mistake":"own_key"`) {
				t.Errorf("%d diagnoses in\n%s", n, text)
			}
		})
	}
}
