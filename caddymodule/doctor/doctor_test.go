// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// illness is what is wrong with a patient and all that a doctor should say of it,
// apart from what is fine.
type illness struct {
	name string
	get  func(*patient)
	want []string // "severity code"
}

func page(status int, contentType, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		answer(w, status, body)
	}
}

func redirect(to string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusMovedPermanently) }
}

var configuration = []illness{
	{"healthy", func(*patient) {}, nil},
	{"healthy with certificates", (*patient).certMode, []string{"fault app-certificate-unknown"}}, // the sandbox is in key mode
	{"offline", func(p *patient) { p.opts.Offline = true; p.front, p.shop = nil, nil }, nil},
	{"no account", func(p *patient) { p.opts.Config = []byte(`{}`) }, []string{"fault no-account", "warning no-site"}},
	{"another account", func(p *patient) { p.site = append(p.site, "account b") }, []string{"fault unknown-account"}},
	{"unset variable", func(p *patient) { p.set("app_id", "{env.NO_SUCH_VARIABLE_HERE}") }, []string{"fault option-unset"}},
	{"bad app_id", func(p *patient) { p.set("app_id", "2021-1") }, []string{"fault app-id"}},
	{"bad seller_id", func(p *patient) { p.set("seller_id", "me@example.com") }, []string{"fault seller-id"}},
	{"no seller_id", func(p *patient) { p.set("seller_id", "") }, []string{"warning seller-id-missing"}},
	{"bad gateway", func(p *patient) { p.opts.Offline = true; p.set("gateway", "prod") }, []string{"fault gateway-option"}},
	{"plain gateway", func(p *patient) {
		p.opts.Offline = true
		p.set("gateway", "http://gateway.example.com/gateway.do")
		p.set("public_url", "https://shop.example.com")
	}, []string{"warning gateway-plain"}},
	{"bad public_url", func(p *patient) { p.set("public_url", "shop.example.com") }, []string{"fault public-url"}},
	{"plain public_url", func(p *patient) {
		p.set("gateway", "production")
		p.opts.Offline = true
		p.set("public_url", "http://shop.example.com")
	}, []string{"warning public-url-http"}},
	{"private public_url", func(p *patient) {
		p.set("gateway", "production")
		p.opts.Offline = true
		p.set("public_url", "https://10.1.2.3")
	}, []string{"fault public-url-private"}},
}

