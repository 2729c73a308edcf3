// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package assertion

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Signer makes the compact JWS of claims, which are a JSON object.
type Signer interface {
	Sign(ctx context.Context, claims []byte) (string, error)
}

// method is one key in use. The protected header of a key never changes, so it
// is encoded once; that, and no other reason, is why the compact form is put
// together here: go-jose's own signer encodes the header anew each time.
type method struct {
	header string // base64url of the protected header, and the dot
	sign   func(input []byte) []byte
}

var encoding = base64.RawURLEncoding

func newMethod(alg jose.SignatureAlgorithm, kid string, sign func([]byte) []byte) (method, error) {
	header, err := json.Marshal(struct {
		Alg jose.SignatureAlgorithm `json:"alg"`
		Typ string                  `json:"typ"`
		Kid string                  `json:"kid,omitempty"`
	}{alg, "JWT", kid})
	if err != nil {
		return method{}, err
	}
	return method{encoding.EncodeToString(header) + ".", sign}, nil
}

func ed25519Method(key jose.JSONWebKey) (method, error) {
	private, ok := key.Key.(ed25519.PrivateKey)
	if !ok || len(private) != ed25519.PrivateKeySize {
		return method{}, fmt.Errorf("the key %q is no Ed25519 private key", key.KeyID)
	}
	return newMethod(jose.EdDSA, key.KeyID, func(input []byte) []byte { return ed25519.Sign(private, input) })
}

// compact is the JWS of claims.
func (m *method) compact(claims []byte) string {
	const signatureSize = 86 // of Ed25519, the longer one, encoded
	b := make([]byte, 0, len(m.header)+encoding.EncodedLen(len(claims))+1+signatureSize)
	b = append(b, m.header...)
	b = encoding.AppendEncode(b, claims)
	signature := m.sign(b)
	b = append(b, '.')
	return string(encoding.AppendEncode(b, signature))
}

// Secret signs with HS256.
type Secret struct{ method method }

// MinSecret is how many bytes a shared secret has at least: as many as SHA-256
// gives (RFC 7518, section 3.2).
const MinSecret = 32

// ErrShortSecret: a secret that could be guessed is none.
var ErrShortSecret = errors.New("the secret has less than 32 bytes; make one with: openssl rand -hex 32")

// NewSecret makes the signer of a shared secret, whose bytes are taken as they are.
func NewSecret(secret []byte) (*Secret, error) {
	if len(secret) < MinSecret {
		return nil, ErrShortSecret
	}
	m, err := newMethod(jose.HS256, "", func(input []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(input)
		return mac.Sum(nil)
	})
	return &Secret{m}, err
}

// Sign implements Signer.
func (s *Secret) Sign(_ context.Context, claims []byte) (string, error) {
	return s.method.compact(claims), nil
}
