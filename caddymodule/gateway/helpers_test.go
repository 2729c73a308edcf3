// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// pair is a key pair made by the openssl command line, which also signs and
// verifies, so that no code of this package stands on both sides.
type pair struct {
	dir        string
	privatePEM []byte // PKCS#8
	publicPEM  []byte // PKIX
}

func openssl(t testing.TB, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

func newPair(t testing.TB, bits string) pair {
	t.Helper()
	p := pair{dir: t.TempDir()}
	p.privatePEM = openssl(t, nil, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:"+bits)
	p.publicPEM = openssl(t, p.privatePEM, "pkey", "-pubout")
	p.write(t)
	return p
}

func (p pair) write(t testing.TB) {
	t.Helper()
	for name, data := range map[string][]byte{"private.pem": p.privatePEM, "public.pem": p.publicPEM} {
		if err := os.WriteFile(filepath.Join(p.dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// pairs are made once: a key takes openssl a tenth of a second and more.
var pairs = struct {
	sync.Mutex
	byName map[string]pair
}{byName: map[string]pair{}}

// namedPair is "alipay", "app" or any other pair, the same in all tests.
func namedPair(t testing.TB, name string) pair {
	t.Helper()
	pairs.Lock()
	defer pairs.Unlock()
	p, ok := pairs.byName[name]
	if !ok {
		p = newPair(t, "2048")
		pairs.byName[name] = p
	}
	p.dir = t.TempDir()
	p.write(t)
	return p
}

func (p pair) alipayKey(t testing.TB, sn string) AlipayKey {
	t.Helper()
	key, err := ParsePublicKey(p.publicPEM)
	if err != nil {
		t.Fatal(err)
	}
	return AlipayKey{Public: key, SN: sn}
}

func (p pair) sign(t testing.TB, text string) string {
	t.Helper()
	sign := openssl(t, []byte(text), "dgst", "-sha256", "-sign", filepath.Join(p.dir, "private.pem"))
	return base64.StdEncoding.EncodeToString(sign)
}

// verifies lets openssl check a signature.
func (p pair) verifies(t testing.TB, text, sign string) bool {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(sign)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sign")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("openssl", "dgst", "-sha256", "-verify", filepath.Join(p.dir, "public.pem"), "-signature", file)
	cmd.Stdin = strings.NewReader(text)
	return cmd.Run() == nil
}

// textToSign is the tests' own canonical string.
func textToSign(form map[string]string, drop ...string) string {
	var pieces []string
	for _, key := range slices.Sorted(maps.Keys(form)) {
		if key != "sign" && key != "sign_type" && !slices.Contains(drop, key) {
			pieces = append(pieces, key+"="+form[key])
		}
	}
	return strings.Join(pieces, "&")
}

// encode writes a form body, in the order of the keys.
func encode(form map[string]string) string {
	var pieces []string
	for _, key := range slices.Sorted(maps.Keys(form)) {
		pieces = append(pieces, key+"="+url.QueryEscape(form[key]))
	}
	return strings.Join(pieces, "&")
}

// with is form with some parameters changed; "-" removes one.
func with(form map[string]string, changes ...string) map[string]string {
	form = maps.Clone(form)
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "-" {
			delete(form, changes[i])
		} else {
			form[changes[i]] = changes[i+1]
		}
	}
	return form
}

// signed adds a signature that leaves out the parameters drop.
func (p pair) signed(t testing.TB, form map[string]string, drop ...string) map[string]string {
	t.Helper()
	return with(form, "sign", p.sign(t, textToSign(form, drop...)))
}

const testApp = "9021000199990001"

// payment is a notice of a payment, unsigned.
func payment() map[string]string {
	return map[string]string{
		"gmt_create": "2026-01-02 03:04:05", "charset": "utf-8", "gmt_payment": "2026-01-02 03:04:09",
		"notify_time": "2026-01-02 03:04:10", "subject": "茶 + 杯子", "buyer_id": "2088000000000001",
		"invoice_amount": "88.88", "version": "1.0", "notify_id": "2026010200222030409000000001",
		"fund_bill_list": `[{"amount":"88.88","fundChannel":"ALIPAYACCOUNT"}]`, "notify_type": "trade_status_sync",
		"out_trade_no": "T-1", "total_amount": "88.88", "trade_status": "TRADE_SUCCESS",
		"trade_no": "2026010222001400000000000001", "auth_app_id": testApp, "receipt_amount": "88.88",
		"point_amount": "0.00", "app_id": testApp, "buyer_pay_amount": "88.88", "sign_type": "RSA2",
		"seller_id": "2088000000000002",
	}
}

// comeback is a return, unsigned.
func comeback() map[string]string {
	return map[string]string{
		"charset": "utf-8", "out_trade_no": "T-1", "method": "alipay.trade.page.pay.return", "total_amount": "88.88",
		"trade_no": "2026010222001400000000000001", "auth_app_id": testApp, "version": "1.0", "app_id": testApp,
		"sign_type": "RSA2", "seller_id": "2088000000000002", "timestamp": "2026-01-02 03:04:12",
	}
}

var testTime = time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)

func newTestVerifier(t testing.TB, keys ...AlipayKey) *Verifier {
	t.Helper()
	v, err := NewVerifier(testApp, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wantReason(t testing.TB, err error, want Reason) {
	t.Helper()
	var r *Rejection
	if !errors.As(err, &r) {
		t.Fatalf("error is %v, want a rejection for %s", err, want)
	}
	if r.Reason != want {
		t.Fatalf("refused for %q (%s), want %q", r.Reason, r.Detail, want)
	}
	if !slices.Contains(Reasons(), r.Reason) {
		t.Fatalf("reason %q is not listed", r.Reason)
	}
}
