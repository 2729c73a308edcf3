// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

const orderSecret = "0123456789abcdef0123456789abcdef-order"

// withOrders starts a world whose site takes its orders elsewhere than from a
// look-up.
func withOrders(t *testing.T, orders string, set ...func(*world)) *world {
	t.Helper()
	w := newWorld(t, "", set...)
	w.loadOrders(orders)
	return w
}

func (w *world) loadOrders(orders string) {
	w.t.Helper()
	config := strings.Replace(w.caddyfile(), "order /alipay/orders/{out_trade_no}", orders, 1)
	if err := load(config); err != nil {
		w.t.Fatal(err)
	}
}

// orderToken is a shop's token for an order, with the given claims changed.
func (w *world) orderToken(outTradeNo, amount string, change map[string]any) string {
	claims := map[string]any{
		"aud": w.URL, "iat": time.Now().Unix(), "exp": time.Now().Add(15 * time.Minute).Unix(),
		"out_trade_no": outTradeNo, "total_amount": amount, "subject": "茶叶 tea",
	}
	maps.Copy(claims, change)
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(must(json.Marshal(claims)))
	mac := hmac.New(sha256.New, []byte(orderSecret))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// TestOrdersToken buys with a link that the shop has signed. The shop is told and
// never asked.
func TestOrdersToken(t *testing.T) {
	t.Setenv("ALIPAY_ORDER_SECRET", orderSecret)
	w := withOrders(t, "orders token {\nsecret {env.ALIPAY_ORDER_SECRET}\n}", func(w *world) { w.log = "file " + w.path("log") })
	token := w.orderToken("K1", "88.88", nil)
	a := w.get("/pay?order=" + token)
	if a.Status != http.StatusSeeOther {
		t.Fatalf("/pay answered %d: %s", a.Status, a.Body)
	}
	w.Gateway.Open(a.Header.Get("Location"))
	if err := w.Gateway.Pay("K1", 1); err != nil {
		t.Fatal(err)
	}
	w.Gateway.Wait()
	w.Shop.wantTold(t, "K1 1 trade.paid TRADE_SUCCESS 0.00")
	if tr := must(w.Gateway.Trade("K1")); tr.Subject != "茶叶 tea" || w.Shop.deliveries()[0].Header.Get("X-Alipay-Trade-Total-Amount") != "88.88" {
		t.Errorf("bought %+v", tr)
	}
	if a := w.get("/pay?order=" + token); a.Status != http.StatusConflict {
		t.Errorf("paying again was answered %d", a.Status)
	}
	form := url.Values{"order": {w.orderToken("K2", "1.00", nil)}, "channel": {"wap"}}.Encode()
	if a := w.do(http.MethodPost, "/pay", form, http.Header{"Content-Type": {formType}}); a.Status != http.StatusSeeOther {
		t.Errorf("a posted token was answered %d: %s", a.Status, a.Body)
	}
	if n := len(w.Shop.matching(func(r *received) bool { return r.Method == http.MethodGet })); n != 0 {
		t.Errorf("the shop was asked %d times", n)
	}
	if a := w.get("/alipay/orders/K1"); a.Status != http.StatusNotFound || a.Body != "no such order here\n" {
		t.Errorf("a path is private though nothing is looked up: %d %q", a.Status, a.Body)
	}
	w.wantBadTokens()
	if err := load(":0"); err != nil { // the log is written out
		t.Fatal(err)
	}
	log := string(must(os.ReadFile(w.path("log"))))
	for part := range strings.SplitSeq(token, ".") {
		if strings.Contains(log, part) {
			t.Errorf("the log holds a part of the token: %s", part)
		}
	}
	if !strings.Contains(log, "no order to pay") || strings.Contains(log, "secrecy") || strings.Contains(log, orderSecret) {
		t.Errorf("the log: %s", log)
	}
}

// TestOrdersTokenIsHidden: the log filter of docs/orders.md keeps the link out of
// the access log.
func TestOrdersTokenIsHidden(t *testing.T) {
	t.Setenv("ALIPAY_ORDER_SECRET", orderSecret)
	filter := regexp.MustCompile(`(?s)\tformat filter \{.*?\n\t\t\}`).FindString(doc(t, "orders.md"))
	w := withOrders(t, "orders token {\nsecret {env.ALIPAY_ORDER_SECRET}\n}", func(w *world) {
		w.log = "file " + w.path("log") + "\n" + filter
		w.rest = "log\nreverse_proxy SHOP"
	})
	token := w.orderToken("K1", "88.88", nil)
	for _, query := range []string{"order=" + token, "channel=wap&order=" + token, "order=" + token + "&channel=page", "order=x" + token} {
		w.do(http.MethodGet, "/pay?"+query, "", http.Header{"Referer": {w.URL + "/pay?" + query}})
	}
	if err := load(":0"); err != nil { // the log is written out
		t.Fatal(err)
	}
	log := string(must(os.ReadFile(w.path("log"))))
	if filter == "" || strings.Count(log, `"uri":"/pay?hidden"`) != 4 {
		t.Errorf("the log: %s", log)
	}
	for part := range strings.SplitSeq(token, ".") {
		if strings.Contains(log, part) {
			t.Errorf("the log holds a part of the token: %s", part)
		}
	}
}

// wantBadTokens fails unless what is wrong with a link is told to its buyer in
// words that he can act on.
func (w *world) wantBadTokens() {
	w.t.Helper()
	good := w.orderToken("K3", "1.00", nil)
	for name, c := range map[string]struct {
		query  string
		status int
	}{
		"none":         {"", 400},
		"a number":     {"out_trade_no=K3", 400},
		"twice":        {"order=" + good + "&order=" + good, 400},
		"another's":    {"order=" + good + "&out_trade_no=K4", 400},
		"cut":          {"order=" + good[:len(good)-31], 401},
		"changed":      {"order=" + strings.Replace(good, ".", ".e30", 1), 401},
		"over":         {"order=" + w.orderToken("K3", "1.00", map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), 401},
		"another site": {"order=" + w.orderToken("K3", "1.00", map[string]any{"aud": "https://secrecy.example"}), 401},
		"too dear":     {"order=" + w.orderToken("K3", "100000000.01", nil), 400},
	} {
		if a := w.get("/pay?" + c.query); a.Status != c.status || a.Header.Get("Location") != "" {
			w.t.Errorf("%s: answered %d, want %d", name, a.Status, c.status)
		}
	}
}

// TestPayLinkExamples buys with the links that the examples make.
func TestPayLinkExamples(t *testing.T) {
	t.Setenv("ALIPAY_ORDER_SECRET", orderSecret)
	for program, script := range map[string]string{"php": "pay_link.php", "python3": "pay_link.py"} {
		t.Run(script, func(t *testing.T) {
			if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") == "" {
				t.Skipf("%s is not installed", program)
			}
			w := withOrders(t, "orders token {\nsecret {env.ALIPAY_ORDER_SECRET}\n}")
			cmd := exec.Command(program, "../examples/orders/"+script)
			cmd.Env = append(os.Environ(), "SHOP_URL="+w.URL)
			link, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			u := must(url.Parse(strings.TrimSpace(string(link))))
			a := w.get(u.RequestURI())
			cashier := must(url.Parse(a.Header.Get("Location")))
			if biz := cashier.Query().Get("biz_content"); a.Status != http.StatusSeeOther || !strings.Contains(biz, `"88.88"`) || !strings.Contains(biz, "Tea 茶") {
				t.Errorf("%s: answered %d %s, %s", u, a.Status, a.Body, biz)
			}
		})
	}
}
