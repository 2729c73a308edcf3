// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// BenchmarkNotify against BenchmarkBareRSA shows what reading a notice costs
// beyond the one operation that cannot be saved.
func BenchmarkNotify(b *testing.B) {
	p := namedPair(b, "alipay")
	v := newTestVerifier(b, p.alipayKey(b, ""))
	good := []byte(encode(p.signed(b, payment())))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Notify(formType, good, testTime); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareRSA(b *testing.B) {
	p := namedPair(b, "alipay")
	key := p.alipayKey(b, "").Public
	form := p.signed(b, payment())
	sum := sha256.Sum256([]byte(textToSign(form)))
	sign, err := base64.StdEncoding.DecodeString(form["sign"])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sign); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNotifyRefused is what a stranger's message costs, by how far it gets.
func BenchmarkNotifyRefused(b *testing.B) {
	p := namedPair(b, "alipay")
	v := newTestVerifier(b, p.alipayKey(b, ""))
	forged := with(payment(), "sign", strings.Repeat("A", 342)+"==")
	for name, body := range map[string]string{
		"another_app":   encode(with(forged, "app_id", "1")),
		"forged":        encode(forged),
		"forged_4_ways": encode(with(forged, "body", "", "alipay_cert_sn", "x")),
		"64KiB":         encode(with(forged, "body", strings.Repeat("&a=", 8000))),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Notify(formType, []byte(body), testTime); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

func BenchmarkReturn(b *testing.B) {
	p := namedPair(b, "alipay")
	v := newTestVerifier(b, p.alipayKey(b, ""))
	query := encode(p.signed(b, comeback()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Return(query); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPagePay(b *testing.B) {
	g := newTestGateway(b, "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.PagePay(context.Background(), testOffer(), testOptions()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareSign(b *testing.B) {
	key, err := ParsePrivateKey(namedPair(b, "app").privatePEM)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256(nil)
	for b.Loop() {
		if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
			b.Fatal(err)
		}
	}
}
