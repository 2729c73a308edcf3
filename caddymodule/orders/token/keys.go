// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/caddyserver/caddy/v2"
	"github.com/go-jose/go-jose/v4"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/assertion"
)

const (
	// maxKeys bounds what a forged token may cost: each key is tried.
	maxKeys = 8
	// maxKeyFile bounds a key file, in bytes.
	maxKeyFile = 64 << 10
)

// errMany is said of more than maxKeys.
var errMany = fmt.Errorf("at most %d secrets or keys are taken", maxKeys)

func secrets(values []string) (verifier, error) {
	v := verifier{algorithm: jose.HS256}
	for _, value := range values {
		secret, err := resolved("secret", value)
		if err != nil {
			return v, err
		}
		if len(secret) < assertion.MinSecret {
			return v, assertion.ErrShortSecret
		}
		v.keys = append(v.keys, []byte(secret))
	}
	if len(v.keys) > maxKeys {
		return v, errMany
	}
	return v, nil
}

func publicKeys(files []string) (verifier, error) {
	v := verifier{algorithm: jose.EdDSA}
	for _, file := range files {
		path, err := resolved("public_key", file)
		if err != nil {
			return v, err
		}
		data, err := read(path)
		if err != nil {
			return v, fmt.Errorf("public_key: %w", err)
		}
		keys, err := parsePublicKeys(data)
		if err != nil {
			return v, fmt.Errorf("public_key %s: %w", path, err)
		}
		for _, key := range keys {
			v.keys = append(v.keys, key)
		}
	}
	if len(v.keys) > maxKeys {
		return v, errMany
	}
	return v, nil
}

func resolved(option, value string) (string, error) {
	text, err := caddy.NewReplacer().ReplaceOrErr(value, true, true)
	if err != nil {
		return "", fmt.Errorf("%s: %w; set the variable, or write the value itself", option, err)
	}
	return text, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(data) > maxKeyFile {
		return nil, fmt.Errorf("%s is larger than 64 KiB and so no key", path)
	}
	return data, err
}

var (
	errPrivate = errors.New("this is a private key, which the shop alone should have: give its public half (openssl pkey -pubout)")
	errKind    = errors.New("this is no Ed25519 public key; make a pair with: openssl genpkey -algorithm ed25519")
)

// parsePublicKeys reads a key in PEM, a JWK or a JWK Set.
func parsePublicKeys(data []byte) ([]ed25519.PublicKey, error) {
	if block, _ := pem.Decode(data); block != nil {
		if block.Type == "PRIVATE KEY" {
			return nil, errPrivate
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		public, ok := key.(ed25519.PublicKey)
		if err != nil || !ok {
			return nil, errKind
		}
		return []ed25519.PublicKey{public}, nil
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(data, &set); err != nil || len(set.Keys) == 0 {
		var one jose.JSONWebKey
		if err := json.Unmarshal(data, &one); err != nil {
			return nil, errKind
		}
		set.Keys = []jose.JSONWebKey{one}
	}
	var keys []ed25519.PublicKey
	for _, key := range set.Keys {
		switch k := key.Key.(type) {
		case ed25519.PublicKey:
			keys = append(keys, k)
		case ed25519.PrivateKey:
			return nil, errPrivate
		default:
			return nil, errKind
		}
	}
	return keys, nil
}
