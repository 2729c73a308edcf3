// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

// fill sends one of the panel's forms and returns the page it leads to.
func fill(t *testing.T, g *sandboxtest.Gateway, path string, form url.Values) string {
	t.Helper()
	response, err := http.PostForm(g.URL+path, form)
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, response)
}

func TestPanelAddsAndClearsFaults(t *testing.T) {
	t.Parallel()
	g := sandboxtest.New(t, sandboxtest.Options{})
	g.Open(g.PayURL("A1", "1.00", "", ""))
	fill(t, g, "/faults/add", url.Values{"name": {"notify_late"}, "delay": {"10m"}})
	page := fill(t, g, "/faults/add", url.Values{"name": {"answer_500"}, "for": {"A1"}, "order": {"A1"}, "times": {"2"}})
	if !strings.Contains(page, "<code>answer_500</code> × 2") {
		t.Errorf("the order's page does not show its fault:\n%s", page)
	}
	got := g.Faults()
	if len(got.Global) != 1 || got.Global[0].Name != "notify_late" || time.Duration(got.Global[0].Delay) != 10*time.Minute ||
		len(got.Orders["A1"]) != 1 || got.Orders["A1"][0].Times != 2 {
		t.Errorf("%+v", got)
	}
	for _, form := range []url.Values{
		{"name": {"nope"}}, {"name": {"notify_late"}, "delay": {"soon"}}, {"name": {"notify_late"}, "times": {"often"}},
	} {
		if page := fill(t, g, "/faults/add", form); !strings.Contains(page, `id="error"`) {
			t.Errorf("%v: no word of what is wrong", form)
		}
	}
	fill(t, g, "/faults/clear", nil)
	if got := g.Faults(); len(got.Global)+len(got.Orders) != 0 || !got.Switches.NotifyRefund {
		t.Errorf("%+v", got)
	}
}

// An attempt is on the order's page in full: where it went, what was sent, what
// came back.
func TestPanelShowsAttempts(t *testing.T) {
	t.Parallel()
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, func(w http.ResponseWriter, _ int) {
		w.Header().Set("X-Framework", "shop <b>9</b>")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("<h1>Oops</h1>"))
	})
	g.Buy("A1", "88.88", m.URL+"/notify", "")
	g.Wait()
	page := g.Open(g.URL + "/orders/A1")
	for _, want := range []string{
		"<b>POST</b> " + m.URL + "/notify", "<b>total_amount</b> = 88.88", "X-Framework: shop &lt;b&gt;9&lt;/b&gt;",
		"&lt;h1&gt;Oops&lt;/h1&gt;", "the status is not 200",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in:\n%s", want, page)
		}
	}
	if page := g.Open(g.URL + "/"); !strings.Contains(page, `id="seller-balance">¥88.88<`) {
		t.Errorf("the seller's balance is not on the panel:\n%s", page)
	}
}
