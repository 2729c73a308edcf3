// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package teashop is a small shop to demonstrate with: teas, a login, orders.
//
// It holds no Alipay code: no SDK, no keys, no signatures. What it takes to be
// paid is in alipay.go, three handlers for the three requests that reach a shop
// behind caddy-alipay. Everything else is what a shop has anyway.
package teashop
