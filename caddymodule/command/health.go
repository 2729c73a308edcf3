// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/doctor"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// totalsView is what the server tells of an account's ledger.
type totalsView struct {
	Paid         trade.Amount `json:"paid_amount"`
	Refunded     trade.Amount `json:"refunded_amount"`
	RefundedTold trade.Amount `json:"refunded_amount_told"`
	Accepted     trade.Amount `json:"accepted_amount"`
	Undelivered  trade.Amount `json:"undelivered_amount"`

	UndeliveredEvents int       `json:"undelivered_events"`
	DeadEvents        int       `json:"dead_events"`
	UndeliveredSince  time.Time `json:"undelivered_since"`

	HeldItems int          `json:"held_items"`
	HeldSince time.Time    `json:"held_since"`
	HeldPaid  trade.Amount `json:"held_amount"`

	UnknownRefunds int `json:"unknown_refunds"`
}

// health asks the running server about the ledger of each of its accounts.
func (j *job) health(ctx context.Context) (map[string]doctor.Health, error) {
	s, err := j.server()
	if err != nil {
		return nil, err
	}
	s.ctx = ctx
	var list struct {
		Accounts []struct {
			Name string `json:"name"`
		} `json:"accounts"`
	}
	if _, err := s.call(http.MethodGet, []string{"accounts"}, nil, nil, &list); err != nil {
		return nil, err
	}
	all := make(map[string]doctor.Health)
	for _, account := range list.Accounts {
		s.account = account.Name
		var t totalsView
		_, err := s.call(http.MethodGet, []string{"totals"}, nil, nil, &t)
		if f, ok := errors.AsType[*failure](err); ok {
			all[account.Name] = doctor.Health{Err: f.text}
			continue
		}
		if err != nil {
			return nil, err
		}
		all[account.Name] = doctor.Health{Totals: ledger.Totals{
			Paid: t.Paid, Refunded: t.Refunded, RefundedTold: t.RefundedTold, Accepted: t.Accepted, Undelivered: t.Undelivered,
			UndeliveredEvents: t.UndeliveredEvents, DeadEvents: t.DeadEvents, UndeliveredSince: t.UndeliveredSince,
			HeldItems: t.HeldItems, HeldSince: t.HeldSince, HeldPaid: t.HeldPaid, Unknown: t.UnknownRefunds,
		}}
	}
	return all, nil
}
