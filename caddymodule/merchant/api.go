// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"context"
	"encoding/json"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// API serves one account. Its fields are set before the first request.
type API struct {
	Gateway *gateway.Gateway
	Ledger  ledger.Ledger
	Courier *courier.Courier
	Logger  *zap.Logger

	// Keys are the JWK Set by which a shop verifies assertions; nil if the account
	// makes none.
	Keys func(context.Context) ([]byte, error)
}

// ServeHTTP answers every call: with JSON, or with a problem document.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t, args, err := find(r.Method, r.URL.EscapedPath())
	if err != nil {
		a.fail(w, err)
		return
	}
	if t.raw != nil {
		guard(w)
		t.raw(a, w, r)
		return
	}
	reply, err := t.call(a, &call{Request: r, w: w, args: args})
	if err != nil {
		a.fail(w, err)
		return
	}
	write(w, "application/json", reply.status, reply.body)
}

// reply is what a call is answered with.
type reply struct {
	status int
	body   any
}

func ok(body any) (reply, error) { return reply{http.StatusOK, body}, nil }

// guard says that an answer is for its caller alone, and what its text is.
func guard(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

func write(w http.ResponseWriter, mediaType string, status int, body any) {
	guard(w)
	text, err := json.Marshal(body)
	if err != nil { // the types of this package can all be written
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may be gone
}

// fail answers with a problem document.
func (a *API) fail(w http.ResponseWriter, err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		a.Logger.Warn("a call of the merchant API has failed", zap.String("problem", p.slug), zap.Error(err))
	}
	refuse(w, p)
}

// key names an order of this account.
func (a *API) key(outTradeNo string) trade.Key {
	return trade.Key{AppID: a.Gateway.AppID(), OutTradeNo: outTradeNo}
}
