// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"crypto/md5" //nolint:gosec // Alipay defines its serial numbers so
	"encoding/hex"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// appCertificate makes a self-signed certificate and a request of the pair.
func appCertificate(t *testing.T, p pair) (certificate, request []byte) {
	t.Helper()
	key := filepath.Join(p.dir, "private.pem")
	subject := "/C=CN/ST=Zhejiang/L=Hangzhou/O=Shop, Inc./OU=App/CN=9021000199990001"
	request = openssl(t, nil, "req", "-new", "-key", key, "-subj", subject)
	certificate = openssl(t, nil, "req", "-new", "-x509", "-key", key, "-subj", subject,
		"-set_serial", "12345678901234567890", "-days", "2")
	return certificate, request
}

// TestCertSN compares with openssl's own RFC 2253 form of the issuer: its order
// is the certificate's, and commas in values are escaped.
func TestCertSN(t *testing.T) {
	certificate, _ := appCertificate(t, namedPair(t, "app"))
	certs, err := ParseCertificates(certificate)
	if err != nil {
		t.Fatal(err)
	}
	out := string(openssl(t, certificate, "x509", "-noout", "-issuer", "-nameopt", "RFC2253", "-serial"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	serial, ok := new(big.Int).SetString(strings.TrimPrefix(lines[1], "serial="), 16)
	if !ok {
		t.Fatal(out)
	}
	sum := md5.Sum([]byte(strings.TrimPrefix(lines[0], "issuer=") + serial.String())) //nolint:gosec // see above
	if want := hex.EncodeToString(sum[:]); CertSN(certs[0]) != want {
		t.Errorf("got %s, want %s for %q", CertSN(certs[0]), want, out)
	}
}

func TestParseCertificatesMistakes(t *testing.T) {
	p := namedPair(t, "app")
	certificate, request := appCertificate(t, p)
	sm2 := openssl(t, nil, "genpkey", "-algorithm", "SM2")
	sm2File := filepath.Join(t.TempDir(), "sm2.pem")
	if err := os.WriteFile(sm2File, sm2, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := openssl(t, nil, "req", "-new", "-x509", "-key", sm2File, "-subj", "/CN=SM2", "-days", "2")
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"private key": {p.privatePEM, "private key where a certificate"},
		"public key":  {p.publicPEM, "alipay_public_key"},
		"request":     {request, "certificate request"},
		"SM2 alone":   {foreign, "not RSA"},
		"empty":       {nil, "no certificate"},
		"garbage":     {[]byte("garbage"), "no certificate"},
		"truncated":   {certificate[:len(certificate)/2], "truncated"},
		"large":       {bytes.Repeat([]byte("A"), maxKeyFile+1), "128 KiB"},
	} {
		_, err := ParseCertificates(tc.data)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error is %v, want one that says %q", name, err, tc.want)
		}
	}
	certs, err := ParseCertificates(append(foreign, certificate...))
	if err != nil || len(certs) != 1 {
		t.Errorf("%d certificates of a bundle with an SM2 member, %v", len(certs), err)
	}
}

// TestFinding19RootCertGarbage: the SDK takes garbage for a bundle of roots and
// then sends requests without the parameter.
func TestFinding19RootCertGarbage(t *testing.T) {
	ecFile := filepath.Join(t.TempDir(), "ec.pem")
	if err := os.WriteFile(ecFile, openssl(t, nil, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), 0o600); err != nil {
		t.Fatal(err)
	}
	ec := openssl(t, nil, "req", "-new", "-x509", "-key", ecFile, "-subj", "/CN=EC", "-days", "2")
	for name, data := range map[string][]byte{"garbage": []byte("garbage"), "empty": nil, "no RSA": ec} {
		if sn, err := RootCertSN(data); err == nil || sn != "" {
			t.Errorf("%s: %q, %v", name, sn, err)
		}
	}
	certs, err := ParseCertificates(ec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CertificateKey(certs); err == nil {
		t.Error("an EC certificate passes for Alipay's")
	}
	rsaCert, _ := appCertificate(t, namedPair(t, "app"))
	certs, err = ParseCertificates(append(rsaCert, ec...))
	if err != nil {
		t.Fatal(err)
	}
	if sn, err := RootCertSN(append(ec, rsaCert...)); err != nil || sn != CertSN(certs[0]) {
		t.Errorf("root number %q, %v", sn, err)
	}
}

func TestMatchAppCert(t *testing.T) {
	certificate, _ := appCertificate(t, namedPair(t, "app"))
	certs, err := ParseCertificates(certificate)
	if err != nil {
		t.Fatal(err)
	}
	for name, fits := range map[string]bool{"app": true, "other": false} {
		key, err := ParsePrivateKey(namedPair(t, name).privatePEM)
		if err != nil {
			t.Fatal(err)
		}
		if err := MatchAppCert(certs[0], key); (err == nil) != fits {
			t.Errorf("%s: %v", name, err)
		}
	}
}
