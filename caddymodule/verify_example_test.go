// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/merchant"
)

const verifiers = "../examples/verify/"

// verifierCommands are how each example is run, after it was built where it has
// to be, and the Debian package that runs it.
var verifierCommands = map[string]struct {
	build, run []string
	debian     string
}{
	"php":    {nil, []string{"php", verifiers + "php/verify.php"}, "php-cli"},
	"python": {nil, []string{"python3", verifiers + "python/verify.py"}, "python3-cryptography"},
	"node":   {nil, []string{"node", verifiers + "node/verify.mjs"}, "nodejs"},
	"java":   {[]string{"javac", "-d", "OUT", verifiers + "java/Verify.java"}, []string{"java", "-cp", "OUT", "Verify"}, "default-jdk-headless"},
	"go":     {[]string{"go", "build", "-o", "OUT/verify", verifiers + "go/verify.go"}, []string{"OUT/verify"}, "golang"},
}

// verifier is one example, ready to run.
type verifier struct {
	t       *testing.T
	command []string
}

func newVerifier(t *testing.T, name string) *verifier {
	t.Helper()
	c := verifierCommands[name]
	out := t.TempDir()
	program := append(c.build, c.run...)[0]
	if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") == "" {
		t.Skipf("%s is not installed (apt-get install %s)", program, c.debian)
	}
	in := func(words []string) []string {
		var put []string
		for _, w := range words {
			put = append(put, strings.ReplaceAll(w, "OUT", out))
		}
		return put
	}
	if c.build != nil {
		build := in(c.build)
		if text, err := exec.Command(build[0], build[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", build, err, text)
		}
	}
	return &verifier{t, in(c.run)}
}

// verify runs the example and returns what it printed, or how it refused.
func (v *verifier) verify(args ...string) (claims map[string]any, refusal string) {
	v.t.Helper()
	var stdout, stderr strings.Builder
	cmd := exec.Command(v.command[0], append(v.command[1:], args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, err.Error() + ": " + stderr.String()
	}
	if text := stdout.String(); strings.HasPrefix(text, "{\"") {
		if err := json.Unmarshal([]byte(text), &claims); err != nil {
			v.t.Fatalf("%s: %v", text, err)
		}
		return claims, ""
	}
	return map[string]any{"text": stdout.String()}, "" // Java prints a map in its own way
}

// forger signs whatever claims it is told to, under the site's own key.
type forger struct {
	key       ed25519.PrivateKey
	header    string // of the real assertion
	payload   string
	claims    map[string]any
	signature string
}

func newForger(t *testing.T, key ed25519.PrivateKey, genuine string) *forger {
	t.Helper()
	part := strings.Split(genuine, ".")
	f := &forger{key: key, header: part[0], payload: part[1], signature: part[2]}
	if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(f.payload)), &f.claims); err != nil {
		t.Fatal(err)
	}
	return f
}

func b64(v any) string {
	text, ok := v.(string)
	if !ok {
		text = string(must(json.Marshal(v)))
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func (f *forger) changed(claim string, value any) string {
	claims := maps.Clone(f.claims)
	claims[claim] = value
	return b64(claims)
}

func (f *forger) signed(header, payload string) string {
	input := header + "." + payload
	return input + "." + b64(string(ed25519.Sign(f.key, []byte(input))))
}

// forgeries are assertions that no verifier may take for the delivery.
func (f *forger) forgeries(jwks string) map[string]string {
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(jwks), &set); err != nil {
		panic(err)
	}
	kid, x := set.Keys[0]["kid"], set.Keys[0]["x"]
	hs256 := func(secret string) string {
		input := b64(map[string]any{"alg": "HS256", "typ": "JWT", "kid": kid}) + "." + f.payload
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(input))
		return input + "." + b64(string(mac.Sum(nil)))
	}
	none := b64(map[string]any{"alg": "none", "typ": "JWT", "kid": kid})
	_, stranger, _ := ed25519.GenerateKey(nil)
	other := &forger{key: stranger}
	return map[string]string{
		"nothing":              "",
		"no JWS":               "a.b.c",
		"two parts":            f.header + "." + f.payload,
		"four parts":           f.header + "." + f.payload + "." + f.signature + "." + f.signature,
		"changed amount":       f.header + "." + f.changed("total_amount", "0.01") + "." + f.signature,
		"signature cut":        f.header + "." + f.payload + "." + f.signature[:40],
		"no signature":         f.header + "." + f.payload + ".",
		"alg none":             none + "." + f.payload + ".",
		"alg none, signed":     f.signed(none, f.payload),
		"HS256, public key":    hs256(string(must(base64.RawURLEncoding.DecodeString(x)))),
		"HS256, key as text":   hs256(x),
		"HS256, the whole set": hs256(jwks),
		"a stranger's key":     other.signed(f.header, f.payload),
		"unknown kid":          f.signed(b64(map[string]any{"alg": "EdDSA", "kid": "x"}), f.payload),
		"no kid":               f.signed(b64(map[string]any{"alg": "EdDSA"}), f.payload),
		"wrong aud":            f.signed(f.header, f.changed("aud", "https://other.example.com")),
		"longer aud":           f.signed(f.header, f.changed("aud", f.claims["aud"].(string)+".evil.example")),
		"wrong iss":            f.signed(f.header, f.changed("iss", "somebody")),
		"expired":              f.signed(f.header, f.changed("exp", time.Now().Unix()-1)),
		"another body":         f.signed(f.header, f.changed("body_sha256", strings.Repeat("0", 64))),
		"no body":              f.signed(f.header, f.changed("body_sha256", "")),
	}
}

