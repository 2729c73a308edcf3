// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
)

// The files of certificate mode, by the names that Alipay's console gives them.
const (
	appCertFile    = "appCertPublicKey.crt"
	alipayCertFile = "alipayCertPublicKey_RSA2.crt"
	rootCertFile   = "alipayRootCert.crt"
	nextCertFile   = "alipayCertPublicKey_RSA2.next.crt" // what the fault cert_rolled changes to
)

// certificates reads the set from a folder. It issues a new one when there is
// none, or when the one there is for other keys.
func certificates(dir string, app, alipay *rsa.PublicKey) (*sandbox.Certificates, error) {
	set, err := loadCertificates(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && app.Equal(set.App.PublicKey) && alipay.Equal(set.Alipay.PublicKey) {
		return set, nil
	}
	if set, err = sandbox.NewCertificates(app, alipay); err != nil {
		return nil, err
	}
	next := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: set.Next.Raw})
	for name, text := range map[string][]byte{
		appCertFile: set.AppPEM(), alipayCertFile: set.AlipayPEM(), rootCertFile: set.RootPEM(), nextCertFile: next,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return nil, err
		}
	}
	return set, nil
}

func loadCertificates(dir string) (*sandbox.Certificates, error) {
	read := func(name string, least int) ([]*x509.Certificate, error) {
		text, err := readBounded(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		var certs []*x509.Certificate
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%q: %w; delete it to have a new set issued", name, err)
			}
			certs = append(certs, cert)
		}
		if len(certs) < least {
			return nil, fmt.Errorf("%q has %d certificates, not %d; delete it to have a new set issued", name, len(certs), least)
		}
		return certs, nil
	}
	app, err := read(appCertFile, 1)
	if err != nil {
		return nil, err
	}
	alipay, err := read(alipayCertFile, 2)
	if err != nil {
		return nil, err
	}
	roots, err := read(rootCertFile, 1)
	if err != nil {
		return nil, err
	}
	next, err := read(nextCertFile, 1)
	if err != nil {
		return nil, err
	}
	return &sandbox.Certificates{App: app[0], Alipay: alipay[0], Issuer: alipay[1], Roots: roots, Next: next[0]}, nil
}
