// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"crypto"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// What a doctor needs of a configuration that nobody runs.

// ReadKey returns what a key option holds: the file that it names, at most 64
// KiB, or the key itself.
func ReadKey(option, value string) ([]byte, error) { return readKey(option, value, nil) }

// IsInlineKey reports whether a key option holds the key itself and names no file.
func IsInlineKey(value string) bool { return isInline(value) }

// ParsePublicURL reads a site's public_url, as Provision does.
func ParsePublicURL(value string) (*url.URL, error) { return parsePublicURL(value) }

// Defaults fills in the paths and times that the configuration leaves out.
func (h *Handler) Defaults() { h.defaults() }

// LookedUp is what the shop answered to a look-up of a visitor who is not logged
// in. Offered: it named a price, so /pay would send that visitor to the cashier.
type LookedUp struct {
	Offered bool
	Status  int   // of the shop's own answer to the visitor; 0 if there is none
	Err     error // why there is neither
}

// LookUp asks the site's shop for an order as /pay does for a visitor without a
// session. It records nothing. ctx is a context of a configuration that need not
// be the site's own.
func (h *Handler) LookUp(asking context.Context, ctx caddy.Context, outTradeNo string) (LookedUp, error) {
	h.defaults()
	base, err := parsePublicURL(h.PublicURL)
	if err != nil {
		return LookedUp{}, err
	}
	if err := h.loadGuests(ctx); err != nil {
		return LookedUp{}, err
	}
	h.site.PublicURL = base
	form := url.Values{"out_trade_no": {outTradeNo}}
	r, err := http.NewRequestWithContext(asking, http.MethodGet, h.callback(h.Pay)+"?"+form.Encode(), http.NoBody)
	if err != nil {
		return LookedUp{}, err
	}
	r.RemoteAddr, r.RequestURI = "127.0.0.1:0", r.URL.RequestURI()
	w := &unread{header: make(http.Header)}
	offer, err := h.source.Offer(w, r, form, h.site)
	switch {
	case err != nil:
		return LookedUp{Err: err}, nil
	case offer != nil:
		return LookedUp{Offered: true}, nil
	}
	return LookedUp{Status: w.status}, nil
}

// unread takes an answer for its status.
type unread struct {
	header http.Header
	status int
}

func (u *unread) Header() http.Header { return u.header }

func (u *unread) WriteHeader(status int) { u.status = status }

func (u *unread) Write(p []byte) (int, error) { return len(p), nil }

// Signer is the signer module's that app_private_key names by a URI, or nil if the
// option holds a key or a file. Path is that file then.
func (a *Account) Signer(ctx caddy.Context) (signer crypto.Signer, path string, err error) {
	l := &keyLoader{account: a, logger: zap.NewNop()}
	if err := l.openSigner(ctx); err != nil {
		return nil, "", err
	}
	return l.signer, strings.TrimPrefix(a.AppPrivateKey, "file:"), nil
}
