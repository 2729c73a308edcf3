// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package token is a source of orders for shops without a look-up: the shop signs
// what an order costs into a link, /pay?order=<JWT>, and is not asked.
package token

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func init() {
	caddy.RegisterModule(new(Token))
}

// Token reads orders from JWTs (RFC 7519) that the shop signs, with HS256 or with
// EdDSA, as configured and never as the token says. Required claims: aud (the
// site's public_url), exp (at most 24 hours ahead), out_trade_no, total_amount,
// subject; further fields of alipay.trade.page.pay as the shop likes.
type Token struct {
	// Secrets are what the shop signs with by HS256: each of at least 32 bytes,
	// taken as they are; several while one replaces another. Placeholders such as
	// {env.ALIPAY_ORDER_SECRET} are resolved when the configuration is loaded.
	// Either Secrets or PublicKeys are required.
	Secrets []string `json:"secrets,omitempty"`

	// PublicKeys are files with the Ed25519 public keys that the shop's EdDSA
	// signatures verify with: PEM, a JWK or a JWK Set.
	PublicKeys []string `json:"public_keys,omitempty"`

	verifier verifier
	now      func() time.Time
}

// CaddyModule returns the module's information.
func (*Token) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "alipay.orders.token", New: func() caddy.Module { return new(Token) }}
}

// UnmarshalCaddyfile reads
//
//	orders token {
//	    secret     <secret>   # repeatable
//	    public_key <file>     # repeatable
//	}
func (t *Token) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the source's name
	if d.NextArg() {
		return d.ArgErr()
	}
	lists := map[string]*[]string{"secret": &t.Secrets, "public_key": &t.PublicKeys}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		into := lists[d.Val()]
		if into == nil {
			return d.Errf("unknown option %q of orders token", d.Val())
		}
		var value string
		if option := d.Val(); !d.AllArgs(&value) {
			return d.ArgErr()
		} else if value == "" {
			return d.Errf("%s is empty", option)
		}
		*into = append(*into, value)
	}
	return nil
}

// Provision reads the secrets or keys.
func (t *Token) Provision(caddy.Context) error {
	t.now = time.Now
	var err error
	switch {
	case len(t.Secrets) > 0 && len(t.PublicKeys) > 0:
		err = errors.New("secret and public_key exclude each other: a token says itself which of the two it is signed with, and must not choose")
	case len(t.Secrets) > 0:
		t.verifier, err = secrets(t.Secrets)
	case len(t.PublicKeys) > 0:
		t.verifier, err = publicKeys(t.PublicKeys)
	default:
		err = errors.New("give a secret, such as {env.ALIPAY_ORDER_SECRET}, or the public_key file that the shop's signatures verify with")
	}
	if err != nil {
		return fmt.Errorf("orders token: %w", err)
	}
	return nil
}

// Private implements shop.Source: no path exists for the sidecar alone.
func (*Token) Private(string) bool { return false }

// Texts for buyers. What is in brackets is for whoever makes the links.
var (
	errLink = errors.New("付款链接无效或不完整，请回到商店重新付款。" +
		" This pay link is not valid or not complete; please go back to the shop and pay again.")
	errExpired = errors.New("付款链接已过期，请回到商店重新付款。" +
		" This pay link has expired; please go back to the shop and pay again.")
)

// Offer implements shop.Source. It reads the parameter order.
func (t *Token) Offer(_ http.ResponseWriter, _ *http.Request, form url.Values, s *shop.Shop) (*trade.Offer, error) {
	fields, err := t.verifier.claims(form.Get("order"), s.PublicURL.String(), t.now())
	switch {
	case errors.Is(err, errNoToken):
		return nil, refused(http.StatusBadRequest, errLink, err)
	case errors.Is(err, errOver):
		return nil, refused(http.StatusUnauthorized, errExpired, err)
	case err != nil:
		return nil, refused(http.StatusUnauthorized, errLink, err)
	}
	number, err := outTradeNo(fields)
	if err != nil {
		return nil, refused(http.StatusBadRequest, errLink, err)
	}
	if asked := form.Get("out_trade_no"); asked != "" && asked != number {
		return nil, refused(http.StatusBadRequest, errLink, errors.New("out_trade_no is another order's than the token's"))
	}
	offer, err := trade.OfferFromFields(fields, number)
	if err != nil {
		return nil, refused(http.StatusBadRequest, errLink, err)
	}
	return &offer, nil
}

// refused is what the buyer reads, with the reason in brackets.
func refused(status int, text, reason error) error {
	return caddyhttp.Error(status, fmt.Errorf("%w [%w]", text, reason))
}

var (
	_ shop.Source           = (*Token)(nil)
	_ caddy.Provisioner     = (*Token)(nil)
	_ caddyfile.Unmarshaler = (*Token)(nil)
)
