// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// aesKey is a content key; opensslAES encrypts with it as Alipay does, by
// openssl's own code.
var aesKey = []byte("0123456789abcdef")

func opensslAES(t testing.TB, key []byte, text string) string {
	t.Helper()
	bits := map[int]string{16: "128", 24: "192", 32: "256"}[len(key)]
	out := openssl(t, []byte(text), "enc", "-aes-"+bits+"-cbc", "-K", hex.EncodeToString(key), "-iv", strings.Repeat("0", 32))
	return base64.StdEncoding.EncodeToString(out)
}

func encryptingGateway(t testing.TB, address string, key []byte) *Gateway {
	t.Helper()
	g, err := New(testConfig(t, func(c *Config) { c.URL, c.EncryptKey = address, key }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func testConfig(t testing.TB, change func(*Config)) Config {
	t.Helper()
	private, err := ParsePrivateKey(namedPair(t, "app").privatePEM)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{AppID: testApp, PrivateKey: private, AlipayKeys: []AlipayKey{namedPair(t, "alipay").alipayKey(t, "")}}
	change(&c)
	return c
}

func TestEncryptKeyVector(t *testing.T) {
	t.Parallel()
	for _, v := range loadVectors(t, "aes") {
		key, err := ParseEncryptKey(v.AES.Key)
		if err != nil {
			t.Fatal(err)
		}
		verifier := newTestVerifier(t, namedPair(t, "alipay").alipayKey(t, ""))
		verifier.encryptKey = key
		if got, err := verifier.decrypt(v.Expect); err != nil || string(got) != v.Raw {
			t.Errorf("%s: decrypted %q, %v", v.ID, got, err)
		}
		if got := opensslAES(t, key, v.Raw); got != v.Expect {
			t.Errorf("%s: openssl encrypts to %q", v.ID, got)
		}
	}
}

func TestEncryptedCallAndAnswer(t *testing.T) {
	t.Parallel()
	for _, key := range [][]byte{aesKey, []byte(strings.Repeat("k", 24)), []byte(strings.Repeat("q", 32))} {
		f := newFakeGateway(t)
		g := encryptingGateway(t, f.URL, key)
		f.says(answering(t, namedPair(t, "alipay"), `"`+opensslAES(t, key, paidAnswer)+`"`))
		e, err := g.Query(t.Context(), "T-1")
		if err != nil || e.Status != trade.StatusSuccess || e.Total != 8888 {
			t.Fatalf("%+v, %v", e, err)
		}
		asked := f.asked()
		if got, want := asked.Get("biz_content"), opensslAES(t, key, `{"out_trade_no":"T-1"}`); got != want || asked.Get("encrypt_type") != "AES" {
			t.Errorf("biz_content %q with encrypt_type %q, want %q with AES", got, asked.Get("encrypt_type"), want)
		}
	}
}

// TestHostileEncryptedAnswers: nothing is decrypted that is not signed, and what
// is wrong inside never panics (finding 13 of the SDK: "AAAA" did).
func TestHostileEncryptedAnswers(t *testing.T) {
	t.Parallel()
	f := newFakeGateway(t)
	g := encryptingGateway(t, f.URL, aesKey)
	alipay, other := namedPair(t, "alipay"), namedPair(t, "app")
	good := opensslAES(t, aesKey, paidAnswer)
	for name, answer := range map[string]string{
		"short base64 (finding 13)": answering(t, alipay, `"AAAA"`),
		"empty":                     answering(t, alipay, `""`),
		"no base64":                 answering(t, alipay, `"%%%%"`),
		"broken padding":            answering(t, alipay, `"`+base64.StdEncoding.EncodeToString(make([]byte, 32))+`"`),
		"another key":               answering(t, alipay, `"`+opensslAES(t, []byte("another key of16"), paidAnswer)+`"`),
		"no JSON inside":            answering(t, alipay, `"`+opensslAES(t, aesKey, "paid")+`"`),
		"signed by another":         answering(t, other, `"`+good+`"`),
		"unsigned":                  `{"alipay_trade_query_response":"` + good + `"}`,
		"signed inside, not around": `{"alipay_trade_query_response":"` + good + `","sign":"` + alipay.sign(t, paidAnswer) + `"}`,
	} {
		f.says(answer)
		if _, err := g.Query(t.Context(), "T-1"); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.says(answering(t, alipay, `"`+good+`"`))
	if _, err := newTestGateway(t, f.URL).Query(t.Context(), "T-1"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "encrypt_key") {
		t.Errorf("without a key: %v", err)
	}
}

// elsewhere signs with a key that it does not show, as a key store does.
type elsewhere struct{ crypto.Signer }

func (e elsewhere) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return e.Signer.Sign(r, digest, opts)
}

func TestSignerElsewhere(t *testing.T) {
	t.Parallel()
	f := newFakeGateway(t)
	f.says(answering(t, namedPair(t, "alipay"), paidAnswer))
	g, err := New(testConfig(t, func(c *Config) { c.URL, c.PrivateKey = f.URL, elsewhere{c.PrivateKey} }))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.Query(t.Context(), "T-1"); err != nil {
		t.Fatal(err)
	}
	var pieces []string
	asked := f.asked()
	for _, name := range slices.Sorted(maps.Keys(asked)) { // of a call, sign_type is signed too
		if name != "sign" {
			pieces = append(pieces, name+"="+asked.Get(name))
		}
	}
	if !namedPair(t, "app").verifies(t, strings.Join(pieces, "&"), asked.Get("sign")) {
		t.Error("openssl does not verify the call's signature")
	}
}

// TestRekey: a gateway signs and believes with its new keys at once, keeps the
// old ones after a mistake, and counts which key verifies.
func TestRekey(t *testing.T) {
	t.Parallel()
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL)
	before, after := namedPair(t, "alipay"), namedPair(t, "alipay2")
	var mu sync.Mutex
	used := map[string]int{}
	both := testConfig(t, func(c *Config) {
		c.Verified = func(key string) {
			mu.Lock()
			defer mu.Unlock()
			used[key]++
		}
		c.AlipayKeys = []AlipayKey{after.alipayKey(t, ""), before.alipayKey(t, "")}
	})
	ask := func(p pair) error {
		f.says(answering(t, p, paidAnswer))
		_, err := g.Query(t.Context(), "T-1")
		return err
	}
	if err := ask(after); !errors.Is(err, ErrUnknown) {
		t.Fatalf("believed a key that is not configured: %v", err)
	}
	own := testConfig(t, func(c *Config) { c.AlipayKeys = []AlipayKey{namedPair(t, "app").alipayKey(t, "")} })
	if err := g.Rekey(own); err == nil {
		t.Error("took the app's own key for Alipay's")
	}
	if err := g.Rekey(testConfig(t, func(c *Config) { c.AppID = "2021000000000009" })); err == nil {
		t.Error("took another app's keys")
	}
	if err := ask(before); err != nil {
		t.Errorf("the old keys are gone after a mistake: %v", err)
	}
	if err := g.Rekey(both); err != nil {
		t.Fatal(err)
	}
	for _, p := range []pair{after, after, before} {
		if err := ask(p); err != nil {
			t.Error(err)
		}
	}
	want := map[string]int{KeyName(after.alipayKey(t, "").Public): 2, KeyName(before.alipayKey(t, "").Public): 1}
	if !maps.Equal(used, want) {
		t.Errorf("used %v, want %v", used, want)
	}
}

func TestParseEncryptKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"aa4BtZ4tspm2wnXLb1ThQA==": true, " aa4BtZ4tspm2wnXLb1ThQA==\n": true,
		"": false, "aa4BtZ4tspm2wnXLb1ThQA": false, "AAAA": false, "not base64 at all!": false,
	} {
		if _, err := ParseEncryptKey(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}
