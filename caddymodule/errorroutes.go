// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
)

// verifiedVar is set on a request whose X-Alipay- headers are ours.
const verifiedVar = "alipay_verified"

// guardErrors puts stripping in front of the error routes of the server that is
// being provisioned. Caddy refuses some requests before any handler runs (a
// method of more than 32 letters, a Host that is none) and leads them to
// handle_errors as the client sent them; a reverse_proxy there would tell the
// shop what a client made up.
func guardErrors(ctx caddy.Context) {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || srv.Errors == nil || len(srv.Errors.Routes) == 0 {
		return
	}
	for _, first := range srv.Errors.Routes[0].Handlers {
		if _, done := first.(errorGuard); done { // another site of this server
			return
		}
	}
	guard := caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{errorGuard{}}}
	srv.Errors.Routes = slices.Insert(srv.Errors.Routes, 0, guard)
}

// errorGuard strips what did not come from serveReturn.
type errorGuard struct{}

func (errorGuard) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if caddyhttp.GetVar(r.Context(), verifiedVar) == nil {
		shop.Strip(r)
	}
	return next.ServeHTTP(w, r)
}
