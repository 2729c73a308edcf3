// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto"
	"crypto/md5" //nolint:gosec // Alipay defines its serial numbers so; nothing is secured by it
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"strings"
)

// ParseCertificates reads the certificates of a bundle, in its order. Members
// that crypto/x509 cannot read are skipped: Alipay's bundle of roots holds an
// SM2 certificate, which is of no use to RSA2. At least one is returned, or an
// error that says what the data is instead.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	if len(data) > maxKeyFile {
		return nil, errors.New("the certificate file is larger than 128 KiB: is it the right file?")
	}
	var ders [][]byte
	if isDER(data) {
		ders = [][]byte{data}
	} else {
		for _, b := range pemBlocks(normalise(data)) {
			if der, err := decodeBase64(b.body); err == nil {
				ders = append(ders, der)
			}
		}
	}
	var certs []*x509.Certificate
	for _, der := range ders {
		if cert, err := x509.ParseCertificate(der); err == nil {
			certs = append(certs, cert)
		}
	}
	if certs == nil {
		return nil, noCertificate(ders)
	}
	return certs, nil
}

func noCertificate(ders [][]byte) error {
	for _, der := range ders {
		switch it, err := sniff(der); {
		case errors.Is(err, errNotDER):
		case err != nil:
			return err
		case it.kind == kindRSAPrivate, it.kind == kindEncrypted:
			return errors.New("this is a private key where a certificate belongs")
		case it.kind == kindRSAPublic:
			return errors.New("this is a public key where a certificate belongs: public key mode takes it as alipay_public_key")
		case it.kind == kindRequest:
			return errors.New("this is a certificate request (CSR) where a certificate belongs: download the certificate that Alipay made of it")
		case it.kind == kindCertificate:
			return errors.New("the certificate is not RSA, or damaged: RSA2 needs an RSA certificate (for Alipay's: alipayCertPublicKey_RSA2.crt)")
		}
	}
	return errors.New("there is no certificate in this file: it should hold a block that begins with BEGIN CERTIFICATE")
}

// CertificateKey is the RSA key of Alipay's certificate, ready for a Verifier.
// Alipay's file may hold the issuing authority behind the certificate itself;
// the first one counts.
func CertificateKey(certs []*x509.Certificate) (AlipayKey, error) {
	if len(certs) == 0 {
		return AlipayKey{}, errors.New("there is no certificate")
	}
	key, ok := certs[0].PublicKey.(*rsa.PublicKey)
	if !ok {
		return AlipayKey{}, errors.New("the certificate's key is not RSA: RSA2 needs alipayCertPublicKey_RSA2.crt")
	}
	if err := checkBits(key); err != nil {
		return AlipayKey{}, err
	}
	return AlipayKey{Public: key, SN: CertSN(certs[0])}, nil
}

// CheckChain checks that Alipay's certificate was issued below one of the roots,
// as of the day on which it was issued: its end is another matter. The issuer in
// between is looked for behind the certificate in its own file, where Alipay puts
// it. The root certificates that Alipay hands out with its sandbox are those of
// production, and so do not lead to the sandbox's certificates.
func CheckChain(chain, roots []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("there is no certificate")
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		CurrentTime: chain[0].NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, c := range roots {
		options.Roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(options)
	return err
}

// MatchAppCert checks that the app's certificate was made for the app's private
// key. Only Alipay would say so otherwise, to the first buyer.
func MatchAppCert(cert *x509.Certificate, key crypto.Signer) error {
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	own, isRSA := key.Public().(*rsa.PublicKey)
	if !ok || !isRSA || !sameKey(public, own) {
		return errors.New("app_cert and app_private_key do not belong together: give the private key that was made with the certificate request")
	}
	return nil
}

// CertSN is Alipay's serial number of a certificate (app_cert_sn,
// alipay_cert_sn): the MD5, in hex, of the issuer in RFC 2253 form followed by
// the serial number in decimal (document 057k53).
func CertSN(cert *x509.Certificate) string {
	sum := md5.Sum([]byte(issuer(cert) + cert.SerialNumber.String())) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// issuer keeps the order in which the certificate has the parts of its issuer;
// pkix.Name.String brings them into an order of its own.
func issuer(cert *x509.Certificate) string {
	var parts pkix.RDNSequence
	if rest, err := asn1.Unmarshal(cert.RawIssuer, &parts); err != nil || len(rest) > 0 {
		return cert.Issuer.String()
	}
	return parts.String()
}

// RootCertSN is alipay_root_cert_sn of Alipay's bundle of roots: the serial
// numbers of those signed with RSA, joined with underscores. It is an error if
// there are none, for then requests would go out without the parameter.
func RootCertSN(data []byte) (string, error) {
	certs, err := ParseCertificates(data)
	if err != nil {
		return "", err
	}
	var numbers []string
	for _, cert := range certs {
		if signedWithRSA(cert.SignatureAlgorithm) {
			numbers = append(numbers, CertSN(cert))
		}
	}
	if numbers == nil {
		return "", errors.New("no certificate in this file is signed with RSA: is it alipayRootCert.crt?")
	}
	return strings.Join(numbers, "_"), nil
}

// signedWithRSA is Alipay's test for an OID below 1.2.840.113549.1.1.
func signedWithRSA(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS:
		return true
	}
	return false
}
