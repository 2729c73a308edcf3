// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package trade is the domain, and pure: amounts in fen, an order's record,
// evidence about it, and Fold, the one function that turns evidence into a new
// record and the events it causes. It does no I/O, reads no clock and imports
// the standard library only.
package trade
