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
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
)

// The files of a demo's folder, all made on the first run.
const (
	appKeyFile     = "keys/app_private_key.pem"     // the merchant's
	alipayKeyFile  = "keys/alipay_public_key.pem"   // what the merchant gets from Alipay
	sandboxKeyFile = "keys/sandbox_private_key.pem" // Alipay's own half, which a merchant never sees
	tokenFile      = "keys/merchant_token"          // for the merchant API
	ledgerFile     = "alipay.db"
	caddyFile      = "Caddyfile"
	siteFolder     = "site"
	errorFile      = "site/error.html"
	shopFolder     = "shop"
	caddyFolder    = "caddy"
)

// folder is the demo's folder.
type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), filepath.FromSlash(name)) }

// openFolder makes the folder and what belongs into it, for this user only.
func openFolder(dir string) (folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("-dir: %w", err)
	}
	if strings.ContainsAny(dir, "{}`\n") {
		return "", fmt.Errorf("-dir %q: a Caddyfile takes no path with braces, backquotes or line ends", dir)
	}
	f := folder(dir)
	for _, sub := range []string{"", "keys", siteFolder, shopFolder, caddyFolder} {
		if err := os.MkdirAll(f.path(sub), 0o700); err != nil {
			return "", fmt.Errorf("-dir: %w", err)
		}
	}
	return f, nil
}

// keyPair reads a private key of the folder, or makes it.
func (f folder) keyPair(name string) (*rsa.PrivateKey, error) {
	path := f.path(name)
	text, err := os.ReadFile(path)
	if err == nil {
		key, err := sandbox.ParsePrivateKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; delete it to have a new one made", path, err)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
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
	return key, f.write(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// token reads the merchant API's token, or makes it.
func (f folder) token() (string, error) {
	text, err := os.ReadFile(f.path(tokenFile))
	if err == nil && len(text) > 0 {
		return string(text), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	token := rand.Text()
	return token, f.write(tokenFile, []byte(token))
}

func (f folder) write(name string, data []byte) error {
	return os.WriteFile(f.path(name), data, 0o600)
}
