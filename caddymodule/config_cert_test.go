// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

// certificates writes a set of certificates for the world's keys and more that
// are wrong, and returns the set.
func (k *keyring) certificates() *sandbox.Certificates {
	k.t.Helper()
	set := must(sandbox.NewCertificates(&appKey().PublicKey, &alipayKey().PublicKey))
	other := must(sandbox.NewCertificates(&alipayKey().PublicKey, &newKey().PublicKey))
	k.write("app.crt", string(set.AppPEM()))
	k.write("alipay.crt", string(set.AlipayPEM()))
	k.write("root.crt", string(set.RootPEM()))
	k.write("app-other.crt", string(other.AppPEM()))
	k.write("root-none.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
	return set
}

// inCertificateMode is right with certificates in place of Alipay's public key.
func (k *keyring) inCertificateMode() settings {
	return k.right().with("alipay_public_key", "-").with("global.app_cert", k.path("app.crt")).
		with("global.alipay_cert", k.path("alipay.crt")).with("global.alipay_root_cert", k.path("root.crt"))
}

// TestWrongCertificates: each is refused with a sentence that names the option
// and the cure.
func TestWrongCertificates(t *testing.T) {
	k := newKeyring(t)
	k.certificates()
	if err := validate(k.inCertificateMode().caddyfile()); err != nil {
		t.Fatalf("right certificates: %v", err)
	}
	const together = "app_cert, alipay_cert and alipay_root_cert together"
	for _, c := range []struct {
		option, value string
		want          []string
	}{
		{"global.app_cert", "-", []string{together}},
		{"global.alipay_cert", "-", []string{together}},
		{"global.alipay_root_cert", "-", []string{together}},
		{"alipay_public_key", k.path("alipay"), []string{"alipay_public_key excludes app_cert", "certificate mode"}},
		{"global.app_cert", k.path("none"), []string{"app_cert", k.path("none")}},
		{"global.app_cert", "{env.TEST_UNSET_CERT}", []string{"app_cert", "TEST_UNSET_CERT", "set the variable"}},
		{"global.app_cert", k.path("app-other.crt"), []string{"app_cert and app_private_key do not belong together"}},
		{"global.app_cert", k.path("alipay.crt"), []string{"app_cert and app_private_key do not belong together"}},
		{"global.app_cert", k.path("app8"), []string{"app_cert", "private key where a certificate belongs"}},
		{"global.app_cert", k.path("app-pub"), []string{"app_cert", "public key where a certificate belongs"}},
		{"global.app_cert", k.path("garbage"), []string{"app_cert", "no certificate in this file"}},
		{"global.app_cert", k.path("empty"), []string{"app_cert"}},
		{"global.app_cert", k.path("large"), []string{"app_cert", "64 KiB"}},
		{"global.alipay_cert", k.path("none"), []string{"alipay_cert", k.path("none")}},
		{"global.alipay_cert", "{env.TEST_UNSET_CERT}", []string{"alipay_cert", "TEST_UNSET_CERT", "set the variable"}},
		{"global.alipay_cert", k.path("app.crt"), []string{"alipay_cert", "app_cert", "own"}},
		{"global.alipay_cert", k.path("alipay"), []string{"alipay_cert", "alipay_public_key", "public key where a certificate belongs"}},
		{"global.alipay_cert", k.path("ec-pub"), []string{"alipay_cert"}},
		{"global.alipay_cert", k.path("garbage"), []string{"alipay_cert", "no certificate in this file"}},
		{"global.alipay_root_cert", k.path("none"), []string{"alipay_root_cert", k.path("none")}},
		{"global.alipay_root_cert", k.path("root-none.crt"), []string{"alipay_root_cert"}},
		{"global.alipay_root_cert", k.path("app8"), []string{"alipay_root_cert", "private key where a certificate belongs"}},
	} {
		err := validate(k.inCertificateMode().with(c.option, c.value).caddyfile())
		if err == nil {
			t.Errorf("%s %.60s was taken", c.option, c.value)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s %.60s: %q says nothing of %q", c.option, c.value, err, want)
			}
		}
		if strings.Contains(err.Error(), "MII") || strings.Contains(err.Error(), "BEGIN PRIV") {
			t.Errorf("%s: the error holds a key: %v", c.option, err)
		}
	}
}

// TestCertificateMode: a payment in certificate mode, learnt by asking and by a
// notice that names its certificate. A certificate that is not configured chooses
// nothing, and nothing is fetched for it.
func TestCertificateMode(t *testing.T) {
	k := newKeyring(t)
	set := k.certificates()
	var calls *counted
	w := newWorld(t, "", func(w *world) {
		clock := sandbox.NewClock(time.Now(), 1)
		t.Cleanup(clock.Close)
		w.Gateway = sandboxtest.New(t, sandboxtest.Options{AppKey: appKey(), Config: sandbox.Config{
			AlipayKey: alipayKey(), Certificates: set, Clock: clock,
		}})
		calls = w.countQueries()
	})
	mode := "app_cert " + k.path("app.crt") + "\nalipay_cert " + k.path("alipay.crt") + "\nalipay_root_cert " + k.path("root.crt")
	if err := load(strings.Replace(w.caddyfile(), "alipay_public_key "+w.path("alipay.pem"), mode, 1)); err != nil {
		t.Fatal(err)
	}
	for _, no := range []string{"CM1", "CM2", "CM3"} {
		w.Shop.offer(no, "1.00")
		address := w.pay(no)
		if q := address.Query(); q.Get("app_cert_sn") != set.AppSN() || q.Get("alipay_root_cert_sn") != set.RootSN() {
			t.Errorf("the cashier's address names the certificates %q and %q", q.Get("app_cert_sn"), q.Get("alipay_root_cert_sn"))
		}
		w.Gateway.Open(address.String())
	}
	w.fault("CM1", "notify_never")
	if err := w.Gateway.Pay("CM1", 1); err != nil {
		t.Fatal(err)
	}
	back := must(url.Parse(must(w.Gateway.Trade("CM1")).ReturnURL))
	if a := w.get(back.RequestURI()); a.Status != http.StatusOK {
		t.Errorf("the return was answered %d", a.Status)
	}
	until(t, "the payment is learnt by asking", func() bool { return len(w.Shop.deliveries()) == 1 })
	w.fault("CM2", "cert_rolled") // the same key under another number, as Alipay rolls it
	if err := w.Gateway.Pay("CM2", 1); err != nil {
		t.Fatal(err)
	}
	w.Gateway.Wait()
	w.wantNotify(w.notice("CM3", "1.00", "alipay_cert_sn", set.AlipaySN()), http.StatusOK, "success")
	for _, sn := range []string{strings.Repeat("0a", 16), "", "alipay-public-key"} {
		forged := w.notice("CM3", "1.00", "notify_id", "F")
		forged.Set("alipay_cert_sn", sn)
		if a := w.post(sign(newKey(), forged).Encode()); a.Status != http.StatusBadRequest || a.Body != "failure" {
			t.Errorf("a forged notice of the certificate %q was answered %d %q", sn, a.Status, a.Body)
		}
	}
	w.Shop.wantTold(t, "CM1 1 trade.paid TRADE_SUCCESS 0.00", "CM2 1 trade.paid TRADE_SUCCESS 0.00", "CM3 1 trade.paid TRADE_SUCCESS 0.00")
	if n := calls.downloads.Load(); n != 0 || calls.queries.Load() != 1 {
		t.Errorf("Alipay was asked %d times about orders, and %d times for certificates", calls.queries.Load(), n)
	}
}
