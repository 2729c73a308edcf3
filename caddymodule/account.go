// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/assertion"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// Account is one app at Alipay's open platform, with its keys and its ledger.
// Placeholders such as {env.ALIPAY_APP_ID} are resolved when the configuration
// is loaded; one that is not set is an error.
type Account struct {
	// AppID is the app's id at the open platform, up to 32 letters and digits.
	// Required.
	AppID string `json:"app_id,omitempty"`

	// AppPrivateKey is the app's own private key: the path of a file, the key
	// itself, or a URI such as file:keys/app.pem. PKCS#1 or PKCS#8, with or without
	// PEM lines, RSA of at least 2048 bits. A URI of another scheme is for the
	// module alipay.signers.<scheme>, which may sign outside this process (see
	// SignerProvider). Required.
	AppPrivateKey string `json:"app_private_key,omitempty"`

	// AlipayPublicKey is Alipay's public key (支付宝公钥) for this app, not the
	// app's own: a file's path or the key itself. Required, unless the
	// certificate mode is used.
	AlipayPublicKey string `json:"alipay_public_key,omitempty"`
	// OlderAlipayPublicKeys are further keys of Alipay's that are believed while
	// it changes from one to the next, at most three. Default: none.
	OlderAlipayPublicKeys []string `json:"older_alipay_public_keys,omitempty"`

	// AppCert is the app's certificate (appCertPublicKey_….crt). With
	// AlipayCerts and AlipayRootCert it turns the certificate mode on.
	AppCert string `json:"app_cert,omitempty"`
	// AlipayCerts are Alipay's certificates (alipayCertPublicKey_RSA2.crt);
	// several while Alipay changes from one to the next.
	AlipayCerts []string `json:"alipay_certs,omitempty"`
	// AlipayRootCert is Alipay's root certificate (alipayRootCert.crt).
	AlipayRootCert string `json:"alipay_root_cert,omitempty"`

	// EncryptKey is the AES key of the app's content encryption (接口内容加密方式),
	// in base64: what is sent to Alipay is encrypted with it. Default: none.
	EncryptKey string `json:"encrypt_key,omitempty"`

	// SellerID is the payee's user id (2088…). Payments to another one are
	// held. Default: none, and the seller is recorded but not checked.
	SellerID string `json:"seller_id,omitempty"`

	// Gateway is production, sandbox or the URL of a gateway. Default:
	// production.
	Gateway string `json:"gateway,omitempty"`

	// LedgerRaw is the ledger, a module of the namespace alipay.ledger. Default:
	// bolt, in Caddy's data folder.
	LedgerRaw json.RawMessage `json:"ledger,omitempty" caddy:"namespace=alipay.ledger inline_key=kind"`

	// AssertionRotate is how long one key signs X-Alipay-Trade-Assertion: 1h to
	// 3650d. The next key is listed from the start, a former one for a day more.
	// Default: 90d.
	AssertionRotate caddy.Duration `json:"assertion_rotate,omitempty"`
	// AssertionKeys are Ed25519 private keys (PKCS#8 in PEM, files or the keys
	// themselves) to sign with instead of those that the ledger keeps: the first
	// signs, all are listed. Default: none.
	AssertionKeys []string `json:"assertion_keys,omitempty"`

	name       string
	meter      *meter
	keys       *keyLoader
	assertions assertion.Keys
	signs      bool // a site signs with assertions

	gateway *gateway.Gateway
	ledger  ledger.Ledger
	courier *courier.Courier
	release func(context.Context) error

	archiving archiving
}

var (
	appIDForm    = regexp.MustCompile(`^[0-9A-Za-z]{1,32}$`)
	sellerIDForm = regexp.MustCompile(`^[0-9A-Za-z]{1,28}$`)
)

func (a *Account) provision(ctx caddy.Context, name string, logger *zap.Logger) error {
	if err := a.resolve(); err != nil {
		return err
	}
	a.name, a.meter = name, theMetrics().meter(name)
	a.keys = &keyLoader{account: a, logger: logger}
	if err := a.keys.openSigner(ctx); err != nil {
		return err
	}
	cfg, err := a.keys.load()
	if err != nil {
		return err
	}
	cfg.Observe, cfg.Verified = a.meter.called, a.meter.verified
	if a.gateway, err = gateway.New(cfg); err != nil {
		return err
	}
	if err := a.openLedger(ctx); err != nil {
		return err
	}
	return a.loadAssertionKeys(logger)
}

// resolve fills in placeholders and defaults, and checks the plain values.
func (a *Account) resolve() error {
	repl := caddy.NewReplacer()
	type option struct {
		name  string
		value *string
	}
	options := []option{
		{"app_id", &a.AppID}, {"app_private_key", &a.AppPrivateKey}, {"alipay_public_key", &a.AlipayPublicKey},
		{"app_cert", &a.AppCert}, {"alipay_root_cert", &a.AlipayRootCert}, {"seller_id", &a.SellerID}, {"gateway", &a.Gateway},
		{"encrypt_key", &a.EncryptKey},
	}
	for i := range a.AlipayCerts {
		options = append(options, option{"alipay_cert", &a.AlipayCerts[i]})
	}
	for i := range a.OlderAlipayPublicKeys {
		options = append(options, option{"alipay_public_key", &a.OlderAlipayPublicKeys[i]})
	}
	for i := range a.AssertionKeys {
		options = append(options, option{"assertion_key", &a.AssertionKeys[i]})
	}
	for _, o := range options {
		var err error
		if *o.value, err = repl.ReplaceOrErr(*o.value, true, true); err != nil {
			return fmt.Errorf("%s: %w; set the variable, or write the value itself", o.name, err)
		}
	}
	if a.Gateway == "" {
		a.Gateway = "production"
	}
	switch {
	case a.AppID == "":
		return errors.New("app_id is missing; it is the app's number in Alipay's console")
	case !appIDForm.MatchString(a.AppID):
		return errors.New("app_id is not 1 to 32 letters and digits")
	case a.SellerID != "" && !sellerIDForm.MatchString(a.SellerID):
		return errors.New("seller_id is not 1 to 28 letters and digits; it is the payee's user id, such as 2088102146225135")
	}
	return nil
}

// openLedger loads the ledger's module and takes hold of the account's courier.
func (a *Account) openLedger(ctx caddy.Context) error {
	if a.LedgerRaw == nil {
		a.LedgerRaw = json.RawMessage(`{"kind":"bolt"}`)
	}
	mod, err := ctx.LoadModule(a, "LedgerRaw")
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	provider, ok := mod.(ledger.Provider)
	if !ok {
		return fmt.Errorf("ledger: module %T does not implement ledger.Provider", mod)
	}
	a.ledger = provider.Ledger()
	kind := mod.(caddy.Module).CaddyModule().ID.Name()
	if o, ok := a.ledger.(ledger.Observable); ok {
		o.Observe(theMetrics().committed(kind))
	}
	theMetrics().showArchiving(kind)
	if a.archiving, err = acquireArchiver(provider, kind); err != nil {
		return err
	}
	a.courier, a.release, err = acquireCourier(a.AppID, provider)
	return err
}

func (a *Account) cleanup(ctx context.Context) error {
	if a == nil {
		return nil
	}
	if a.gateway != nil {
		a.gateway.Close()
	}
	err := a.archiving.release()
	if a.release == nil { // nothing else was acquired
		return err
	}
	release := a.release
	a.release = nil
	return errors.Join(err, release(ctx))
}
