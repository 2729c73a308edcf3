// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgrestest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a maker of certificates.
type Authority struct {
	Path string // of its own certificate, as sslrootcert names it

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes one, for an hour.
func NewAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	a := &Authority{
		Path: filepath.Join(t.TempDir(), "root.crt"), key: newKey(t),
		cert: &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		},
	}
	if err := os.WriteFile(a.Path, a.sign(t, a.cert, a.key), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign returns a certificate as PEM.
func (a *Authority) sign(t testing.TB, c *x509.Certificate, of *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &of.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Encrypt has the server speak TLS with a certificate of a for 127.0.0.1, and for no
// name. To the database it lets nobody who does not.
func (s *Server) Encrypt(t testing.TB, a *Authority, database string) {
	t.Helper()
	key := newKey(t)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "PostgreSQL"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, key)
	write(t, s, filepath.Join(s.data(), "server.crt"), string(certificate))
	write(t, s, filepath.Join(s.data(), "server.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	rules := filepath.Join(s.data(), "pg_hba.conf")
	before, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, rules, "hostnossl "+database+" all 0.0.0.0/0 reject\n"+string(before))
	s.Exec(t, "postgres", "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
	for deadline := time.Now().Add(20 * time.Second); ; {
		var on bool
		s.Value(t, "postgres", "SELECT current_setting('ssl')::bool", &on)
		if on {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not speak TLS\n%s", s.Log())
		}
		<-time.After(20 * time.Millisecond)
	}
}
