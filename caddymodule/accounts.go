// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// account finds an account for a site.
func (a *App) account(name string) (*Account, error) {
	if name == "" {
		name = defaultAccount
	}
	if acc := a.Accounts[name]; acc != nil {
		return acc, nil
	}
	return nil, fmt.Errorf("there is no account %q; the global alipay option has %v", name, slices.Sorted(maps.Keys(a.Accounts)))
}

// index makes accounts findable by app_id, which tells whose a notice is: no two
// may have the same.
func (a *App) index() error {
	a.byAppID = make(map[string]*Account, len(a.Accounts))
	for _, name := range slices.Sorted(maps.Keys(a.Accounts)) {
		acc := a.Accounts[name]
		if other := a.byAppID[acc.AppID]; other != nil {
			return fmt.Errorf("alipay: the accounts %q and %q have the same app_id; one account serves any number of sites", other.name, name)
		}
		a.byAppID[acc.AppID] = acc
	}
	return nil
}

// addressee is the account whose app_id a message states, in a form's encoding.
// Its keys, and no others, then decide whether the message is believed. What
// states no app of ours is left to the site's own account, to be refused.
func (h *Handler) addressee(form []byte) *Account {
	if len(h.app.Accounts) == 1 {
		return h.account
	}
	if acc := h.app.byAppID[gateway.AppIDOf(form)]; acc != nil {
		return acc
	}
	return h.account
}

// payee is the account that the shop wants paid: the one that its order names, or
// the site's. An order that is paid at another account is not paid twice.
func (h *Handler) payee(ctx context.Context, offer *trade.Offer) (*Account, error) {
	acc := h.account
	if offer.Account != "" {
		var err error
		if acc, err = h.app.account(offer.Account); err != nil {
			err = fmt.Errorf("%w: account: %w", trade.ErrOffer, err)
			h.logger.Warn("no order to pay", zap.Error(err))
			return nil, caddyhttp.Error(http.StatusBadGateway, err)
		}
	}
	for _, other := range h.app.Accounts {
		if other == acc {
			continue
		}
		o, err := other.ledger.Order(ctx, trade.Key{AppID: other.AppID, OutTradeNo: offer.OutTradeNo})
		switch {
		case errors.Is(err, ledger.ErrNotFound):
		case err != nil:
			h.logger.Error("cannot read an order", zap.String("out_trade_no", offer.OutTradeNo), zap.Error(err))
			return nil, caddyhttp.Error(http.StatusServiceUnavailable, errTryLater)
		case o.Paid && o.PublicURL() == h.site.PublicURL.String():
			return nil, caddyhttp.Error(http.StatusConflict, errAlreadyPaid)
		}
	}
	return acc, nil
}
