// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
)

const (
	privateKeyFile = "alipay_private_key.pem"
	publicKeyFile  = "alipay_public_key.pem"

	maxKeyFile = 64 << 10 // bytes; a key file has about two thousand
)

// keyPair reads the gateway's private key from a folder, or makes the pair
// there: the folder 0700, the private key 0600.
func keyPair(dir string) (*rsa.PrivateKey, error) {
	path := filepath.Join(dir, privateKeyFile)
	text, err := readBounded(path)
	switch {
	case err == nil:
		key, err := sandbox.ParsePrivateKey(text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w; delete it to have a new pair made", path, err)
		}
		return key, writePublic(dir, key)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	return key, writePublic(dir, key)
}

// writePublic keeps the public half beside the private key, for merchants that
// read a file.
func writePublic(dir string, key *rsa.PrivateKey) error {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return os.WriteFile(filepath.Join(dir, publicKeyFile), text, 0o644)
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		return nil, fmt.Errorf("%q is over %d bytes, too long for a key", path, maxKeyFile)
	}
	return text, err
}
