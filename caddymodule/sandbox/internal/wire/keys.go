// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

// MinKeyBits is the least size of an RSA2 key.
const MinKeyBits = 2048

// NewKey makes an RSA key pair of 2048 bits.
func NewKey() (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, MinKeyBits)
	if err != nil {
		return nil, fmt.Errorf("making an RSA key: %w", err)
	}
	return key, nil
}

// ParsePublicKey reads a public key: PEM (PKIX or PKCS #1) or, as Alipay's key
// tool hands it out, one line of base64. The PEM label is not believed, for
// tutorials disagree on it; the DER decides.
func ParsePublicKey(text []byte) (*rsa.PublicKey, error) {
	der, err := derOf(text)
	if err != nil {
		return nil, err
	}
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		return checkPublic(key)
	}
	if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return checkPublic(key)
	}
	if _, err := privateKey(der); err == nil {
		return nil, errors.New("this is a private key; give the public key that belongs to it")
	}
	if cert, err := x509.ParseCertificate(der); err == nil {
		return nil, fmt.Errorf("this is a certificate (%s); give the public key alone", cert.Subject)
	}
	return nil, errors.New("this is no RSA public key: neither PKIX nor PKCS #1; it may be cut short")
}

func checkPublic(key any) (*rsa.PublicKey, error) {
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("this is a %T; RSA2 needs an RSA key", key)
	}
	if public.N.BitLen() < MinKeyBits {
		return nil, fmt.Errorf("the key has %d bits; RSA2 needs %d", public.N.BitLen(), MinKeyBits)
	}
	return public, nil
}

// ParsePrivateKey reads a private key, PKCS #8 or PKCS #1, PEM or bare base64.
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	der, err := derOf(text)
	if err != nil {
		return nil, err
	}
	key, err := privateKey(der)
	if err != nil {
		if _, err := x509.ParsePKIXPublicKey(der); err == nil {
			return nil, errors.New("this is a public key; give the private key")
		}
		return nil, errors.New("this is no RSA private key: neither PKCS #8 nor PKCS #1; it may be cut short")
	}
	if key.N.BitLen() < MinKeyBits {
		return nil, fmt.Errorf("the key has %d bits; RSA2 needs %d", key.N.BitLen(), MinKeyBits)
	}
	return key, nil
}

func privateKey(der []byte) (*rsa.PrivateKey, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if private, ok := key.(*rsa.PrivateKey); ok {
			return private, nil
		}
		return nil, fmt.Errorf("this is a %T; RSA2 needs an RSA key", key)
	}
	return x509.ParsePKCS1PrivateKey(der)
}

// derOf takes the armour off: PEM lines, or none at all.
func derOf(text []byte) ([]byte, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	if len(text) == 0 {
		return nil, errors.New("the key is empty")
	}
	if block, _ := pem.Decode(text); block != nil {
		return block.Bytes, nil
	}
	bare := bytes.Join(bytes.Fields(text), nil)
	der, err := base64.StdEncoding.DecodeString(string(bare))
	if err != nil {
		return nil, errors.New("the key is neither PEM nor base64")
	}
	return der, nil
}

// PublicPEM writes a public key as PKIX in PEM.
func PublicPEM(key *rsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// PrivatePEM writes a private key as PKCS #8 in PEM.
func PrivatePEM(key *rsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
