// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// ServeHTTP strips whatever could look verified, on every request and before
// anything else, and takes the handler's own paths.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	shop.Strip(r)
	at := h.at(r.URL)
	if at == routeNone {
		return next.ServeHTTP(w, r)
	}
	if h.Shadow {
		return h.serveShadow(w, r, next)
	}
	setPlaceholder(r, "route", string(at))
	for _, name := range [...]string{"out_trade_no", "trade_no", "status", "source"} {
		setPlaceholder(r, name, "") // an error page shows what is not known as nothing
	}
	switch at {
	case routePay:
		err := h.servePay(w, r)
		if err != nil {
			h.account.meter.answered(payFailure(err))
		}
		return err
	case routeReturn:
		return h.serveReturn(w, r, next)
	case routeNotify:
		return h.serveNotify(w, r)
	default:
		// not an error: no handle_errors may show the shop's answer instead
		h.account.meter.answered(privateHidden)
		w.WriteHeader(http.StatusNotFound)
		return nil
	}
}

func setPlaceholder(r *http.Request, name, value string) {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.alipay."+name, value)
	}
}

// setTradePlaceholders shows what is proved of an order. A header that the shop
// gets and a placeholder never differ.
func setTradePlaceholders(r *http.Request, o *trade.Order) {
	setPlaceholder(r, "out_trade_no", o.OutTradeNo)
	setPlaceholder(r, "trade_no", r.Header.Get(shop.HeaderTradeNo))
	setPlaceholder(r, "status", r.Header.Get(shop.HeaderStatus))
	setPlaceholder(r, "source", r.Header.Get(shop.HeaderSource))
}

// bodyTimeout bounds how long a client may take to send us a body.
const bodyTimeout = 15 * time.Second

// readAtOnce is up to which announced length a body gets its room at once: any
// notice's. For a longer one room is made as it comes, so that those who announce
// much and send nothing cost no more than their connections.
const readAtOnce = 8 << 10

// readBody reads at most limit bytes of a request's body; long tells that there
// are more.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, long bool, err error) {
	if r.ContentLength > limit {
		return nil, true, nil
	}
	slow := time.AfterFunc(bodyTimeout, func() {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // a writer that has none is a test's
	})
	defer slow.Stop()
	if r.ContentLength >= 0 && r.ContentLength <= readAtOnce {
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, body)
		return body, false, err
	}
	body, err = io.ReadAll(io.LimitReader(r.Body, limit+1))
	return body, int64(len(body)) > limit, err
}

// methodNotAllowed answers 405 and says which methods the path has.
func methodNotAllowed(w http.ResponseWriter, allowed string) error {
	w.Header().Set("Allow", allowed)
	return caddyhttp.Error(http.StatusMethodNotAllowed, errors.New("the path takes "+allowed+" only"))
}
