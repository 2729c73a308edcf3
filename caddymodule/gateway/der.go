// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
)

// kind is what a piece of DER turned out to be, whatever its PEM label says.
type kind int

const (
	kindUnknown kind = iota
	kindRSAPrivate
	kindRSAPublic
	kindOtherKey // EC, SM2, Ed25519, …
	kindCertificate
	kindRequest
	kindEncrypted
)

type item struct {
	kind    kind
	private *rsa.PrivateKey
	public  *rsa.PublicKey
}

// sniff recognises DER by its structure. It fails only for data that is cut off
// or followed by more: all else is an item of some kind.
func sniff(der []byte) (item, error) {
	if err := checkLength(der); err != nil {
		return item{}, err
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return item{kind: kindRSAPrivate, private: key}, nil
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if rsaKey, ok := key.(*rsa.PrivateKey); ok {
			return item{kind: kindRSAPrivate, private: rsaKey}, nil
		}
		return item{kind: kindOtherKey}, nil
	}
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		if rsaKey, ok := key.(*rsa.PublicKey); ok {
			return item{kind: kindRSAPublic, public: rsaKey}, nil
		}
		return item{kind: kindOtherKey}, nil
	}
	if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return item{kind: kindRSAPublic, public: key}, nil
	}
	return item{kind: sniffForeign(der)}, nil
}

// sniffForeign tells apart what is not usable, so that the operator can be told
// what it is. crypto/x509 fails on SM2, hence the look at the bare structure.
func sniffForeign(der []byte) kind {
	if _, err := x509.ParseCertificateRequest(der); err == nil {
		return kindRequest
	}
	var certificate struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &certificate); err == nil {
		return kindCertificate
	}
	var encrypted struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	if _, err := asn1.Unmarshal(der, &encrypted); err == nil {
		return kindEncrypted
	}
	var private struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
		Rest      asn1.RawValue `asn1:"optional"`
	}
	var public struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	var ec struct {
		Version int
		Key     []byte
		Curve   asn1.RawValue `asn1:"optional"`
		Public  asn1.RawValue `asn1:"optional"`
	}
	for _, into := range []any{&private, &public, &ec} {
		if _, err := asn1.Unmarshal(der, into); err == nil {
			return kindOtherKey
		}
	}
	return kindUnknown
}

var errNotDER = errors.New("this is no key: the base64 is sound, but what it holds is no DER sequence")

// checkLength compares the length that the outer sequence states with what is
// there.
func checkLength(der []byte) error {
	want, ok := statedLength(der)
	if !ok {
		return errNotDER
	}
	if have := len(der); have < want {
		return fmt.Errorf("truncated: expected %d bytes, have %d; copy it again, as a whole", want, have)
	} else if have > want {
		return fmt.Errorf("followed by %d bytes that do not belong to it: was it pasted twice?", have-want)
	}
	return nil
}

// statedLength reads tag and length of a DER sequence of up to 16 MiB.
func statedLength(der []byte) (int, bool) {
	if len(der) < 2 || der[0] != 0x30 {
		return 0, false
	}
	if der[1] < 0x80 {
		return 2 + int(der[1]), true
	}
	n := int(der[1] & 0x7f)
	if n == 0 || n > 3 || len(der) < 2+n {
		return 0, false
	}
	length := 0
	for _, b := range der[2 : 2+n] {
		length = length<<8 | int(b)
	}
	return 2 + n + length, true
}
