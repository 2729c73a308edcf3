// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"net/http"
	"net/url"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Source says where /pay learns what an order costs: never from the browser.
// Sources are Caddy guest modules of the namespace alipay.orders.
type Source interface {
	// Offer finds the order that the request asks to pay. form holds the
	// request's parameters, none of them doubled. If the source has answered
	// the browser itself, it returns nil and no error. An error is a
	// caddyhttp.HandlerError with the status for the browser.
	Offer(w http.ResponseWriter, r *http.Request, form url.Values, s *Shop) (*trade.Offer, error)
	// Private reports whether a cleaned path exists for the sidecar alone. From
	// outside it is answered 404.
	Private(path string) bool
}
