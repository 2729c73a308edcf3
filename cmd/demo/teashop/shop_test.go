// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package teashop

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoginSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	v := login(t, open(t, dir), "王 小明")
	number := v.buy("lapsang", "1")
	v.shop = open(t, dir)
	if page := body(t, v.get("/orders")); !strings.Contains(page, number) || !strings.Contains(page, "王 小明") {
		t.Fatal("after a restart the order or the login is gone")
	}
	if v.post("/logout", nil); v.get("/orders").StatusCode != 303 {
		t.Fatal("logging out has no effect")
	}
}

func TestLoginRefusesNames(t *testing.T) {
	s := open(t, t.TempDir())
	for _, name := range []string{"", "   ", strings.Repeat("茶", 33), "a\nb", "\xff"} {
		v := visit(t, s)
		if resp := v.post("/login", url.Values{"name": {name}}); resp.StatusCode != 422 || len(v.cookies) != 0 {
			t.Errorf("%q: %d", name, resp.StatusCode)
		}
	}
}

// An open redirect: a link to our login must not lead to another site.
func TestLoginStaysHere(t *testing.T) {
	s := open(t, t.TempDir())
	for _, next := range []string{"//evil.test", "https://evil.test/", `/\evil.test`, "/\t/evil.test", "evil.test", "", "javascript:alert(1)"} {
		resp := visit(t, s).post("/login", url.Values{"name": {"小明"}, "next": {next}})
		if to := resp.Header.Get("Location"); resp.StatusCode != 303 || to != "/" {
			t.Errorf("%q: %d to %q", next, resp.StatusCode, to)
		}
	}
}

func TestBuyingNeedsALogin(t *testing.T) {
	s := open(t, t.TempDir())
	resp := visit(t, s).post("/tea/puer", url.Values{"quantity": {"1"}})
	if to := resp.Header.Get("Location"); resp.StatusCode != 303 || to != "/login?next=%2Ftea%2Fpuer" {
		t.Fatalf("%d to %q", resp.StatusCode, to)
	}
}

func TestBuyingRefusesQuantities(t *testing.T) {
	s := open(t, t.TempDir())
	v := login(t, s, "小明")
	for _, quantity := range []string{"", "0", "-1", "10", "1.5", "99999999999999999999"} {
		if resp := v.post("/tea/puer", url.Values{"quantity": {quantity}, "amount": {"1"}}); resp.StatusCode != 422 {
			t.Errorf("%q: %d", quantity, resp.StatusCode)
		}
	}
	if list := s.orders.of("小明"); len(list) != 0 {
		t.Errorf("%d orders were made", len(list))
	}
}

// Cross-site request forgery: another site's form must not order or log in.
func TestFormsOfOtherSites(t *testing.T) {
	v := login(t, open(t, t.TempDir()), "小明")
	for _, path := range []string{"/tea/puer", "/login", "/logout"} {
		r := httptest.NewRequest(http.MethodPost, public+path, strings.NewReader("quantity=1&name=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://evil.test")
		if resp := v.send(r); resp.StatusCode != 403 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

// DNS rebinding: a page that calls this machine by its own name could send any
// header. The shop's own port serves nobody but Caddy's visitors.
func TestOtherHosts(t *testing.T) {
	s := open(t, t.TempDir())
	number := login(t, s, "小明").buy("puer", "1")
	r := httptest.NewRequest(http.MethodPost, "http://evil.test:9401/pay/notify", nil)
	r.Header.Set("X-Alipay-Trade-Out-Trade-No", number)
	r.Header.Set("X-Alipay-Trade-Status", "TRADE_SUCCESS")
	r.Header.Set("X-Alipay-Trade-Sequence", "1")
	if resp := visit(t, s).send(r); resp.StatusCode != 421 {
		t.Errorf("a delivery to another host: %d", resp.StatusCode)
	}
	if o, _ := s.orders.find(number); o.Payment.State() != Unpaid {
		t.Error("the order is paid")
	}
	resp := visit(t, s).send(httptest.NewRequest(http.MethodGet, "http://127.0.0.1:9401/orders", nil))
	if to := resp.Header.Get("Location"); resp.StatusCode != 307 || to != public+"/" {
		t.Errorf("%d to %q", resp.StatusCode, to)
	}
}

func TestOrdersOfOthers(t *testing.T) {
	s := open(t, t.TempDir())
	number := login(t, s, "小明").buy("puer", "1")
	other := login(t, s, "小红")
	if resp := other.get("/orders/" + number); resp.StatusCode != 404 {
		t.Errorf("the order: %d", resp.StatusCode)
	}
	if strings.Contains(body(t, other.get("/orders")), number) {
		t.Error("the list shows another's order")
	}
	if resp := visit(t, s).get("/orders/" + number); resp.StatusCode != 303 {
		t.Errorf("logged out: %d", resp.StatusCode)
	}
}

func TestLanguages(t *testing.T) {
	s := open(t, t.TempDir())
	v := visit(t, s)
	if page := body(t, v.get("/")); !strings.Contains(page, `<html lang="zh-CN">`) || !strings.Contains(page, "明前龙井") {
		t.Error("the first page is not Chinese")
	}
	v.get("/?lang=en")
	if page := body(t, v.get("/tea/puer")); !strings.Contains(page, `<html lang="en">`) || !strings.Contains(page, "Ten-year ripe pu&#39;er") {
		t.Error("the choice of English is not remembered")
	}
	r := httptest.NewRequest(http.MethodGet, public+"/", nil)
	r.Header.Set("Accept-Language", "fr-FR,en;q=0.8")
	if page := body(t, visit(t, s).send(r)); !strings.Contains(page, `<html lang="en">`) {
		t.Error("a browser that asks for English gets Chinese")
	}
}

// Every page renders in both languages, for everybody, without a missing text.
func TestPagesRender(t *testing.T) {
	s := open(t, t.TempDir())
	v := login(t, s, "<script>alert(1)</script>")
	number := v.buy("puer", "3")
	for _, lang := range []string{"zh", "en"} {
		for _, path := range []string{"/", "/tea/longjing", "/login", "/orders", "/orders/" + number, "/nowhere"} {
			for name, who := range map[string]*visitor{"customer": v, "stranger": visit(t, s)} {
				resp := who.get(path + "?lang=" + lang)
				page := body(t, resp)
				if resp.StatusCode >= 500 || strings.Contains(page, "<script>") {
					t.Errorf("%s of %s in %s: %d", path, name, lang, resp.StatusCode)
				}
				if csp := resp.Header.Get("Content-Security-Policy"); resp.StatusCode != 303 && !strings.HasPrefix(csp, "default-src 'none'") {
					t.Errorf("%s: Content-Security-Policy %q", path, csp)
				}
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(Config{PublicURL: "shop", Dir: t.TempDir()}); err == nil {
		t.Error("a public URL without a host is taken")
	}
	for _, name := range []string{"orders.json", "session.key"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Config{PublicURL: public, Dir: dir}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s of garbage: %v", name, err)
		}
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	login(t, open(t, dir), "小明").buy("puer", "1")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 { // no temporary file is left either
		t.Errorf("%d files", len(entries))
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", e.Name(), info.Mode(), err)
		}
	}
}

func TestBookIsBounded(t *testing.T) {
	b := &book{path: filepath.Join(t.TempDir(), "orders.json"), index: map[string]int{}, orders: make([]Order, maxOrders)}
	if err := b.add(Order{Number: "T1"}); err == nil {
		t.Error("an order too many is taken")
	}
}
