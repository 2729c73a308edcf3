// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("alipay_merchant", parseMerchant)
	// behind all that may guard it (basic_auth, forward_auth, request_body), and
	// before what would answer in its place
	httpcaddyfile.RegisterDirectiveOrder("alipay_merchant", httpcaddyfile.Before, "respond")
}

func parseMerchant(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	m := new(Merchant)
	return m, m.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive:
//
//	alipay_merchant [<matcher>] {
//	    token   <token>   # repeatable
//	    account <name>
//	    jwks    <path>
//	}
func (m *Merchant) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch option := d.Val(); option {
		case "account":
			if err := once(d, &m.Account); err != nil {
				return err
			}
		case "jwks":
			if err := once(d, &m.JWKS); err != nil {
				return err
			}
		case "token":
			var token string
			if err := once(d, &token); err != nil {
				return err
			}
			if slices.Contains(m.Tokens, token) {
				return d.Errf("the same token is given twice")
			}
			m.Tokens = append(m.Tokens, token)
		default:
			return d.Errf("unknown option %q of alipay_merchant", option)
		}
	}
	return nil
}

var _ caddyfile.Unmarshaler = (*Merchant)(nil)
