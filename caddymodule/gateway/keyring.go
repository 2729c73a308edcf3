// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/smartwalle/alipay/v3"
	"github.com/smartwalle/nsign"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// keyring is all of a gateway that depends on keys. It is replaced as a whole, so
// that no call is made with keys of two configurations.
type keyring struct {
	certs    map[string]string // parameters of certificate mode
	sdk      *alipay.Client
	verifier *Verifier
	own      *rsa.PublicKey // the app's, for Diagnose
}

func newKeyring(c *Config) (*keyring, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	verifier, err := NewVerifier(c.AppID, c.AlipayKeys...)
	if err != nil {
		return nil, err
	}
	verifier.encryptKey, verifier.verified = c.EncryptKey, c.Verified
	k := &keyring{verifier: verifier}
	k.own, _ = c.PrivateKey.Public().(*rsa.PublicKey) // check has seen that it is one
	if c.AppCertSN != "" {
		k.certs = map[string]string{"app_cert_sn": c.AppCertSN, "alipay_root_cert_sn": c.AlipayRootCertSN}
	}
	// The SDK only builds and signs. It never sees an answer, and its own client
	// is one that cannot make a call.
	signer := nsign.New(nsign.WithMethod(method{c.PrivateKey}), nsign.WithEncoder(alipay.Encoder{}))
	k.sdk, err = alipay.NewWithSigner(c.AppID, signer, true,
		alipay.WithTimeLocation(trade.Zone), alipay.WithHTTPClient(&http.Client{Transport: noCalls{}}))
	if err != nil {
		return nil, err
	}
	if c.EncryptKey != nil {
		err = k.sdk.SetEncryptKey(base64.StdEncoding.EncodeToString(c.EncryptKey))
	}
	return k, err
}

// Rekey replaces the keys by those of c, which are checked as New checks them;
// after an error the old ones stay. Calls under way end with the keys with which
// they began. The app and the gateway's URL stay as they are.
func (g *Gateway) Rekey(c Config) error {
	if c.AppID != g.appID {
		return errors.New("the keys are those of another app")
	}
	k, err := newKeyring(&c)
	if err == nil {
		g.keys.Store(k)
	}
	return err
}

// method is the SDK's way to sign, with a key that may be kept outside this
// process. It never verifies: that is the Verifier's part.
type method struct{ key crypto.Signer }

func (m method) Sign(data []byte) ([]byte, error) {
	sum := sha256.Sum256(data)
	return m.key.Sign(rand.Reader, sum[:], crypto.SHA256)
}

func (method) Verify([]byte, []byte) error { return errors.New("the SDK is not asked to verify") }
