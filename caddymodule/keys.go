// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

// maxKeyFile bounds a key or certificate file, in bytes. Alipay's root
// certificate file, the largest, has about 5 KiB.
const maxKeyFile = 64 << 10

// loadKeys reads the account's keys into cfg, in public-key mode or in
// certificate mode.
func (a *Account) loadKeys(cfg *gateway.Config, logger *zap.Logger) error {
	if a.AppPrivateKey == "" {
		return errors.New("app_private_key is missing; it is the path of the app's private key, see keys/README.md")
	}
	data, err := readKey("app_private_key", a.AppPrivateKey, logger)
	if err != nil {
		return err
	}
	if cfg.PrivateKey, err = gateway.ParsePrivateKey(data); err != nil {
		return fmt.Errorf("app_private_key: %w", err)
	}
	certs := a.AppCert != "" || len(a.AlipayCerts) > 0 || a.AlipayRootCert != ""
	switch {
	case certs && a.AlipayPublicKey != "":
		return errors.New("alipay_public_key excludes app_cert, alipay_cert and alipay_root_cert: an app at Alipay is in public-key mode or in certificate mode")
	case certs:
		return a.loadCerts(cfg)
	case a.AlipayPublicKey == "":
		return errors.New("alipay_public_key is missing; download it from Alipay's console (支付宝公钥), or give app_cert, alipay_cert and alipay_root_cert")
	}
	if data, err = readKey("alipay_public_key", a.AlipayPublicKey, nil); err != nil {
		return err
	}
	public, err := gateway.ParsePublicKey(data)
	if err != nil {
		return fmt.Errorf("alipay_public_key: %w", err)
	}
	cfg.AlipayKeys = []gateway.AlipayKey{{Public: public}}
	return nil
}

// loadCerts reads the three kinds of certificates of the certificate mode.
func (a *Account) loadCerts(cfg *gateway.Config) error {
	if a.AppCert == "" || len(a.AlipayCerts) == 0 || a.AlipayRootCert == "" {
		return errors.New("the certificate mode needs app_cert, alipay_cert and alipay_root_cert together")
	}
	data, err := readKey("app_cert", a.AppCert, nil)
	if err != nil {
		return err
	}
	app, err := gateway.ParseCertificates(data)
	if err != nil {
		return fmt.Errorf("app_cert: %w", err)
	}
	if err := gateway.MatchAppCert(app[0], cfg.PrivateKey); err != nil {
		return fmt.Errorf("app_cert: %w", err)
	}
	cfg.AppCertSN = gateway.CertSN(app[0])
	if data, err = readKey("alipay_root_cert", a.AlipayRootCert, nil); err != nil {
		return err
	}
	if cfg.AlipayRootCertSN, err = gateway.RootCertSN(data); err != nil {
		return fmt.Errorf("alipay_root_cert: %w", err)
	}
	for _, value := range a.AlipayCerts {
		if data, err = readKey("alipay_cert", value, nil); err != nil {
			return err
		}
		chain, err := gateway.ParseCertificates(data)
		if err != nil {
			return fmt.Errorf("alipay_cert: %w", err)
		}
		key, err := gateway.CertificateKey(chain)
		if err != nil {
			return fmt.Errorf("alipay_cert: %w", err)
		}
		cfg.AlipayKeys = append(cfg.AlipayKeys, key)
	}
	return nil
}

// readKey returns what a key option holds: the file that it names, or the key
// itself, as an environment variable may give it. With a logger it warns of a
// file that others may read.
func readKey(option, value string, logger *zap.Logger) ([]byte, error) {
	if isInline(value) {
		return []byte(value), nil
	}
	f, err := os.Open(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: %s is a folder; name the key file in it", option, value)
	}
	if mode := info.Mode().Perm(); logger != nil && mode&0o077 != 0 {
		logger.Warn("the private key can be read by other users; chmod 600 it",
			zap.String("file", value), zap.String("mode", mode.String()))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%s: %s is larger than 64 KiB and so no key", option, value)
	}
	return data, nil
}

// isInline tells a key from a path: keys are long and paths do not begin with
// the base64 of an ASN.1 sequence.
func isInline(value string) bool {
	return strings.Contains(value, "-----BEGIN") || len(value) > 200 && strings.HasPrefix(strings.TrimSpace(value), "MII")
}
