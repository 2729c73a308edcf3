// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The gateways of Alipay.
const (
	Production = "https://openapi.alipay.com/gateway.do"
	Sandbox    = "https://openapi-sandbox.dl.alipaydev.com/gateway.do"
)

// Config is one app's account at Alipay.
type Config struct {
	AppID      string
	PrivateKey crypto.Signer // the app's: RSA of at least 2048 bits, perhaps kept elsewhere
	AlipayKeys []AlipayKey   // one to four; see NewVerifier

	// AppCertSN and AlipayRootCertSN are sent in certificate mode, and must be
	// empty in public key mode, where sending them fails payments.
	AppCertSN        string
	AlipayRootCertSN string

	// EncryptKey encrypts biz_content and decrypts answers (接口内容加密, document
	// 02mse3): an AES key of 16, 24 or 32 bytes; nil leaves them plain.
	EncryptKey []byte

	URL string // as GatewayURL returns it; "" is Production

	// Transport carries the calls; nil is one that the gateway owns: connect
	// within 3 s, no proxy from the environment, connections kept alive.
	Transport http.RoundTripper

	// Now is the clock by which answers are received; nil is time.Now.
	Now func() time.Time

	// Verified is told which key of Alipay's has verified a message, by its KeyName,
	// from several goroutines at once; nil: nobody.
	Verified func(key string)

	// Observe is told of each call to Alipay that has ended, from several
	// goroutines; nil is nobody.
	Observe func(Call)
}

// GatewayURL turns the configuration's word into a URL: production, sandbox, or
// an absolute http or https URL of an emulator.
func GatewayURL(word string) (string, error) {
	switch word {
	case "production", "":
		return Production, nil
	case "sandbox":
		return Sandbox, nil
	}
	u, err := url.Parse(word)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return "", fmt.Errorf("gateway %q is neither production nor sandbox nor an absolute http(s) URL", clip(word))
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", fmt.Errorf("gateway %q must have neither user, query nor fragment", clip(u.Redacted()))
	}
	switch strings.ToLower(u.Hostname()) {
	case "openapi.alipaydev.com", "openapi.sandbox.dl.alipaydev.com":
		return "", fmt.Errorf("gateway host %q is Alipay's former sandbox and no longer answers: write sandbox, which is %s", u.Hostname(), Sandbox)
	}
	return u.String(), nil
}

func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// check refuses what cannot work, with a sentence that names option and cure.
func (c *Config) check() error {
	if !isAppID(c.AppID) {
		return fmt.Errorf("app_id %q is not an app's number of up to 32 letters and digits", clip(c.AppID))
	}
	if c.PrivateKey == nil {
		return errors.New("app_private_key is missing")
	}
	own, ok := c.PrivateKey.Public().(*rsa.PublicKey)
	if !ok {
		return errors.New("app_private_key is not an RSA key: RSA2 needs one")
	}
	if err := checkBits(own); err != nil {
		return fmt.Errorf("app_private_key: %w", err)
	}
	switch len(c.EncryptKey) {
	case 0, 16, 24, 32:
	default:
		return fmt.Errorf("encrypt_key has %d bytes; an AES key has 16, 24 or 32: copy it from the console's 接口内容加密方式", len(c.EncryptKey))
	}
	for _, k := range c.AlipayKeys {
		if k.Public != nil && sameKey(k.Public, own) {
			if k.SN != "" {
				return errors.New("alipay_cert is the app's own certificate (its key belongs to app_private_key): give alipayCertPublicKey_RSA2.crt, and the app's as app_cert")
			}
			return errors.New("alipay_public_key is the app's own public key (it belongs to app_private_key): give Alipay's (支付宝公钥), which the console shows beside the app's (应用公钥)")
		}
	}
	return c.checkCerts()
}

func (c *Config) checkCerts() error {
	certMode := false
	for _, k := range c.AlipayKeys {
		certMode = certMode || k.SN != ""
	}
	switch {
	case (c.AppCertSN == "") != (c.AlipayRootCertSN == ""):
		return errors.New("app_cert and alipay_root_cert belong together: give both, or neither in public key mode")
	case c.AppCertSN != "" && !certMode:
		return errors.New("app_cert and alipay_root_cert belong to certificate mode: give alipay_cert instead of alipay_public_key")
	case c.AppCertSN == "" && certMode:
		return errors.New("alipay_cert belongs to certificate mode: give app_cert and alipay_root_cert, too")
	}
	for _, sn := range append(strings.Split(c.AlipayRootCertSN, "_"), c.AppCertSN) {
		if sn != "" && !isSN(sn) {
			return fmt.Errorf("certificate number %q is not of 32 hexadecimal digits", clip(sn))
		}
	}
	return nil
}

func isSN(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

func isAppID(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	})
}
