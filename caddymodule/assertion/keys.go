// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package assertion

import "context"

// Keys sign with EdDSA and show their public halves: a Keyring, or Fixed.
type Keys interface {
	Signer
	// JWKS is the JWK Set (RFC 7517) for shops.
	JWKS(ctx context.Context) ([]byte, error)
}

var (
	_ Keys   = (*Keyring)(nil)
	_ Keys   = (*Fixed)(nil)
	_ Signer = (*Secret)(nil)
)
