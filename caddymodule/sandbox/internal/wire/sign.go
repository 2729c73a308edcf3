// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// ErrSignature says that a signature is not the key's over this text.
var ErrSignature = errors.New("signature does not match")

// Sign makes an RSA2 signature (SHA-256, PKCS #1 v1.5) in standard base64:
// 344 characters for a key of 2048 bits.
func Sign(key *rsa.PrivateKey, text []byte) (string, error) {
	digest := sha256.Sum256(text)
	// The scheme is deterministic; a random source would only blind it.
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("signing with RSA2: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// Verify checks an RSA2 signature. Anything but strict base64 of the key's
// length fails before the key is used. Every failure is ErrSignature.
func Verify(key *rsa.PublicKey, text []byte, signature string) error {
	if len(signature) != base64.StdEncoding.EncodedLen(key.Size()) {
		return fmt.Errorf("%w: it has %d characters, not %d",
			ErrSignature, len(signature), base64.StdEncoding.EncodedLen(key.Size()))
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(signature)
	if err != nil || len(raw) != key.Size() {
		return fmt.Errorf("%w: it is not strict base64", ErrSignature)
	}
	digest := sha256.Sum256(text)
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], raw) != nil {
		return ErrSignature
	}
	return nil
}
