// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package caddymodule is Caddy's face of caddy-alipay: the app, the HTTP
// handler and their Caddyfile.
//
//	browser ── /pay ───────> Handler.servePay ──> shop look-up ──> ledger.Attempt ──> signed gateway URL
//	browser ── /pay/return > Handler.serveReturn ─> verify, check, ask ──> headers ──> the site's next handlers
//	Alipay ─── /pay/notify > Handler.serveNotify ─> verify ──> courier.Record ──> courier.Deliver ──> "success"
//	anything else ─────────> shop.Strip ──────────────────────────────────> the site's next handlers
//
// The modules are alipay (the app), http.handlers.alipay, alipay.ledger.bolt,
// alipay.ledger.postgres and alipay.orders.lookup.
package caddymodule
