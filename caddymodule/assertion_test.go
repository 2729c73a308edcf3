// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/go-jose/go-jose/v4"

	"github.com/caddy-alipay/caddy-alipay/caddymodule"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/assertion"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/merchant"
	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
)

const assertionHeader = "X-Alipay-Trade-Assertion"

// assertionClaims names the claim of each header.
var assertionClaims = map[string]string{
	"Out-Trade-No": "sub", "Event-Id": "jti", "No": "trade_no", "Status": "status", "Total-Amount": "total_amount",
	"Refunded-Amount": "refunded_amount", "App-Id": "app_id", "Seller-Id": "seller_id", "Buyer-Id": "buyer_id",
	"Paid-At": "paid_at", "Source": "source", "Event": "event", "Sequence": "sequence",
}

// wantAsserted fails unless a request at the shop has an assertion that verifies
// under key, states each header to the letter and, for a delivery, its body.
func (w *world) wantAsserted(r *received, key any, alg jose.SignatureAlgorithm) {
	w.t.Helper()
	parsed, err := jose.ParseSignedCompact(r.Header.Get(assertionHeader), []jose.SignatureAlgorithm{alg})
	if err != nil {
		w.t.Fatalf("%s: %v", r.Header.Get(assertionHeader), err)
	}
	payload, err := parsed.Verify(key)
	if err != nil {
		w.t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		w.t.Fatal(err)
	}
	want := map[string]any{"iss": "caddy-alipay", "aud": w.URL, "iat": claims["iat"], "exp": claims["exp"]}
	for header, claim := range assertionClaims {
		if v := r.Header.Get("X-Alipay-Trade-" + header); v != "" {
			want[claim] = v
		}
	}
	if r.Method == http.MethodPost {
		digest := sha256.Sum256([]byte(r.Body))
		want["body_sha256"] = hex.EncodeToString(digest[:])
	}
	if len(claims) != len(want) {
		w.t.Errorf("claims %v, want %v", claims, want)
	}
	for claim, value := range want {
		if claims[claim] != value {
			w.t.Errorf("claim %s: %v, want %v", claim, claims[claim], value)
		}
	}
}

// purchase pays an order at the cashier and comes back. It returns what the shop got:
// the delivery and the return.
func (w *world) purchase(outTradeNo string) (delivery, back *received) {
	w.t.Helper()
	w.Shop.offer(outTradeNo, "88.88")
	w.Gateway.Open(w.pay(outTradeNo).String())
	if err := w.Gateway.Pay(outTradeNo, 1); err != nil {
		w.t.Fatal(err)
	}
	w.Gateway.Wait()
	tr := must(w.Gateway.Trade(outTradeNo))
	if a := w.get(must(url.Parse(tr.ReturnURL)).RequestURI()); a.Status != http.StatusOK {
		w.t.Fatalf("the return was answered %d", a.Status)
	}
	for _, d := range w.Shop.deliveries() {
		if d.Header.Get("X-Alipay-Trade-Out-Trade-No") == outTradeNo {
			delivery = d
		}
	}
	if delivery == nil {
		w.t.Fatal("nothing was delivered")
	}
	return delivery, w.lastPage("/pay/return")
}

// assertionKey makes a key file for the option assertion_key.
func (w *world) assertionKey(name string) ed25519.PrivateKey {
	w.t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	writePEM(w.t, w.path(name), "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))
	return key
}

func kidOf(t *testing.T, r *received) string {
	t.Helper()
	parsed, err := jose.ParseSignedCompact(r.Header.Get(assertionHeader), []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Signatures[0].Protected.KeyID
}

// withMerchant adds a merchant's side to the configuration, and returns its URL.
func (w *world) withMerchant(options string) string {
	w.t.Helper()
	address := "http://" + loopback.Address(w.t)
	config := w.caddyfile() + "\n" + address + " {\nalipay_merchant {\ntoken 0123456789abcdef0123456789abcdef\n" + options + "\n}\n}\n"
	if err := load(config); err != nil {
		w.t.Fatal(err)
	}
	return address
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := must(io.ReadAll(resp.Body))
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/jwk-set+json" ||
		resp.Header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("%s: %d %v %s", url, resp.StatusCode, resp.Header, body)
	}
	return string(body)
}

// TestAssertionKeysAreServed: the keys are on the merchant's side, without a token
// and without their private halves; those who share a secret have none.
func TestAssertionKeysAreServed(t *testing.T) {
	w := newWorld(t, "", func(w *world) { w.site = "assertion hs256 0123456789abcdef0123456789abcdef" })
	if got := fetch(t, w.withMerchant("")+merchant.KeysPath); got != `{"keys":[]}` {
		t.Errorf("with a secret: %s", got)
	}
	w.site = ""
	base := w.withMerchant("jwks /keys.json")
	delivery, back := w.purchase("A1")
	for _, path := range []string{merchant.KeysPath, "/keys.json"} {
		text := fetch(t, base+path)
		var set jose.JSONWebKeySet
		if err := json.Unmarshal([]byte(text), &set); err != nil || len(set.Keys) != 2 || strings.Contains(text, `"d"`) {
			t.Fatalf("%s: %s, %v", path, text, err)
		}
		w.wantAsserted(delivery, set, jose.EdDSA)
		w.wantAsserted(back, set, jose.EdDSA)
	}
	resp, err := http.Get(base + "/orders")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("orders without a token: %d", resp.StatusCode)
	}
	for _, path := range []string{"keys.json", "/a//b", "/keys?x", "/{x}"} {
		if err := load(w.caddyfile() + "\nhttp://127.0.0.1:0 {\nalipay_merchant {\ntoken 0123456789abcdef0123456789abcdef\njwks " + path + "\n}\n}\n"); err == nil ||
			!strings.Contains(err.Error(), "is no plain path") {
			t.Errorf("jwks %s: %v", path, err)
		}
	}
}

