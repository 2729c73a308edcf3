// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// signer signs quickly; that crypto/rsa and openssl agree is tested elsewhere.
func signer(t testing.TB, p pair) func(text string) string {
	t.Helper()
	key, err := ParsePrivateKey(p.privatePEM)
	if err != nil {
		t.Fatal(err)
	}
	return func(text string) string {
		sum := sha256.Sum256([]byte(text))
		sign, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(sign)
	}
}

// drawNotice draws a signed notice with further parameters of any content, as
// pieces of a body in any order.
func drawNotice(t *rapid.T, sign func(string) string) []string {
	form := payment()
	extra := rapid.MapOfN(rapid.StringMatching(`[a-z0-9_]{1,8}`), rapid.String(), 0, 8).Draw(t, "extra")
	for key, value := range extra {
		if _, has := form[key]; !has && key != "method" && key != "sign" && !used[key] {
			form[key] = strings.ReplaceAll(value, "&", "+")
		}
	}
	form["sign"] = sign(textToSign(form))
	return rapid.Permutation(strings.Split(encode(form), "&")).Draw(t, "order")
}

// TestOrderProperty: any order of the parameters verifies, and states the same.
func TestOrderProperty(t *testing.T) {
	p := namedPair(t, "alipay")
	v, sign := newTestVerifier(t, p.alipayKey(t, "")), signer(t, p)
	rapid.Check(t, func(t *rapid.T) {
		e, err := v.Notify(formType, []byte(strings.Join(drawNotice(t, sign), "&")), testTime)
		if err != nil || e.OutTradeNo != "T-1" || e.Total != 8888 {
			t.Fatalf("%v, %+v", err, e)
		}
	})
}

// TestBitFlipProperty: no changed bit leaves a notice that states something
// else. A bit of the escapes' letter case, and of sign_type, changes nothing
// that is signed.
func TestBitFlipProperty(t *testing.T) {
	p := namedPair(t, "alipay")
	v, sign := newTestVerifier(t, p.alipayKey(t, "")), signer(t, p)
	rapid.Check(t, func(t *rapid.T) {
		body := []byte(strings.Join(drawNotice(t, sign), "&"))
		flipped := slices.Clone(body)
		flipped[rapid.IntRange(0, len(body)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := v.Notify(formType, flipped, testTime); err == nil && !sameForm(body, flipped) {
			t.Fatalf("accepted: %q", flipped)
		}
	})
}

// sameForm compares what two bodies decode to, by another parser.
func sameForm(a, b []byte) bool {
	x, err1 := url.ParseQuery(string(a))
	y, err2 := url.ParseQuery(string(b))
	return err1 == nil && err2 == nil && x.Encode() == y.Encode()
}

// TestCanonicalProperty: the signed text has each key once, sorted, and does
// not depend on the order of arrival.
func TestCanonicalProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		form := rapid.MapOf(rapid.StringMatching(`[a-z0-9_]{1,4}`), rapid.String()).Draw(t, "form")
		var ps params
		for key, value := range form {
			ps = append(ps, param{key, value})
		}
		if !ps.sort() {
			t.Fatal("a map has no doubled key")
		}
		if got, want := string(appendCanonical(nil, ps, reading{})), textToSign(form); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if len(ps) > 0 && append(ps, ps[0]).sort() {
			t.Fatal("a doubled key is not found")
		}
	})
}

// TestFormProperty: what is parsed is what net/url parses, as far as it is
// parsed at all.
func TestFormProperty(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "b=1", "c_9=%41", "=", "&", "%", "+", "%e8%8c", "d=x+y", ";", "A=1", "\x80", "b=%26"})
	rapid.Check(t, func(t *rapid.T) {
		body := strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), "")
		checkForm(t, []byte(body))
	})
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func checkForm(t fataler, body []byte) {
	ps, rejection := parseForm(body)
	if rejection != nil {
		return
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		t.Fatalf("net/url refuses %q: %v", body, err)
	}
	n := 0
	for _, list := range values {
		n += len(list)
	}
	if n != len(ps) {
		t.Fatalf("%d parameters, net/url has %d: %q", len(ps), n, body)
	}
	for _, p := range ps {
		if !isKey(p.key) || !slices.Contains(values[p.key], p.value) {
			t.Fatalf("%q=%q is not what net/url has: %q", p.key, p.value, body)
		}
	}
}
