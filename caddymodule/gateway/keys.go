// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
)

// minBits is what RSA2 (SHA256withRSA) demands of a key.
const minBits = 2048

// maxBits keeps one verification cheap, whoever made the key.
const maxBits = 8192

// ParsePrivateKey reads the app's private key (应用私钥): PKCS#1 or PKCS#8, DER,
// PEM or the one line of base64 that Alipay's key tool hands out. PEM labels
// are ignored, for tutorials by the hundred put the wrong one. The error is one
// sentence for the operator that names the mistake and the cure; it never holds
// any of the key.
func ParsePrivateKey(data []byte) (*rsa.PrivateKey, error) {
	items, err := readItems(data)
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		if it.kind == kindRSAPrivate {
			return it.private, checkBits(&it.private.PublicKey)
		}
	}
	return nil, wrongPrivate(items[0].kind)
}

// ParsePublicKey reads Alipay's public key (支付宝公钥): PKIX or PKCS#1, in the
// forms that ParsePrivateKey takes.
func ParsePublicKey(data []byte) (*rsa.PublicKey, error) {
	items, err := readItems(data)
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		if it.kind == kindRSAPublic {
			return it.public, checkBits(it.public)
		}
	}
	return nil, wrongPublic(items[0].kind)
}

func checkBits(key *rsa.PublicKey) error {
	switch bits := key.N.BitLen(); {
	case bits < minBits:
		return fmt.Errorf("the RSA key has %d bits and RSA2 needs %d: make a new pair and upload its public half", bits, minBits)
	case bits > maxBits:
		return fmt.Errorf("the RSA key has %d bits, at most %d are taken: make a pair of %d", bits, maxBits, minBits)
	}
	return nil
}

func wrongPrivate(k kind) error {
	switch k {
	case kindRSAPublic:
		return errors.New("this is a public key where the app's private key belongs: give the private half of the pair (应用私钥)")
	case kindCertificate:
		return errors.New("this is a certificate where the app's private key belongs: give the private key that was made with the certificate request")
	}
	return wrongKind(k, "the app's private key")
}

func wrongPublic(k kind) error {
	switch k {
	case kindRSAPrivate:
		return errors.New("this is a private key where Alipay's public key belongs: copy 支付宝公钥 from Alipay's console")
	case kindCertificate:
		return errors.New("this is a certificate where Alipay's public key belongs: certificate mode takes it as alipay_cert")
	}
	return wrongKind(k, "Alipay's public key")
}

func wrongKind(k kind, place string) error {
	switch k {
	case kindRequest:
		return fmt.Errorf("this is a certificate request (CSR) where %s belongs", place)
	case kindEncrypted:
		return errors.New("the private key is encrypted with a passphrase: decrypt it once with openssl pkey -in FILE -out NEWFILE")
	case kindOtherKey:
		return fmt.Errorf("this is an EC, SM2 or other key where %s belongs: RSA2 needs an RSA key of %d bits", place, minBits)
	}
	return fmt.Errorf("this is no key where %s belongs: the base64 is sound, but what it holds is neither PKCS#1, PKCS#8 nor PKIX", place)
}

// Fingerprint is the SHA-256 of the key in PKIX form, in hex: what an operator
// compares with a key in Alipay's console, or two servers with each other.
func Fingerprint(key *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// KeyName is the short form of a key's Fingerprint, fit for a label.
func KeyName(key *rsa.PublicKey) string { return Fingerprint(key)[:16] }

// sameKey compares moduli and exponents.
func sameKey(a, b *rsa.PublicKey) bool { return a.E == b.E && a.N.Cmp(b.N) == 0 }