// TestAssertionKeysLast: on by default, under one key over reloads and restarts.
func TestAssertionKeysLast(t *testing.T) {
	w := newWorld(t, "")
	first, back := w.purchase("A1")
	if kidOf(t, first) != kidOf(t, back) {
		t.Error("delivery and return are signed under two keys")
	}
	w.reload()
	second, _ := w.purchase("A2")
	w.restart()
	third, _ := w.purchase("A3")
	if kid := kidOf(t, first); kid == "" || kidOf(t, second) != kid || kidOf(t, third) != kid {
		t.Errorf("signed under %q, after a reload %q, after a restart %q", kid, kidOf(t, second), kidOf(t, third))
	}
}

// TestAssertionConfiguredKeys: the first of several signs, all verify.
func TestAssertionConfiguredKeys(t *testing.T) {
	var a, b ed25519.PrivateKey
	w := newWorld(t, "", func(w *world) {
		a, b = w.assertionKey("a.pem"), w.assertionKey("b.pem")
		w.global = "assertion_key " + w.path("a.pem") + "\nassertion_key " + w.path("b.pem")
	})
	delivery, back := w.purchase("A1")
	w.wantAsserted(delivery, a.Public(), jose.EdDSA)
	w.wantAsserted(back, a.Public(), jose.EdDSA)
	w.global = "assertion_key " + w.path("b.pem") + "\nassertion_key " + w.path("a.pem")
	w.reload()
	delivery, _ = w.purchase("A2")
	w.wantAsserted(delivery, b.Public(), jose.EdDSA)
}

func TestAssertionSecret(t *testing.T) {
	secret := strings.Repeat("s3cret-", 6)
	t.Setenv("ALIPAY_ASSERTION_SECRET", secret)
	w := newWorld(t, "", func(w *world) { w.site = "assertion hs256 {env.ALIPAY_ASSERTION_SECRET}" })
	delivery, back := w.purchase("A1")
	w.wantAsserted(delivery, []byte(secret), jose.HS256)
	w.wantAsserted(back, []byte(secret), jose.HS256)

	t.Setenv("ALIPAY_ASSERTION_SECRET", secret[:31])
	if err := load(w.caddyfile() + "\n"); err == nil || !strings.Contains(err.Error(), "assertion: the secret has less than 32 bytes") ||
		strings.Contains(err.Error(), secret[:8]) {
		t.Errorf("a short secret: %v", err)
	}
	w.site = "assertion hs256 {env.ALIPAY_ASSERTION_SECRET_THAT_IS_NOT_SET}"
	if err := load(w.caddyfile()); err == nil || !strings.Contains(err.Error(), "set the variable") {
		t.Errorf("an unset secret: %v", err)
	}
}

func TestAssertionOff(t *testing.T) {
	w := newWorld(t, "", func(w *world) { w.site = "assertion off" })
	delivery, back := w.purchase("A1")
	if delivery.Header[assertionHeader] != nil || back.Header[assertionHeader] != nil {
		t.Errorf("signed though it is off: %v, %v", delivery.Header, back.Header)
	}
}

