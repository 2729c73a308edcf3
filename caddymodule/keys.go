// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

// maxKeyFile bounds a key or certificate file, in bytes. Alipay's root
// certificate file, the largest, has about 5 KiB.
const maxKeyFile = 64 << 10

// keyLoader reads an account's keys, at first and again when their files change.
type keyLoader struct {
	account *Account
	logger  *zap.Logger
	signer  crypto.Signer                 // of a signer module; nil if the private key is read here
	files   []string                      // that the last load has read
	certs   atomic.Pointer[[]certificate] // that the last load has read; scrapes look at them
}

// certificate is one that the account uses.
type certificate struct {
	option string
	expiry time.Time
}

// certificates are those that the last load has read.
func (l *keyLoader) certificates() []certificate {
	if list := l.certs.Load(); list != nil {
		return *list
	}
	return nil
}

// load reads all keys into a gateway's configuration, in public-key mode or in
// certificate mode.
func (l *keyLoader) load() (cfg gateway.Config, err error) {
	a := l.account
	l.files = nil
	l.certs.Store(nil)
	cfg.AppID = a.AppID
	if cfg.URL, err = gateway.GatewayURL(a.Gateway); err != nil {
		return cfg, fmt.Errorf("gateway: %w", err)
	}
	if cfg.PrivateKey, err = l.privateKey(); err != nil {
		return cfg, err
	}
	if a.EncryptKey != "" {
		if cfg.EncryptKey, err = gateway.ParseEncryptKey(a.EncryptKey); err != nil {
			return cfg, fmt.Errorf("encrypt_key: %w", err)
		}
	}
	certs := a.AppCert != "" || len(a.AlipayCerts) > 0 || a.AlipayRootCert != ""
	switch {
	case certs && a.AlipayPublicKey != "":
		return cfg, errors.New("alipay_public_key excludes app_cert, alipay_cert and alipay_root_cert: an app at Alipay is in public-key mode or in certificate mode")
	case certs:
		return cfg, l.loadCerts(&cfg)
	case a.AlipayPublicKey == "":
		return cfg, errors.New("alipay_public_key is missing; download it from Alipay's console (支付宝公钥), or give app_cert, alipay_cert and alipay_root_cert")
	}
	return cfg, l.loadPublicKeys(&cfg)
}

func (l *keyLoader) privateKey() (crypto.Signer, error) {
	if l.signer != nil {
		return l.signer, nil
	}
	value := strings.TrimPrefix(l.account.AppPrivateKey, "file:")
	if value == "" {
		return nil, errors.New("app_private_key is missing; it is the path of the app's private key, see keys/README.md")
	}
	data, err := l.read("app_private_key", value)
	if err != nil {
		return nil, err
	}
	key, err := gateway.ParsePrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("app_private_key: %w", err)
	}
	return key, nil
}

func (l *keyLoader) loadPublicKeys(cfg *gateway.Config) error {
	for _, value := range append([]string{l.account.AlipayPublicKey}, l.account.OlderAlipayPublicKeys...) {
		data, err := l.read("alipay_public_key", value)
		if err != nil {
			return err
		}
		public, err := gateway.ParsePublicKey(data)
		if err != nil {
			return fmt.Errorf("alipay_public_key: %w", err)
		}
		cfg.AlipayKeys = append(cfg.AlipayKeys, gateway.AlipayKey{Public: public})
	}
	return nil
}

// loadCerts reads the three kinds of certificates of the certificate mode.
func (l *keyLoader) loadCerts(cfg *gateway.Config) error {
	a := l.account
	if a.AppCert == "" || len(a.AlipayCerts) == 0 || a.AlipayRootCert == "" {
		return errors.New("the certificate mode needs app_cert, alipay_cert and alipay_root_cert together")
	}
	app, _, err := l.readCerts("app_cert", a.AppCert)
	if err != nil {
		return err
	}
	if err := gateway.MatchAppCert(app[0], cfg.PrivateKey); err != nil {
		return fmt.Errorf("app_cert: %w", err)
	}
	cfg.AppCertSN = gateway.CertSN(app[0])
	roots, data, err := l.readCerts("alipay_root_cert", a.AlipayRootCert)
	if err != nil {
		return err
	}
	if cfg.AlipayRootCertSN, err = gateway.RootCertSN(data); err != nil {
		return fmt.Errorf("alipay_root_cert: %w", err)
	}
	for _, value := range a.AlipayCerts {
		chain, _, err := l.readCerts("alipay_cert", value)
		if err != nil {
			return err
		}
		key, err := gateway.CertificateKey(chain)
		if err != nil {
			return fmt.Errorf("alipay_cert: %w", err)
		}
		if err := gateway.CheckChain(chain, roots); err != nil {
			l.logger.Warn("alipay_cert does not lead to alipay_root_cert; download both again from Alipay's console if you are not sure of them",
				zap.String("file", shown(value)), zap.Error(err))
		}
		cfg.AlipayKeys = append(cfg.AlipayKeys, key)
	}
	return nil
}

// readCerts reads a certificate file and notes when its first one ends.
func (l *keyLoader) readCerts(option, value string) ([]*x509.Certificate, []byte, error) {
	data, err := l.read(option, value)
	if err != nil {
		return nil, nil, err
	}
	certs, err := gateway.ParseCertificates(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", option, err)
	}
	if option != "alipay_root_cert" { // of its many roots some have ended, and it does not matter
		list := append(slices.Clone(l.certificates()), certificate{option: option, expiry: certs[0].NotAfter})
		l.certs.Store(&list)
	}
	return certs, data, nil
}

func (l *keyLoader) read(option, value string) ([]byte, error) {
	if !isInline(value) {
		l.files = append(l.files, value)
	}
	var secret *zap.Logger
	if option == "app_private_key" {
		secret = l.logger
	}
	return readKey(option, value, secret)
}

// shown is a key option's value for the log: never a key itself.
func shown(value string) string {
	if isInline(value) {
		return "(inline)"
	}
	return value
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