// TestVerifiers runs the verifier of each language on the assertion of a real
// delivery and of a real return, and on what must be refused. The keys come from
// the merchant's side, as they do for a shop.
func TestVerifiers(t *testing.T) {
	var key ed25519.PrivateKey
	w := newWorld(t, "", func(w *world) {
		key = w.assertionKey("a.pem")
		w.global = "assertion_key " + w.path("a.pem")
	})
	keysURL := w.withMerchant("") + merchant.KeysPath
	delivery, back := w.purchase("A1")
	jwks := fetch(t, keysURL)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	set, body, changed := file("jwks.json", jwks), file("body", delivery.Body), file("changed", delivery.Body+"&")
	signed, signedBack := delivery.Header.Get(assertionHeader), back.Header.Get(assertionHeader)
	forgeries := newForger(t, key, signed).forgeries(jwks)
	forgeries["the return's"] = signedBack
	for name := range verifierCommands {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, name)
			for what, args := range map[string][]string{
				"delivery": {keysURL, w.URL, signed, body}, "return": {keysURL, w.URL, signedBack}, "delivery, keys of a file": {set, w.URL, signed, body},
			} {
				claims, refusal := v.verify(args...)
				if refusal != "" || claims["total_amount"] != "88.88" && !strings.Contains(claims["text"].(string), "total_amount=88.88") {
					t.Errorf("the real %s: %v, %s", what, claims, refusal)
				}
			}
			for what, forged := range forgeries {
				if claims, refusal := v.verify(set, w.URL, forged, body); refusal == "" {
					t.Errorf("%s was taken: %v", what, claims)
				}
			}
			if claims, refusal := v.verify(set, w.URL, signed, changed); refusal == "" {
				t.Errorf("a changed body was taken: %v", claims)
			}
		})
	}
}

// TestSecretVerifier does the same with the verifier for a shared secret.
func TestSecretVerifier(t *testing.T) {
	secret := strings.Repeat("s3cret-", 6)
	t.Setenv("ALIPAY_ASSERTION_SECRET", secret)
	w := newWorld(t, "", func(w *world) { w.site = "assertion hs256 {env.ALIPAY_ASSERTION_SECRET}" })
	delivery, back := w.purchase("A1")
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, []byte(delivery.Body), 0o600); err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, "php")
	v.command[1] = verifiers + "php/secret.php"
	signed := delivery.Header.Get(assertionHeader)
	for _, args := range [][]string{{w.URL, signed, body}, {w.URL, back.Header.Get(assertionHeader)}} {
		if claims, refusal := v.verify(args...); claims["total_amount"] != "88.88" {
			t.Errorf("the real one: %v, %s", claims, refusal)
		}
	}
	_, key, _ := ed25519.GenerateKey(nil)
	f := newForger(t, key, signed)
	hs256 := func(header, payload string) string {
		input := b64(header) + "." + payload
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(input))
		return input + "." + b64(string(mac.Sum(nil)))
	}
	const header = `{"alg":"HS256","typ":"JWT"}`
	for what, forged := range map[string]string{
		"nothing": "", "changed amount": f.header + "." + f.changed("total_amount", "0.01") + "." + f.signature,
		"alg none": b64(`{"alg":"none"}`) + "." + f.payload + ".", "alg none, signed": hs256(`{"alg":"none"}`, f.payload),
		"alg HS512": hs256(`{"alg":"HS512"}`, f.payload), "EdDSA": f.signed(b64(`{"alg":"EdDSA"}`), f.payload),
		"wrong aud": hs256(header, f.changed("aud", "https://other.example.com")), "wrong iss": hs256(header, f.changed("iss", "x")),
		"expired": hs256(header, f.changed("exp", time.Now().Unix()-1)), "another body": hs256(header, f.changed("body_sha256", "")),
		"the return's": back.Header.Get(assertionHeader),
	} {
		if claims, refusal := v.verify(w.URL, forged, body); refusal == "" {
			t.Errorf("%s was taken: %v", what, claims)
		}
	}
	t.Setenv("ALIPAY_ASSERTION_SECRET", secret+"x")
	if claims, refusal := v.verify(w.URL, signed, body); refusal == "" {
		t.Errorf("under another secret it was taken: %v", claims)
	}
}