var keys = []illness{
	{"no private key", func(p *patient) { p.set("app_private_key", "") }, []string{"fault private-key-missing"}},
	{"no such file", func(p *patient) { p.set("app_private_key", "/nonexistent/key.pem") }, []string{"fault private-key"}},
	{"public as private", func(p *patient) { p.set("app_private_key", p.path("alipay.pem")) }, []string{"fault private-key"}},
	{"open mode", func(p *patient) {
		if err := os.Chmod(p.path("app.pem"), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}, []string{"warning private-key-mode"}},
	{"no Alipay key", func(p *patient) { p.set("alipay_public_key", "") }, []string{"fault alipay-key-missing"}},
	{"private as Alipay's", func(p *patient) { p.set("alipay_public_key", p.path("app.pem")) }, []string{"fault alipay-key"}},
	{"no Alipay file", func(p *patient) { p.set("alipay_public_key", "/nonexistent/key.pem") }, []string{"fault alipay-key"}},
	{"own public key", func(p *patient) {
		p.write("alipay.pem", "PUBLIC KEY", publicDER(appKey()))
	}, []string{"fault own-public-key"}},
	{"both modes", func(p *patient) { p.set("app_cert", p.path("x.crt")) }, []string{"fault key-modes-mixed"}},
	{"few certificates", func(p *patient) { p.certMode(); p.set("alipay_root_cert", "") }, []string{"fault certificates-incomplete"}},
	{"no certificate", func(p *patient) { p.certMode(); p.set("app_cert", p.path("app.pem")) }, []string{"fault certificate"}},
	{"no root file", func(p *patient) { p.certMode(); p.set("alipay_root_cert", "/nonexistent.crt") }, []string{"fault certificate"}},
	{"no Alipay certificate", func(p *patient) { p.certMode(); p.set("alipay_cert", "/nonexistent.crt") }, []string{"fault certificate"}},
	{"mismatch", func(p *patient) {
		p.certMode()
		p.certificate("app.crt", otherKey(), time.Now().AddDate(1, 0, 0))
	}, []string{"fault app-certificate-mismatch"}},
	{"no chain", func(p *patient) {
		p.opts.Offline = true
		p.certMode()
		p.set("alipay_root_cert", p.certificate("other.crt", appKey(), time.Now().AddDate(1, 0, 0)))
	}, []string{"warning certificate-chain"}},
	{"bad encrypt_key", func(p *patient) { p.set("encrypt_key", "not-base64") }, []string{"fault encrypt-key"}},
	{"signer of another module", func(p *patient) { p.set("app_private_key", "pkcs11:token=x") }, []string{"fault private-key"}},
	{"file as a URI", func(p *patient) { p.set("app_private_key", "file:"+p.path("app.pem")) }, nil},
	{"bad older key", func(p *patient) { p.set("alipay_public_key", p.path("alipay.pem")+" /nonexistent.pem") }, []string{"fault alipay-key"}},
	{"own certificate as Alipay's", func(p *patient) { p.certMode(); p.set("alipay_cert", p.path("app.crt")) }, []string{"fault own-public-key"}},
	{"expired", func(p *patient) {
		p.certMode()
		p.certificate("app.crt", appKey(), time.Now().Add(-time.Minute))
	}, []string{"fault certificate-expired"}},
	{"expiring", func(p *patient) {
		p.opts.Offline = true
		p.certMode()
		p.certificate("alipay.crt", alipayKey(), time.Now().AddDate(0, 0, 20))
	}, []string{"warning certificate-expiring"}},
}

var gateways = []illness{
	{"nobody there", func(p *patient) { p.set("gateway", "http://"+closedAddress(p.t)+"/gateway.do") }, []string{"fault gateway-unreachable"}},
	{"slow clock", func(p *patient) { p.opts.Now = func() time.Time { return time.Now().Add(-time.Minute) } }, []string{"warning clock"}},
	{"wrong clock", func(p *patient) { p.opts.Now = func() time.Time { return time.Now().Add(time.Hour) } }, []string{"fault clock"}},
	{"timestamp refused", func(p *patient) { p.gatewayError("isv.invalid-timestamp") }, []string{"fault clock"}},
	{"unknown app", func(p *patient) { p.set("app_id", "2021000000000009") }, []string{"fault app-unknown"}},
	{"unknown key", func(p *patient) {
		p.write("app.pem", "PRIVATE KEY", must(privateDER(otherKey())))
	}, []string{"fault app-key-unknown"}},
	{"certificate mode", func(p *patient) { p.gatewayError("isv.missing-app-cert-sn") }, []string{"fault app-certificate-unknown"}},
	{"other certificate", func(p *patient) { p.gatewayError("isv.app-cert-expired") }, []string{"fault app-certificate-unknown"}},
	{"not online", func(p *patient) { p.gatewayError("not-online-app") }, []string{"fault app-offline"}},
	{"not signed for", func(p *patient) { p.gatewayError("isv.insufficient-isv-permissions") }, []string{"fault product-unsigned"}},
	{"another error", func(p *patient) { p.gatewayError("isv.something-new") }, []string{"fault gateway-refused"}},
	{"other Alipay key", func(p *patient) {
		p.write("alipay.pem", "PUBLIC KEY", publicDER(otherKey()))
	}, []string{"fault alipay-key-wrong"}},
	{"unsigned", func(p *patient) {
		p.gatewaySays(page(http.StatusOK, "application/json", `{"alipay_trade_query_response":{"code":"40004","msg":"x","sub_code":"ACQ.TRADE_NOT_EXIST"}}`))
	}, []string{"warning gateway-unsigned"}},
	{"a web page", func(p *patient) { p.gatewaySays(page(http.StatusOK, "text/html", "<html>welcome")) }, []string{"warning gateway-refused"}},
	{"a status", func(p *patient) { p.gatewaySays(page(http.StatusNotFound, "text/html", "<html>404")) }, []string{"fault gateway-refused"}},
}

var fronts = []illness{
	{"nobody there", func(p *patient) { p.set("public_url", "http://"+closedAddress(p.t)) }, []string{"fault public-url-unreachable"}},
	{"no such name", func(p *patient) { p.set("public_url", "http://nobody.invalid") }, []string{"fault public-url-unreachable"}},
	{"own certificate", func(p *patient) {
		s := httptest.NewTLSServer(http.NotFoundHandler())
		p.t.Cleanup(s.Close)
		s.Config.ErrorLog = quietLog
		p.set("public_url", s.URL)
	}, []string{"fault public-url-tls"}},
	{"to https", func(p *patient) { p.at("http://shop.example"); p.front = redirect("https://shop.example/pay/notify") }, []string{"fault notify-redirect"}},
	{"to login", func(p *patient) { p.front = redirect("/login") }, []string{"fault notify-redirect"}},
	{"to a slash", func(p *patient) { p.front = redirect("/pay/notify/") }, []string{"fault notify-slash"}},
	{"challenge", func(p *patient) {
		p.front = page(http.StatusForbidden, "text/html", "<html><title>Just a moment...</title>")
	}, []string{"fault notify-challenge"}},
	{"challenge by header", func(p *patient) {
		p.front = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cf-Mitigated", "challenge")
			answer(w, http.StatusServiceUnavailable, "")
		}
	}, []string{"fault notify-challenge"}},
	{"only browsers", func(p *patient) {
		p.front = func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.UserAgent(), "Mozilla/") {
				answer(w, http.StatusForbidden, "no robots")
				return
			}
			answer(w, http.StatusBadRequest, "failure")
		}
	}, []string{"fault notify-user-agent"}},
	{"a shop's page", func(p *patient) { p.front = page(http.StatusOK, "text/html", "<html>Our shop") }, []string{"fault notify-elsewhere"}},
	{"shadow", func(p *patient) { p.shadow(); p.front = page(http.StatusOK, "text/plain", "fail") }, nil},
	{"shadow of a believer", func(p *patient) { p.shadow(); p.front = page(http.StatusOK, "text/plain", "success") }, []string{"fault shop-unverified"}},
	{"shadow behind a redirect", func(p *patient) { p.shadow(); p.front = redirect("/pay/notify/") }, []string{"fault notify-slash"}},
	{"a password", func(p *patient) { p.front = page(http.StatusUnauthorized, "text/plain", "who are you?") }, []string{"fault notify-elsewhere"}},
}

