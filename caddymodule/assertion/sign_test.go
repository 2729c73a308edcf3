// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package assertion

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"
)

func TestSecret(t *testing.T) {
	t.Parallel()
	if _, err := NewSecret([]byte(strings.Repeat("a", MinSecret-1))); !errors.Is(err, ErrShortSecret) {
		t.Errorf("31 bytes: %v", err)
	}
	secret := []byte(strings.Repeat("密", 11)) // 33 bytes
	s := must(NewSecret(secret))
	jws := sign(t, s, `{"sub":"A1"}`)
	signedBy(t, jws, `{"sub":"A1"}`, secret, jose.HS256)
	if header, _, _ := strings.Cut(jws, "."); string(must(encoding.DecodeString(header))) != `{"alg":"HS256","typ":"JWT"}` {
		t.Errorf("header %s", header)
	}
}

// TestCompact: whatever the claims are, another implementation reads them back.
func TestCompact(t *testing.T) {
	t.Parallel()
	private := newPrivate()
	fixed := must(NewFixed([]ed25519.PrivateKey{private}))
	rapid.Check(t, func(t *rapid.T) {
		claims := string(rapid.SliceOf(rapid.Byte()).Draw(t, "claims"))
		signedBy(t, sign(t, fixed, claims), claims, private.Public(), jose.EdDSA)
	})
}

func TestFixed(t *testing.T) {
	t.Parallel()
	a, b := newPrivate(), newPrivate()
	f := must(NewFixed([]ed25519.PrivateKey{a, b}))
	set := jwks(t, f)
	if kid := signedBy(t, sign(t, f, "{}"), "{}", a.Public(), jose.EdDSA); len(set.Keys) != 2 || set.Keys[0].KeyID != kid {
		t.Errorf("signed under %s, listed are %v", kid, kids(set))
	}
	swapped := must(NewFixed([]ed25519.PrivateKey{b, a}))
	signedBy(t, sign(t, swapped, "{}"), "{}", set, jose.EdDSA)
	names := kids(jwks(t, swapped))
	slices.Reverse(names)
	if !slices.Equal(names, kids(set)) {
		t.Errorf("a key changes its name: %v and %v", names, kids(set))
	}
	for _, keys := range [][]ed25519.PrivateKey{nil, {a, a}, {a[:5]}} {
		if _, err := NewFixed(keys); err == nil {
			t.Errorf("%d keys were taken", len(keys))
		}
	}
}

func newPrivate() ed25519.PrivateKey {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return private
}

func TestParsePrivateKey(t *testing.T) {
	t.Parallel()
	private := newPrivate()
	pkcs8 := must(x509.MarshalPKCS8PrivateKey(private))
	other := must(x509.MarshalPKCS8PrivateKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))))
	for name, c := range map[string]struct{ label, der, want string }{
		"good":         {"PRIVATE KEY", string(pkcs8), ""},
		"public":       {"PUBLIC KEY", string(must(x509.MarshalPKIXPublicKey(private.Public()))), "no private key in PEM"},
		"another kind": {"PRIVATE KEY", string(other), "of another kind"},
		"broken":       {"PRIVATE KEY", string(pkcs8[:20]), "not readable"},
	} {
		got, err := ParsePrivateKey(pem.EncodeToMemory(&pem.Block{Type: c.label, Bytes: []byte(c.der)}))
		switch {
		case c.want == "" && (err != nil || !got.Equal(private)):
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := ParsePrivateKey([]byte("MC4CAQAwBQYDK2VwBCIEIA")); err == nil {
		t.Error("no PEM was taken")
	}
}

func BenchmarkSign(b *testing.B) {
	f := newFixture()
	k := f.process()
	claims := []byte(strings.Repeat("a", 500))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Sign(context.Background(), claims); err != nil {
			b.Fatal(err)
		}
	}
}
