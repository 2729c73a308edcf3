// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// validate is caddy validate for a Caddyfile.
func validate(caddyfile string) error {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		return err
	}
	var cfg *caddy.Config
	if err := json.Unmarshal(adapted, &cfg); err != nil {
		return err
	}
	return caddy.Validate(cfg)
}

// keyring is a folder of keys, good and bad.
type keyring struct {
	t   *testing.T
	dir string
}

func newKeyring(t *testing.T) *keyring {
	k := &keyring{t, t.TempDir()}
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	app, alipay := appKey(), alipayKey()
	for name, der := range map[string]struct {
		label string
		bytes []byte
	}{
		"app8":         {"PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(app))},
		"app1":         {"RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(app)},
		"mislabelled":  {"RSA PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(app))},
		"app-pub":      {"PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&app.PublicKey))},
		"app-pub1":     {"RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&app.PublicKey)},
		"alipay":       {"PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&alipay.PublicKey))},
		"alipay1":      {"RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&alipay.PublicKey)},
		"alipay-priv":  {"PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(alipay))},
		"small":        {"PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(small))},
		"small-pub":    {"PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&small.PublicKey))},
		"ec":           {"PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(ec))},
		"ec-pub":       {"PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&ec.PublicKey))},
		"alipay-old":   {"PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&newKey().PublicKey))},
		"alipay-twice": {"PUBLIC KEY", append(must(x509.MarshalPKIXPublicKey(&alipay.PublicKey)), 0, 0, 0)},
		"app-cut":      {"PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(app))[:600]},
	} {
		k.write(name, string(pem.EncodeToMemory(&pem.Block{Type: der.label, Bytes: der.bytes})))
		k.write(name+"-bare", base64.StdEncoding.EncodeToString(der.bytes)) // as Alipay's own tool writes it
	}
	k.write("garbage", "this is no key")
	k.write("empty", "")
	k.write("large", strings.Repeat("A", 65<<10))
	return k
}

func (k *keyring) path(name string) string { return filepath.Join(k.dir, name) }

func (k *keyring) write(name, text string) {
	k.t.Helper()
	if err := os.WriteFile(k.path(name), []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// settings are a configuration that is right, option by option; wrong takes one
// of them and makes it wrong. A value of "-" drops the option.
type settings map[string]string

func (k *keyring) right() settings {
	return settings{
		"app_id": "2021000000000001", "app_private_key": k.path("app8"), "alipay_public_key": k.path("alipay"),
		"seller_id": sellerID, "gateway": "sandbox", "ledger": "bolt " + k.path("ledger.db"),
		"public_url": "https://shop.example", "shop": "localhost:1", "order": "/alipay/orders/{out_trade_no}",
	}
}

// caddyfile puts options in their places; others than the known ones are given
// as global.NAME or site.NAME.
func (s settings) caddyfile() string {
	var global, site strings.Builder
	for name, value := range s {
		into := &site
		switch name {
		case "app_id", "app_private_key", "alipay_public_key", "seller_id", "gateway", "ledger":
			into = &global
		}
		if rest, ok := strings.CutPrefix(name, "global."); ok {
			into, name = &global, rest
		}
		name = strings.TrimPrefix(name, "site.")
		if value != "-" {
			into.WriteString("\t\t" + name + " " + value + "\n")
		}
	}
	return "{\n\tadmin off\n\tauto_https off\n\tlog {\n\t\toutput discard\n\t}\n\talipay {\n" + global.String() +
		"\t}\n}\nhttp://127.0.0.1:1 {\n\talipay {\n" + site.String() + "\t}\n}\n"
}

// with is s with an option changed; "global.x" and "site.x" add one.
func (s settings) with(name, value string) settings {
	s[name] = value
	return s
}

// TestRightConfigurations is what the wrong ones are told from.
func TestRightConfigurations(t *testing.T) {
	k := newKeyring(t)
	t.Setenv("TEST_APP_ID", "2021000000000001")
	t.Setenv("TEST_KEY", string(must(os.ReadFile(k.path("app8")))))
	t.Setenv("TEST_BARE_KEY", string(must(os.ReadFile(k.path("app1-bare")))))
	for _, c := range []struct{ option, value string }{
		{"app_id", "2021000000000001"}, {"app_id", "{env.TEST_APP_ID}"},
		{"app_private_key", k.path("app1")}, {"app_private_key", k.path("app8-bare")}, {"app_private_key", k.path("app1-bare")},
		{"app_private_key", k.path("mislabelled")}, {"app_private_key", "{env.TEST_KEY}"}, {"app_private_key", "{env.TEST_BARE_KEY}"},
		{"alipay_public_key", k.path("alipay1")}, {"alipay_public_key", k.path("alipay-bare")}, {"alipay_public_key", k.path("alipay1-bare")},
		{"app_private_key", "file:" + k.path("app8")}, {"alipay_public_key", k.path("alipay") + " " + k.path("alipay-old")},
		{"global.encrypt_key", "aa4BtZ4tspm2wnXLb1ThQA=="},
		{"seller_id", "-"}, {"gateway", "-"}, {"gateway", "production"}, {"gateway", "http://127.0.0.1:9402/gateway.do"},
		{"public_url", "https://shop.example/"}, {"public_url", "http://127.0.0.1:9400/base"}, {"site.expire", "1m"}, {"site.expire", "15d"},
		{"site.shop_timeout", "100ms"}, {"site.ack", "strict"}, {"site.pay", "/buy"}, {"site.account", "default"},
		{"shop", "{\n\t\t\troot * /srv\n\t\t\tphp_fastcgi unix//run/php.sock\n\t\t}"},
	} {
		if err := validate(k.right().with(c.option, c.value).caddyfile()); err != nil {
			t.Errorf("%s %.60s: %v", c.option, c.value, err)
		}
	}
}

// TestWrongConfigurations: each is refused with a sentence that names the option
// and the cure.
func TestWrongConfigurations(t *testing.T) {
	k := newKeyring(t)
	for _, c := range []struct {
		option, value string
		want          []string // parts of the sentence
	}{
		{"app_id", "-", []string{"app_id is missing", "console"}},
		{"app_id", "{env.TEST_UNSET_ID}", []string{"app_id", "TEST_UNSET_ID", "set the variable"}},
		{"app_id", `"2021 000"`, []string{"app_id", "letters and digits"}},
		{"app_private_key", "-", []string{"app_private_key is missing", "keys/README.md"}},
		{"app_private_key", "{env.TEST_UNSET_KEY}", []string{"app_private_key", "TEST_UNSET_KEY", "set the variable"}},
		{"app_private_key", k.path("none"), []string{"app_private_key", k.path("none")}},
		{"app_private_key", k.dir, []string{"app_private_key", "folder", "name the key file"}},
		{"app_private_key", k.path("app-pub"), []string{"app_private_key", "public key where the app's private key belongs", "give the private half"}},
		{"app_private_key", k.path("app-pub1-bare"), []string{"app_private_key", "public key where the app's private key belongs"}},
		{"app_private_key", k.path("small"), []string{"app_private_key", "1024 bits", "2048", "make a new pair"}},
		{"app_private_key", k.path("ec"), []string{"app_private_key", "RSA2 needs an RSA key"}},
		{"app_private_key", k.path("app-cut"), []string{"app_private_key", "truncated", "copy it again"}},
		{"app_private_key", k.path("garbage"), []string{"app_private_key"}},
		{"app_private_key", k.path("empty"), []string{"app_private_key"}},
		{"app_private_key", k.path("large"), []string{"app_private_key", "64 KiB"}},
		{"alipay_public_key", "-", []string{"alipay_public_key is missing", "支付宝公钥"}},
		{"alipay_public_key", k.path("alipay-priv"), []string{"alipay_public_key", "private key where Alipay's public key belongs", "支付宝公钥"}},
		{"alipay_public_key", k.path("app-pub"), []string{"alipay_public_key is the app's own public key", "give Alipay's (支付宝公钥)"}},
		{"alipay_public_key", k.path("app-pub1-bare"), []string{"alipay_public_key is the app's own public key"}},
		{"alipay_public_key", k.path("small-pub"), []string{"alipay_public_key", "1024 bits", "2048"}},
		{"alipay_public_key", k.path("ec-pub"), []string{"alipay_public_key", "RSA2 needs an RSA key"}},
		{"alipay_public_key", k.path("alipay-twice"), []string{"alipay_public_key", "followed by 3 bytes"}},
		{"alipay_public_key", k.path("alipay") + " " + k.path("app-pub"), []string{"alipay_public_key is the app's own public key"}},
		{"alipay_public_key", k.path("alipay") + " " + k.path("none"), []string{"alipay_public_key", k.path("none")}},
		{"app_private_key", "pkcs11:token=shop", []string{"app_private_key", "pkcs11:", "file", "alipay.signers.pkcs11", "xcaddy"}},
		{"global.encrypt_key", "AAAA", []string{"encrypt_key", "AES"}},
		{"global.encrypt_key", "{env.TEST_UNSET_KEY}", []string{"encrypt_key", "TEST_UNSET_KEY", "set the variable"}},
		{"global.app_cert", k.path("alipay"), []string{"alipay_public_key excludes app_cert"}},
		{"seller_id", "2088-1", []string{"seller_id", "2088102146225135"}},
		{"gateway", "live", []string{"gateway", `"live"`, "production", "sandbox", "URL"}},
		{"gateway", "https://openapi.alipaydev.com/gateway.do", []string{"gateway", "former sandbox", "write sandbox"}},
		{"gateway", "https://x/gateway.do?a=b", []string{"gateway", "query"}},
		{"ledger", "sqlite x.db", []string{"ledger", `"sqlite"`, "bolt"}},
		{"ledger", "bolt " + k.dir, []string{"ledger", "not a file", "name a file"}},
		{"ledger", "bolt " + k.path("garbage"), []string{"no ledger", "restore it from a backup, or name another file"}},
		{"global.app_ip", "1", []string{`unknown option "app_ip"`}},
		{"public_url", "-", []string{"public_url is missing", "https://shop.example.com"}},
		{"public_url", "shop.example", []string{"public_url", "has to begin with https://"}},
		{"public_url", "//shop.example", []string{"public_url", "has to begin with https://"}},
		{"public_url", "ftp://shop.example", []string{"public_url", "has to begin with https://"}},
		{"public_url", "https://", []string{"public_url", "name a host"}},
		{"public_url", "https://shop.example/?a=b", []string{"public_url", "query"}},
		{"public_url", "https://shop.example/?", []string{"public_url", "query"}},
		{"public_url", "https://shop.example/#x", []string{"public_url", "fragment"}},
		{"public_url", "https://shop.example/#", []string{"public_url", "fragment"}},
		{"public_url", "https://u:p@shop.example", []string{"public_url", "password"}},
		{"public_url", "https://shop.example/%zz", []string{"public_url", "no URL"}},
		{"public_url", "https://" + strings.Repeat("a", 250), []string{"public_url", "256"}},
		{"public_url", "{env.TEST_UNSET_URL}", []string{"public_url", "TEST_UNSET_URL", "set the variable"}},
		{"shop", "-", []string{"shop is missing", "shop localhost:8080"}},
		{"order", "-", []string{"order is missing", "/alipay/orders/{out_trade_no}"}},
		{"order", "/alipay/orders", []string{"order", "{out_trade_no}", "exactly once"}},
		{"order", "/{out_trade_no}", []string{"order", "shut all of it out"}},
		{"site.expire", "59s", []string{"expire 59s", "1m to 15d"}},
		{"site.expire", "16d", []string{"expire", "1m to 15d"}},
		{"site.shop_timeout", "99ms", []string{"shop_timeout 99ms", "100ms to 1m"}},
		{"site.shop_timeout", "61s", []string{"shop_timeout", "100ms to 1m"}},
		{"site.ack", "loose", []string{`ack "loose"`, "strict"}},
		{"site.pay", "pay", []string{"pay", "plain path such as /pay"}},
		{"site.notify", "/PAY", []string{"three different paths"}},
		{"site.account", "other", []string{"account", `"other"`, "default"}},
		{"site.orders", "sheet", []string{"orders", `"sheet"`, "lookup"}},
		{"site.shadow", "", []string{"shadow leaves paying and telling to the shop", "remove shadow"}},
		{"site.publik_url", "x", []string{`unknown option "publik_url"`}},
	} {
		err := validate(k.right().with(c.option, c.value).caddyfile())
		if err == nil {
			t.Errorf("%s %.60s was taken", c.option, c.value)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s %.60s: %q says nothing of %q", c.option, c.value, err, want)
			}
		}
		if strings.Contains(err.Error(), "MII") || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: the error holds a key: %v", c.option, err)
		}
	}
}

// TestSiteWithoutAccount: the site's directive alone says what is missing.
func TestSiteWithoutAccount(t *testing.T) {
	err := validate("{\nauto_https off\n}\nhttp://127.0.0.1:1 {\nalipay {\npublic_url https://x\nshop localhost:1\norder /x/{out_trade_no}\n}\n}")
	if err == nil || !strings.Contains(err.Error(), "add the alipay option to the global options") {
		t.Errorf("%v", err)
	}
	err = validate("{\nauto_https off\nalipay\n}\nhttp://127.0.0.1:1 {\nrespond 200\n}")
	if err == nil || !strings.Contains(err.Error(), "app_id is missing") {
		t.Errorf("%v", err)
	}
}

// TestLooseKeyFile: a private key that others can read is warned of, once it is
// used, and a key that only its owner can read is not.
func TestLooseKeyFile(t *testing.T) {
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o644: true} {
		w := newWorld(t, "", func(w *world) {
			w.log = "file " + w.path("log") + " {\nroll_disabled\n}"
			if err := os.Chmod(w.path("app.pem"), mode); err != nil {
				t.Fatal(err)
			}
		})
		log := string(must(os.ReadFile(w.path("log"))))
		if got := strings.Contains(log, "the private key can be read by other users; chmod 600 it"); got != warned {
			t.Errorf("mode %o: warned %v: %s", mode, got, log)
		}
		if strings.Contains(log, "seller of a payment is recorded, not checked") {
			t.Error("warned of a seller_id that is missing, and is not")
		}
	}
}

// TestNoSeller is warned of.
func TestNoSeller(t *testing.T) {
	w := newWorld(t, "")
	w.log = "file " + w.path("log") + " {\nroll_disabled\n}"
	if err := load(strings.Replace(w.caddyfile(), "seller_id "+sellerID, "", 1)); err != nil {
		t.Fatal(err)
	}
	if log := string(must(os.ReadFile(w.path("log")))); strings.Count(log, "seller of a payment is recorded, not checked") != 1 {
		t.Errorf("%s", log)
	}
	w.buy("NS1", "1.00")
	w.wantNotify(w.notice("NS1", "1.00", "seller_id", "2088000000000000"), 200, "success")
	if d := w.Shop.deliveries(); len(d) != 1 || d[0].Header.Get("X-Alipay-Trade-Seller-Id") != "2088000000000000" {
		t.Errorf("the shop was told %q", w.Shop.told())
	}
}