const anOrder = `{"out_trade_no":%q,"total_amount":"1.00","subject":"tea"}`

var shops = []illness{
	{"down", func(p *patient) { p.set("shop", closedAddress(p.t)) }, []string{"fault shop-unreachable"}},
	{"silent", func(p *patient) {
		p.site = append(p.site, "shop_timeout 100ms")
		p.shop = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	}, []string{"fault shop-unreachable"}},
	{"leaks", func(p *patient) {
		p.opts.OutTradeNo = "TEA-1"
		p.shop = page(http.StatusOK, "application/json", fmt.Sprintf(anOrder, "TEA-1"))
	}, []string{"fault order-leaks"}},
	{"sells all numbers", func(p *patient) {
		p.shop = func(w http.ResponseWriter, r *http.Request) {
			answer(w, http.StatusOK, fmt.Sprintf(anOrder, strings.TrimPrefix(r.URL.Path, "/orders/")))
		}
	}, []string{"fault order-any-number"}},
	{"login page", func(p *patient) { p.shop = page(http.StatusOK, "text/html", "<html>log in") }, []string{"fault order-unusable"}},
	{"guards", func(p *patient) { p.opts.OutTradeNo = "TEA-1"; p.shop = redirect("/login") }, nil},
	{"open port", func(p *patient) {
		l, err := (&net.ListenConfig{}).Listen(p.t.Context(), "tcp4", "0.0.0.0:0")
		if err != nil {
			p.t.Fatal(err)
		}
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}}
		s.Start()
		p.t.Cleanup(s.Close)
		// another address of this machine, as a network card's would be
		p.opts.own = func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.2")} }
		p.set("shop", fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port))
	}, []string{"warning shop-exposed"}},
	{"closed port", func(p *patient) {
		p.opts.own = func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.2")} }
	}, nil},
}

