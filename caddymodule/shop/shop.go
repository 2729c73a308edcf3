// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/assertion"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/tracing"
)

// Shop is one site's shop, as the sidecar calls it.
type Shop struct {
	// Handler reaches the shop: a reverse_proxy, or whatever the site's shop
	// block holds.
	Handler caddyhttp.MiddlewareHandler
	// PublicURL is the site's public_url: scheme and host of every call.
	PublicURL *url.URL
	// NotifyPath is where events are delivered.
	NotifyPath string
	// Timeout bounds one call. Default: 5s.
	Timeout time.Duration
	// Strict: a delivery counts as accepted only if the answer's
	// X-Alipay-Trade-Ack is the event's id.
	Strict bool
	// Signer signs the verified headers into X-Alipay-Trade-Assertion; nil: it is
	// left out.
	Signer assertion.Signer
}

// server stands in for the server of calls that no request caused.
// caddyhttp.PrepareRequest and reverse_proxy want one that is not nil.
var server = new(caddyhttp.Server)

// errUnanswered ends the shop's handler chain. Caddy's own end of a chain is an
// empty 200, which would accept every event.
var errUnanswered = errors.New("the shop block did not answer the request")

var unanswered = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
	return caddyhttp.Error(http.StatusBadGateway, errUnanswered)
})

// call sends r to the shop, on behalf of the given server, within the shop's
// time-out. Whatever goes wrong in the shop's handler comes back as an error.
func (s *Shop) call(ctx context.Context, srv *caddyhttp.Server, w http.ResponseWriter, r *http.Request) (err error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	defer func() {
		// reverse_proxy ends an answer that breaks off with this panic
		if p := recover(); p != nil {
			if e, ok := p.(error); !ok || !errors.Is(e, http.ErrAbortHandler) {
				err = fmt.Errorf("the shop's handler panicked: %v", p)
				return
			}
			err = caddyhttp.Error(http.StatusBadGateway, errors.New("the shop's answer broke off"))
		}
		if err != nil && ctx.Err() != nil {
			err = caddyhttp.Error(http.StatusGatewayTimeout, fmt.Errorf("the shop did not answer within %s", s.Timeout))
		}
	}()
	tracing.Inject(ctx, r.Header)
	r = caddyhttp.PrepareRequest(r.WithContext(ctx), caddy.NewReplacer(), w, srv)
	return s.Handler.ServeHTTP(w, r, unanswered)
}
