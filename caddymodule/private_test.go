// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestOrderPathIsPrivate: the shop's look-up exists for the sidecar alone. From
// outside every spelling is 404, by us, and no handle_errors shows the shop's.
func TestOrderPathIsPrivate(t *testing.T) {
	w := newWorld(t, errorsToo)
	w.Shop.offer("A1", "1.00")
	host := strings.TrimPrefix(w.URL, "http://")
	for _, target := range []string{
		"/alipay/orders/A1",
		"/alipay/orders/A1/",
		"/alipay/orders/A1?x=1",
		"/Alipay/ORDERS/A1",
		"//alipay//orders//A1",
		"/./alipay/./orders/A1",
		"/x/../alipay/orders/A1",
		"/x/%2e%2e/alipay/orders/A1",
		"/x/%252e%252e/alipay/orders/A1",
		"/%61lipay/%6Frders/A1",
		"/alipay%2Forders%2fA1",
		"/alipay%252Forders%252fA1",
		`/alipay\orders\A1`,
		"/alipay%5Corders%5cA1",
		"/alipay;v=1/orders/A1",
		"/alipay/orders/A1;jsessionid=1",
		"/x/..;/alipay/orders/A1",
		"/alipay/orders/A1%00",
		"/alipay/orders/A1%2f..%2f..%2f..%2fx",
		"/alipay/orders/A1%252f..%252f..%252f..%252fx",
		"http://" + host + "/alipay/orders/A1",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "BREW"} {
			a := raw(t, w.URL, w.rawHead(method+" "+target, "Accept: application/json", "X-Original-URL: /", "X-Rewrite-URL: /")...)
			if a.Status != http.StatusNotFound || a.Body != "" {
				t.Errorf("%s %s was answered %d %q", method, target, a.Status, a.Body)
			}
		}
	}
	if got := w.Shop.matching(func(*received) bool { return true }); len(got) != 0 {
		t.Errorf("%s reached the shop", got[0].URI)
	}
	w.pay("A1") // the sidecar itself gets through
}

// TestSiteCannotTakeOurPaths: redir, rewrite, try_files and basic_auth stand
// behind the module. Only the return goes on through them.
func TestSiteCannotTakeOurPaths(t *testing.T) {
	// the hash is of "secret", with bcrypt's least cost
	const auth = "basic_auth {\nbuyer $2a$04$9r3s6dV7Qh2J7BfC0lTAHe5vwmVHBzqJ5ma4hZ3t3v5SxGqTP1NfC\n}\n"
	for name, rest := range map[string]string{
		"redir":      "redir /pay* https://elsewhere.example{uri}\nredir https://elsewhere.example{uri}",
		"rewrite":    "rewrite * /index.php?{query}",
		"try_files":  "root * /nowhere\ntry_files {path} /index.html",
		"basic_auth": auth + "reverse_proxy SHOP",
		"respond":    "respond 403",
		"handle":     "handle /pay* {\nrespond 403\n}\nhandle {\nrespond 403\n}",
		"route":      "route {\nrespond 403\n}",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rest)
			w.buy("T1", "1.00")
			w.wantNotify(w.notice("T1", "1.00"), http.StatusOK, "success")
			w.Shop.wantTold(t, "T1 1 trade.paid TRADE_SUCCESS 0.00")
			if a := w.get("/alipay/orders/T1"); a.Status != http.StatusNotFound {
				t.Errorf("the order path was answered %d", a.Status)
			}
			a := w.get("/pay/return?" + w.returnQuery("T1", "1.00"))
			want := map[string]int{"redir": 302, "rewrite": 200, "try_files": 200, "basic_auth": 401}[name]
			if want == 0 {
				want = 403
			}
			if a.Status != want {
				t.Errorf("the return was answered %d, want %d", a.Status, want)
			}
			if n := len(w.Shop.matching(func(r *received) bool { return strings.Contains(r.URI, "sign=") })); n != 0 {
				t.Errorf("%d returns reached the shop", n)
			}
		})
	}
}
