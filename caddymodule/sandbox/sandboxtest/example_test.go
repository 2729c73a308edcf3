// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandboxtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

// docs:begin

func TestShopSurvivesAForgedNotice(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{}) // its clock stands still
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() == nil && g.VerifyForm(r.PostForm) == nil { // your code here
			fmt.Fprint(w, "success")
		}
	}))
	t.Cleanup(shop.Close)
	err := g.SetFaults(sandbox.Faults{Global: []sandbox.Fault{{Name: "notify_wrong_signature", Times: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	g.Buy("A1", "88.88", shop.URL+"/notify", "") // opens the pay page and pays
	g.Move(4 * time.Minute)                      // to the first retry, whose notice is right
	trade, err := g.Trade("A1")
	if err != nil || trade.Notices[0].State != "delivered" || len(trade.Notices[0].Attempts) != 2 {
		t.Errorf("%+v, %v", trade, err)
	}
}

// docs:end

// The documentation shows the test above as it is.
func TestDocumentationShowsTheExample(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), "// docs:begin\n\n")
	example, _, found := strings.Cut(rest, "\n// docs:end")
	docs, err := os.ReadFile("../../../docs/sandbox.md")
	if err != nil || !found || !strings.Contains(string(docs), "```go\n"+example+"```") {
		t.Errorf("docs/sandbox.md does not show this example: %v", err)
	}
}
