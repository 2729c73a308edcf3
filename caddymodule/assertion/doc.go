// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package assertion signs what the shop is told, as a compact JWS (RFC 7515),
// so that a shop which others than the sidecar can reach tells its headers from
// forged ones. Keys are Ed25519: made on first start, kept with the ledger and
// rotated (Keyring), or configured (Fixed); the shop reads their public halves
// as a JWK Set. A shop that would rather share a secret has HS256 (Secret).
//
// What the claims are is the business of package shop.
package assertion
