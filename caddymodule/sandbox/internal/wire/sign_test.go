// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := NewKey()
	if err != nil {
		panic(err)
	}
	return key
})

// openssl runs the command line tool, the other hand on the same bytes.
func openssl(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), "openssl", args...)
	command.Stdin = bytes.NewReader(stdin)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
	return out
}

func TestSignaturesAgreeWithOpenSSL(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	privatePEM, err := PrivatePEM(testKey())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM, err := PublicPEM(&testKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	private, public := file("private.pem", privatePEM), file("public.pem", publicPEM)
	for name, params := range map[string]Params{
		"plain":   {{"b", "2"}, {"a", "1"}},
		"prefix":  {{"a1", "x"}, {"a", "y"}, {"a_b", "z"}},
		"chinese": {{"subject", "春茶 + 250g"}, {"total_amount", "88.88"}},
		"bytes":   {{"subject", "\xb4\xba\xb2\xe8"}, {"charset", "GBK"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := []byte(params.RequestString())
			ours, err := Sign(testKey(), text)
			if err != nil {
				t.Fatal(err)
			}
			theirs := openssl(t, text, "dgst", "-sha256", "-sign", private)
			if ours != base64.StdEncoding.EncodeToString(theirs) {
				t.Error("the scheme is deterministic, yet the signatures differ")
			}
			if err := Verify(&testKey().PublicKey, text, base64.StdEncoding.EncodeToString(theirs)); err != nil {
				t.Errorf("openssl's signature: %v", err)
			}
			raw, err := base64.StdEncoding.DecodeString(ours)
			if err != nil {
				t.Fatal(err)
			}
			out := openssl(t, text, "dgst", "-sha256", "-verify", public, "-signature", file("sig", raw))
			if !strings.Contains(string(out), "Verified OK") {
				t.Errorf("openssl on ours: %s", out)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	text := []byte("a=1&b=2")
	good, err := Sign(testKey(), text)
	if err != nil {
		t.Fatal(err)
	}
	if len(good) != 344 {
		t.Errorf("a signature has %d characters", len(good))
	}
	for name, signature := range map[string]string{
		"nothing":     "",
		"line break":  good[:76] + "\n" + good[76:],
		"same length": good[:100] + "\r\n" + good[102:],
		"no padding":  strings.TrimRight(good, "="),
		"other bits":  "AAAA" + good[4:],
		"url base64":  strings.NewReplacer("+", "-", "/", "_").Replace(good[:200]) + strings.Repeat("-", 144),
		"twice":       good + good,
	} {
		if err := Verify(&testKey().PublicKey, text, signature); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Verify(&testKey().PublicKey, []byte("a=1&b=3"), good); !errors.Is(err, ErrSignature) {
		t.Errorf("another text: %v", err)
	}
}

func TestCanonicalStrings(t *testing.T) {
	params := Params{
		{"sign_type", "RSA2"}, {"b", "2"}, {"sign", "xx"}, {"empty", ""}, {"blank", "  "},
		{"a1", "p"}, {"a", "q"}, {"c", "a=b&c"},
	}
	if got, want := params.RequestString(), "a=q&a1=p&b=2&c=a=b&c&sign_type=RSA2"; got != want {
		t.Errorf("request %q", got)
	}
	if got, want := params.NoticeString(), "a=q&a1=p&b=2&blank=  &c=a=b&c&empty="; got != want {
		t.Errorf("notice %q", got)
	}
}

func TestKeysInEveryForm(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "k.pem")
	privatePEM, err := PrivatePEM(testKey())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, privatePEM, 0o600); err != nil {
		t.Fatal(err)
	}
	bare := func(text []byte) []byte {
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		return []byte(strings.Join(lines[1:len(lines)-1], ""))
	}
	pkcs1 := openssl(t, nil, "rsa", "-in", path, "-traditional")
	pkcs1 = pkcs1[bytes.Index(pkcs1, []byte("-----BEGIN")):]
	pkix := openssl(t, nil, "pkey", "-in", path, "-pubout")
	rsaPublic := openssl(t, nil, "rsa", "-in", path, "-RSAPublicKey_out")
	rsaPublic = rsaPublic[bytes.Index(rsaPublic, []byte("-----BEGIN")):]
	for name, text := range map[string][]byte{
		"pkcs8": privatePEM, "pkcs1": pkcs1, "bare pkcs8": bare(privatePEM), "bare pkcs1": bare(pkcs1),
		"bom": append([]byte("\xef\xbb\xbf"), privatePEM...),
	} {
		if key, err := ParsePrivateKey(text); err != nil || !key.Equal(testKey()) {
			t.Errorf("private, %s: %v", name, err)
		}
	}
	for name, text := range map[string][]byte{
		"pkix": pkix, "pkcs1": rsaPublic, "bare": bare(pkix), "lines": bytes.ReplaceAll(bare(pkix), []byte("A"), []byte("A\n ")),
	} {
		if key, err := ParsePublicKey(text); err != nil || !key.Equal(&testKey().PublicKey) {
			t.Errorf("public, %s: %v", name, err)
		}
	}
	small := openssl(t, openssl(t, nil, "genrsa", "1024"), "rsa", "-pubout")
	small = small[bytes.Index(small, []byte("-----BEGIN")):]
	for name, test := range map[string]struct {
		text []byte
		want string
	}{
		"private key":   {privatePEM, "this is a private key"},
		"small":         {small, "1024 bits"},
		"cut short":     {bare(pkix)[:200], "cut short"},
		"empty":         {nil, "empty"},
		"not a key":     {[]byte("hello, world"), "neither PEM nor base64"},
		"no RSA at all": {[]byte("aGVsbG8="), "no RSA public key"},
	} {
		if _, err := ParsePublicKey(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParsePrivateKey(pkix); err == nil || !strings.Contains(err.Error(), "this is a public key") {
		t.Errorf("a public key as the private one: %v", err)
	}
}
