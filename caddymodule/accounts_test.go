// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

const secondAppID, secondSeller = "9021000100000002", "2088102146225999"

// secondKey is Alipay's key for the second account.
var secondKey = sync.OnceValue(newKey)

// twoAccounts is a world whose second account has keys, a gateway and a seller of
// its own; both share the ledger's file and the site.
func twoAccounts(t *testing.T) *world {
	second := sandboxtest.New(t, sandboxtest.Options{Config: sandbox.Config{AppID: secondAppID, AlipayKey: secondKey()}})
	return newWorld(t, "", func(w *world) {
		writePEM(t, w.path("app2.pem"), "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(second.AppKey)))
		writePEM(t, w.path("alipay2.pem"), "PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&secondKey().PublicKey)))
		w.options = fmt.Sprintf(`alipay second {
			app_id %s
			app_private_key %s
			alipay_public_key %s
			seller_id %s
			gateway %s
			ledger bolt %s
		}`, secondAppID, w.path("app2.pem"), w.path("alipay2.pem"), secondSeller, second.GatewayURL(), w.path("alipay.db"))
	})
}

// offerAt makes an order payable at an account.
func (w *world) offerAt(account, outTradeNo, amount string) {
	w.Shop.setLookUp(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/"+outTradeNo) {
			return false
		}
		_, _ = io.WriteString(rw, fmt.Sprintf(`{"out_trade_no":%q,"total_amount":%q,"subject":"tea","account":%q}`, outTradeNo, amount, account))
		return true
	})
}

// secondNotice is a payment's notice to the second account, signed with key.
func (w *world) secondNotice(key *rsa.PrivateKey, outTradeNo, amount string, change ...string) string {
	v := w.notice(outTradeNo, amount, append([]string{"app_id", secondAppID, "seller_id", secondSeller}, change...)...)
	return sign(key, v).Encode()
}

// TestOrderChoosesItsAccount: the cashier, the notice and the return of an order
// are those of the account that the shop's order names.
func TestOrderChoosesItsAccount(t *testing.T) {
	w := twoAccounts(t)
	w.offerAt("second", "B1", "20.00")
	if to := w.pay("B1"); to.Query().Get("app_id") != secondAppID {
		t.Fatalf("sent to the app %s", to.Query().Get("app_id"))
	}
	w.Shop.offer("A1", "10.00")
	if to := w.pay("A1"); to.Query().Get("app_id") != w.Gateway.AppID {
		t.Fatalf("without an account, sent to the app %s", to.Query().Get("app_id"))
	}
	w.wantPost(w.secondNotice(secondKey(), "B1", "20.00"), 200, "success")
	w.wantNotify(w.notice("A1", "10.00"), 200, "success")
	told := w.Shop.deliveries()
	if len(told) != 2 {
		t.Fatalf("the shop was told %d times", len(told))
	}
	for i, want := range []string{secondAppID, w.Gateway.AppID} {
		if got := told[i].Header.Get("X-Alipay-Trade-App-Id"); got != want {
			t.Errorf("delivery %d is of the app %s, want %s", i, got, want)
		}
	}
	back := url.Values{
		"charset": {"utf-8"}, "out_trade_no": {"B1"}, "method": {"alipay.trade.page.pay.return"}, "total_amount": {"20.00"},
		"trade_no": {"TB1"}, "version": {"1.0"}, "app_id": {secondAppID}, "seller_id": {secondSeller}, "timestamp": {"2026-03-14 10:20:11"},
	}
	if a := w.get("/pay/return?" + sign(secondKey(), back).Encode()); a.Status != 200 {
		t.Errorf("the return was answered %d", a.Status)
	}
}

func (w *world) wantPost(body string, status int, want string) {
	w.t.Helper()
	if a := w.post(body); a.Status != status || a.Body != want {
		w.t.Errorf("answered %d %q, want %d %q", a.Status, a.Body, status, want)
	}
}

// TestKeysOfAccountsNeverMix: a message for one app that is signed with the key
// of another account is no message of Alipay, whichever site it comes to.
func TestKeysOfAccountsNeverMix(t *testing.T) {
	w := twoAccounts(t)
	w.offerAt("second", "B1", "20.00")
	w.pay("B1")
	w.Shop.offer("A1", "10.00")
	w.pay("A1")
	w.wantPost(w.secondNotice(alipayKey(), "B1", "20.00"), 400, "failure")
	w.wantPost(sign(secondKey(), w.notice("A1", "10.00")).Encode(), 400, "failure")
	w.wantPost(w.secondNotice(secondKey(), "B1", "20.00", "app_id", "9021000100000003"), 400, "failure")
	if n := len(w.Shop.deliveries()); n != 0 {
		t.Errorf("the shop was told %d times", n)
	}
	// signed right, but the order was sent to the other account: held, never told
	w.wantPost(w.secondNotice(secondKey(), "A1", "10.00"), 200, "success")
	if n := len(w.Shop.deliveries()); n != 0 {
		t.Errorf("the shop was told %d times", n)
	}
}

// TestPaidAtAnotherAccount: an order is not paid twice because its account has
// changed, and an account that is not configured is the shop's mistake.
func TestPaidAtAnotherAccount(t *testing.T) {
	w := twoAccounts(t)
	w.offerAt("second", "B1", "20.00")
	w.pay("B1")
	w.wantPost(w.secondNotice(secondKey(), "B1", "20.00"), 200, "success")
	w.offerAt("default", "B1", "20.00")
	if a := w.get("/pay?out_trade_no=B1"); a.Status != http.StatusConflict {
		t.Errorf("/pay answered %d", a.Status)
	}
	w.offerAt("third", "B2", "20.00")
	if a := w.get("/pay?out_trade_no=B2"); a.Status != http.StatusBadGateway {
		t.Errorf("/pay at an unknown account answered %d", a.Status)
	}
}

// TestRefusedEventOfAnotherAccount: what the shop refuses comes again, whichever
// account it is about, and each event from one courier alone.
func TestRefusedEventOfAnotherAccount(t *testing.T) {
	w := twoAccounts(t)
	var mu sync.Mutex
	refusals := 0
	w.Shop.setDeliver(func(rw http.ResponseWriter, _ *received) {
		mu.Lock()
		defer mu.Unlock()
		if refusals++; refusals == 1 {
			rw.WriteHeader(http.StatusInternalServerError)
		}
	})
	w.offerAt("second", "B1", "20.00")
	w.pay("B1")
	w.wantPost(w.secondNotice(secondKey(), "B1", "20.00"), 503, "failure")
	until(t, "the event comes again", func() bool { return len(w.Shop.deliveries()) == 2 })
	told := w.Shop.deliveries()
	if a, b := told[0].Header.Get("X-Alipay-Trade-Event-Id"), told[1].Header.Get("X-Alipay-Trade-Event-Id"); a != b || a == "" {
		t.Errorf("told as %q and as %q", a, b)
	}
}

// TestOneAccountPerApp: app_id tells whose a notice is.
func TestOneAccountPerApp(t *testing.T) {
	w := newWorld(t, "")
	w.options = "alipay second {\napp_id " + w.Gateway.AppID + "\napp_private_key " + w.path("app.pem") +
		"\nalipay_public_key " + w.path("alipay.pem") + "\nledger bolt " + w.path("other.db") + "\n}"
	err := load(w.caddyfile())
	if err == nil || !strings.Contains(err.Error(), `"default" and "second" have the same app_id`) {
		t.Errorf("%v", err)
	}
}