// TestAssertionAgain: each delivery of one event is signed anew, for an assertion
// is good for five minutes and a shop may be down for days.
func TestAssertionAgain(t *testing.T) {
	var key ed25519.PrivateKey
	w := newWorld(t, "", func(w *world) {
		key = w.assertionKey("a.pem")
		w.global = "assertion_key " + w.path("a.pem")
	})
	w.Shop.setDeliver(func(rw http.ResponseWriter, _ *received) { http.Error(rw, "down", http.StatusServiceUnavailable) })
	w.Shop.offer("A1", "1.00")
	w.pay("A1")
	w.wantNotify(w.notice("A1", "1.00"), http.StatusServiceUnavailable, "failure")
	w.Shop.setDeliver(nil)
	w.wantNotify(w.notice("A1", "1.00"), http.StatusOK, "success")
	deliveries := w.Shop.deliveries()
	if len(deliveries) != 2 {
		t.Fatalf("%d deliveries", len(deliveries))
	}
	for _, d := range deliveries {
		w.wantAsserted(d, key.Public(), jose.EdDSA)
	}
	if a, b := deliveries[0].Header, deliveries[1].Header; a.Get("X-Alipay-Trade-Event-Id") != b.Get("X-Alipay-Trade-Event-Id") {
		t.Errorf("event ids %v, %v", a, b)
	}
}

// TestAssertionForged: what a client sends under the assertion's name never
// reaches the shop.
func TestAssertionForged(t *testing.T) {
	w := newWorld(t, "")
	for _, name := range []string{assertionHeader, "X_Alipay_Trade_Assertion", "x.alipay.trade.assertion"} {
		w.do(http.MethodGet, "/forged", "", http.Header{name: {"a.b.c"}})
		for header := range w.lastPage("/forged").Header {
			if strings.Contains(strings.ToLower(header), "assertion") {
				t.Errorf("%s reached the shop as %s", name, header)
			}
		}
	}
}

func TestAssertionMisconfigured(t *testing.T) {
	w := newWorld(t, "", func(w *world) { w.assertionKey("a.pem") })
	for _, c := range []struct{ global, site, want string }{
		{"assertion_key " + w.path("app.pem"), "", "assertion_key: this is a key of another kind"},
		{"assertion_key " + w.path("alipay.pem"), "", "assertion_key: this is no private key in PEM"},
		{"assertion_key " + w.path("none.pem"), "", "no such file"},
		{"assertion_key " + w.path("a.pem") + "\nassertion_key " + w.path("a.pem"), "", "the same key is given twice"},
		{"assertion_key " + w.path("a.pem") + "\nassertion_rotate 90d", "", "assertion_rotate is for keys that the ledger keeps"},
		{"assertion_rotate 59m", "", "assertion_rotate 59m0s is outside 1h to 3650d"},
		{"", "assertion hs256 short", assertion.ErrShortSecret.Error()},
	} {
		w.global, w.site = c.global, c.site
		if err := load(w.caddyfile()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", c.global, c.site, err, c.want)
		}
	}
	w.global, w.site = "", ""
	w.reload()
}

// TestAssertionRotation rotates and revokes by hand, as a command does.
func TestAssertionRotation(t *testing.T) {
	w := newWorld(t, "")
	keys := w.withMerchant("") + merchant.KeysPath
	listed := func() (set jose.JSONWebKeySet) {
		if err := json.Unmarshal([]byte(fetch(t, keys)), &set); err != nil {
			t.Fatal(err)
		}
		return set
	}
	before := listed()
	first, _ := w.purchase("A1")
	kid, err := account(t).RotateAssertion(t.Context(), false)
	if err != nil || kid != before.Keys[1].KeyID {
		t.Fatalf("rotated to %q, %v; listed were %v", kid, err, before)
	}
	second, _ := w.purchase("A2")
	w.wantAsserted(second, before, jose.EdDSA) // a shop need not have read the list again
	w.wantAsserted(first, listed(), jose.EdDSA)
	if kidOf(t, second) != kid || len(listed().Keys) != 3 {
		t.Errorf("signed under %s, listed are %v", kidOf(t, second), listed())
	}
	revoked := listed()
	if kid, err = account(t).RotateAssertion(t.Context(), true); err != nil || len(revoked.Key(kid)) != 0 {
		t.Fatalf("revoked for %q, %v", kid, err)
	}
	third, _ := w.purchase("A3")
	w.wantAsserted(third, listed(), jose.EdDSA)
	for _, key := range revoked.Keys {
		if now := listed(); len(now.Key(key.KeyID)) != 0 || len(now.Keys) != 2 {
			t.Errorf("%s is listed still: %v", key.KeyID, now)
		}
	}
	w.assertionKey("a.pem")
	w.global = "assertion_key " + w.path("a.pem")
	w.reload()
	if _, err := account(t).RotateAssertion(t.Context(), false); err == nil || !strings.Contains(err.Error(), "put a new assertion_key before the others") {
		t.Errorf("configured keys: %v", err)
	}
}

// account is the account of the running configuration.
func account(t *testing.T) *caddymodule.Account {
	t.Helper()
	app := must(caddy.ActiveContext().App("alipay")).(*caddymodule.App)
	return app.Accounts["default"]
}