func health(change func(*Health)) func(*patient) {
	return func(p *patient) {
		h := Health{Totals: ledger.Totals{Paid: 300, Accepted: 200, Undelivered: 100, Refunded: 50, RefundedTold: 50}}
		change(&h)
		p.opts.Health = func(context.Context) (map[string]Health, error) {
			return map[string]Health{"default": h, "of another configuration": {Err: "x"}}, nil
		}
	}
}

var servers = []illness{
	{"none", func(p *patient) {
		p.opts.Health = func(context.Context) (map[string]Health, error) { return nil, errors.New("connection refused") }
	}, []string{"note server-down"}},
	{"well", health(func(*Health) {}), nil},
	{"failing", health(func(h *Health) { h.Err = "disk full" }), []string{"fault ledger-failing"}},
	{"books", health(func(h *Health) { h.Totals.Accepted = 0 }), []string{"fault books-differ"}},
	{"refund books", health(func(h *Health) { h.Totals.RefundedTold = 0 }), []string{"fault books-differ"}},
	{"dead", health(func(h *Health) { h.Totals.DeadEvents, h.Totals.UndeliveredEvents = 2, 2 }), []string{"fault events-dead"}},
	{"undelivered", health(func(h *Health) { h.Totals.UndeliveredEvents, h.Totals.UndeliveredSince = 2, time.Now() }), []string{"warning events-undelivered"}},
	{"held", health(func(h *Health) { h.Totals.HeldItems = 1 }), []string{"warning held-waiting"}},
	{"unknown", health(func(h *Health) { h.Totals.Unknown = 1 }), []string{"warning refunds-unknown"}},
}

// TestIllnesses: for each thing that can be wrong the doctor finds just that, in
// both languages, and every code is found at least once.
func TestIllnesses(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[Code]bool{}
	t.Cleanup(func() { // after the last of them
		for _, code := range Codes() {
			if !seen[code] {
				t.Errorf("no illness shows %s", code)
			}
		}
	})
	for _, group := range [][]illness{configuration, keys, gateways, fronts, shops, servers} {
		for _, ill := range group {
			t.Run(ill.name, func(t *testing.T) {
				t.Parallel()
				p := newPatient(t)
				ill.get(p)
				found := p.examine()
				mu.Lock()
				for _, f := range found {
					seen[f.Code] = true
				}
				mu.Unlock()
				check(t, found, ill.want)
				p.opts.Lang = lang.Chinese
				check(t, p.examine(), ill.want)
			})
		}
	}
}

func check(t *testing.T, found []Finding, want []string) {
	t.Helper()
	var got []string
	for _, f := range found {
		if f.Severity != Fine {
			got = append(got, string(f.Severity)+" "+string(f.Code))
		}
		if f.Text == "" || strings.Contains(f.Text+f.Cure, "%!") || (f.Severity == Fine) != strings.HasSuffix(string(f.Code), "-fine") {
			t.Errorf("a bad finding: %+v", f)
		}
		if f.Severity == Fault && f.Cure == "" && f.Code != GatewayRefused {
			t.Errorf("%s has no cure", f.Code)
		}
		if !slices.Contains(Codes(), f.Code) {
			t.Errorf("%s is no code of the list", f.Code)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q\n%s", got, want, Text(found, lang.English, false))
	}
}
