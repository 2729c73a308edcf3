// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package assertion

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"

	"github.com/go-jose/go-jose/v4"
)

// Fixed signs with EdDSA under configured keys: the first signs, all are listed.
type Fixed struct {
	method method
	jwks   []byte
}

// NewFixed makes the signer of at least one key.
func NewFixed(keys []ed25519.PrivateKey) (*Fixed, error) {
	if len(keys) == 0 {
		return nil, errors.New("there is no key to sign with")
	}
	var set jose.JSONWebKeySet
	var f Fixed
	for i, private := range keys {
		key, err := webKey(private)
		if err != nil {
			return nil, err
		}
		if len(set.Key(key.KeyID)) > 0 {
			return nil, errors.New("the same key is given twice")
		}
		set.Keys = append(set.Keys, key.Public())
		if i == 0 {
			if f.method, err = ed25519Method(key); err != nil {
				return nil, err
			}
		}
	}
	var err error
	f.jwks, err = json.Marshal(set)
	return &f, err
}

// Sign implements Signer.
func (f *Fixed) Sign(_ context.Context, claims []byte) (string, error) {
	return f.method.compact(claims), nil
}

// JWKS is the JWK Set for shops.
func (f *Fixed) JWKS(context.Context) ([]byte, error) { return f.jwks, nil }
