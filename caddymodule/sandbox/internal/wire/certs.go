// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// CertSN is the number that Alipay gives a certificate: the MD5, in hex, of the
// issuer's name in RFC 2253 order and the serial number in decimal (document
// 057k53).
func CertSN(cert *x509.Certificate) string {
	sum := md5.Sum([]byte(cert.Issuer.String() + cert.SerialNumber.String()))
	return hex.EncodeToString(sum[:])
}

// RootSN is alipay_root_cert_sn: the numbers of those certificates that are
// signed with RSA, joined by _. Others in the file do not count.
func RootSN(roots []*x509.Certificate) string {
	var numbers []string
	for _, root := range roots {
		switch root.SignatureAlgorithm {
		case x509.SHA1WithRSA, x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.MD5WithRSA:
			numbers = append(numbers, CertSN(root))
		}
	}
	return strings.Join(numbers, "_")
}

// Authority issues the sandbox's certificates.
type Authority struct {
	Root *x509.Certificate
	// Extra is a root that is not RSA, as Alipay's root file has some.
	Extra *x509.Certificate
	key   *rsa.PrivateKey
}

// A certificate of the sandbox is valid for ten years.
const certYears = 10

// NewAuthority makes a root. Its name is not Alipay's.
func NewAuthority(now time.Time) (*Authority, error) {
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	template := certTemplate("Sandbox Root Authority R1", now)
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
	root, err := issue(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making an EC key: %w", err)
	}
	template = certTemplate("Sandbox Root Authority E1", now)
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
	extra, err := issue(template, template, &curve.PublicKey, curve)
	if err != nil {
		return nil, err
	}
	return &Authority{Root: root, Extra: extra, key: key}, nil
}

// Issue makes a leaf certificate for a public key.
func (a *Authority) Issue(name string, key *rsa.PublicKey, now time.Time) (*x509.Certificate, error) {
	template := certTemplate(name, now)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	return issue(template, a.Root, key, a.key)
}

func certTemplate(name string, now time.Time) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		serial = big.NewInt(now.UnixNano())
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name, Organization: []string{"Sandbox"}, Country: []string{"CN"}},
		NotBefore:             now.Add(-24 * time.Hour),
		NotAfter:              now.AddDate(certYears, 0, 0),
		BasicConstraintsValid: true,
	}
}

func issue(template, parent *x509.Certificate, public any, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// CertPEM writes certificates one after the other.
func CertPEM(certs ...*x509.Certificate) []byte {
	var text []byte
	for _, cert := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return text
}

// ParseCerts reads the certificates of a PEM file.
func ParseCerts(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("there is no certificate in PEM")
	}
	return certs, nil
}
