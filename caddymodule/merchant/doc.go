// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package merchant is the API for the shop's staff and code: orders, refunds,
// what is held, and the journal of events. It is JSON over HTTP, described by
// openapi.json, and serves one account. It knows neither tokens nor Caddy: who
// may call it is for the handler in front of it to say.
package merchant
