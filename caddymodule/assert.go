// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/assertion"
)

// Assertion says how a site signs what it tells the shop, as
// X-Alipay-Trade-Assertion.
type Assertion struct {
	// Alg is eddsa (the account's keys, whose public halves the shop reads as a
	// JWK Set), hs256 (a secret shared with the shop) or off. Default: eddsa.
	Alg string `json:"alg,omitempty"`

	// Secret is what hs256 signs with: at least 32 bytes, taken as they are.
	// Placeholders such as {env.ALIPAY_ASSERTION_SECRET} are resolved when the
	// configuration is loaded. Required with hs256, refused otherwise.
	Secret string `json:"secret,omitempty"`
}

// The values of Assertion.Alg.
const (
	algEdDSA = "eddsa"
	algHS256 = "hs256"
	algOff   = "off"
)

// defaultRotate is how long one key signs by default, minRotate and maxRotate
// are the bounds.
const (
	defaultRotate = 90 * 24 * time.Hour
	minRotate     = time.Hour
	maxRotate     = 10 * 365 * 24 * time.Hour
)

// signer is what signs this site's headers; nil if nothing does.
func (a *Assertion) signer(acc *Account) (assertion.Signer, error) {
	if a == nil {
		a = new(Assertion)
	}
	if a.Alg != algHS256 && a.Secret != "" {
		return nil, errors.New("a secret goes with hs256 only, as in: assertion hs256 {env.ALIPAY_ASSERTION_SECRET}")
	}
	switch a.Alg {
	case "", algEdDSA:
		acc.signs = true
		return acc.assertions, nil
	case algHS256:
		secret, err := caddy.NewReplacer().ReplaceOrErr(a.Secret, true, true)
		if err != nil {
			return nil, fmt.Errorf("%w; set the variable, or write the secret itself", err)
		}
		return assertion.NewSecret([]byte(secret))
	case algOff:
		return nil, nil
	}
	return nil, fmt.Errorf("%q is unknown; the words are eddsa, hs256 and off", a.Alg)
}

// unmarshalCaddyfile reads
//
//	assertion eddsa|off
//	assertion hs256 <secret>
func (a *Assertion) unmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	switch a.Alg = d.Val(); a.Alg {
	case algHS256:
		if !d.NextArg() || d.Val() == "" {
			return d.Err("assertion hs256 needs the secret that the shop shares, such as {env.ALIPAY_ASSERTION_SECRET}")
		}
		a.Secret = d.Val()
	case algEdDSA, algOff:
	default:
		return d.Errf("assertion %q is unknown; the words are eddsa, hs256 and off", a.Alg)
	}
	if d.NextArg() {
		return d.Err("assertion takes one word, and hs256 one secret")
	}
	if d.NextBlock(d.Nesting()) {
		return d.Err("assertion takes no block")
	}
	return nil
}

// loadAssertionKeys readies the keys of eddsa: those configured, or those that
// the ledger keeps.
func (a *Account) loadAssertionKeys(logger *zap.Logger) error {
	rotate := time.Duration(a.AssertionRotate)
	if len(a.AssertionKeys) > 0 {
		if rotate != 0 {
			return errors.New("assertion_rotate is for keys that the ledger keeps; configured ones are rotated by putting a new assertion_key first")
		}
		return a.fixAssertionKeys(logger)
	}
	if rotate == 0 {
		rotate = defaultRotate
	}
	if rotate < minRotate || rotate > maxRotate {
		return fmt.Errorf("assertion_rotate %s is outside 1h to 3650d", rotate)
	}
	a.assertions = assertion.NewKeyring(assertion.KeyringConfig{
		Ledger: a.ledger, AppID: a.AppID, Rotate: rotate,
		Trouble: func(err error) {
			logger.Error("cannot look at the assertion's keys again; the ones known go on signing", zap.Error(err))
		},
	})
	return nil
}

func (a *Account) fixAssertionKeys(logger *zap.Logger) error {
	var keys []ed25519.PrivateKey
	for _, value := range a.AssertionKeys {
		data, err := readKey("assertion_key", value, logger)
		if err != nil {
			return err
		}
		key, err := assertion.ParsePrivateKey(data)
		if err != nil {
			return fmt.Errorf("assertion_key: %w", err)
		}
		keys = append(keys, key)
	}
	fixed, err := assertion.NewFixed(keys)
	if err != nil {
		return fmt.Errorf("assertion_key: %w", err)
	}
	a.assertions = fixed
	return nil
}

// prepareAssertion makes the keys on first start. Without them nothing is
// delivered, but a ledger that is away for a moment must not stop a server.
func (a *Account) prepareAssertion(ctx context.Context, logger *zap.Logger) {
	ring, ok := a.assertions.(*assertion.Keyring)
	if !ok || !a.signs {
		return
	}
	if err := ring.Prepare(ctx); err != nil {
		logger.Error("cannot prepare the assertion's keys; deliveries wait for them", zap.Error(err))
	}
}

// JWKS is the JWK Set of the account's assertions, for the merchant's side. It is
// empty if no site of the account signs with eddsa.
func (a *Account) JWKS(ctx context.Context) ([]byte, error) { return a.assertions.JWKS(ctx) }

// RotateAssertion puts the next key in use now and returns its name (kid); the
// former one stays listed for a day. With revoke, new keys take the place of all
// that there are, for when somebody else may have them.
func (a *Account) RotateAssertion(ctx context.Context, revoke bool) (kid string, err error) {
	ring, ok := a.assertions.(*assertion.Keyring)
	if !ok {
		return "", errors.New("the assertion's keys are configured; put a new assertion_key before the others")
	}
	if revoke {
		return ring.Revoke(ctx)
	}
	return ring.Rotate(ctx)
}
