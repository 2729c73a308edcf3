// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package shop is the shop's side: the look-up of an order, the verified
// headers and the stripping of forged ones, and one delivery of one event. It
// reaches the shop through a Caddy handler, so that the shop may be anything
// that Caddy can reach.
package shop
