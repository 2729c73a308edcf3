// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package gateway is Alipay's protocol: keys, signed requests, and the
// verification of what comes back.
//
// Requests are built and signed by github.com/smartwalle/alipay/v3. Everything
// that arrives from outside (notices, returns, answers of the gateway) is
// verified by this package's own code on crypto/rsa, because the SDK's can be
// made to stall and to panic. That code is verify.go with form.go, canonical.go,
// resplit.go and response.go; it reads no clock, opens no connection, and a
// message never names a key that was not configured.
//
// The package knows nothing of Caddy. Sources of its rules are Alipay's open
// documents on signing (057k53), verifying (02mse7), asynchronous notices
// (00dn7l, 00f7nj) and alipay.trade.query (02ekfq).
package gateway
