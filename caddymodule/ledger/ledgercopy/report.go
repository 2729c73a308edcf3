// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgercopy

import (
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Report is what a copy holds, counted while source and target were compared.
type Report struct {
	Orders     int `json:"orders"`
	Statements int `json:"statements"`
	Events     int `json:"events"`
	Held       int `json:"held"`
	Settings   int `json:"settings"`
	Stored     int `json:"stored"` // orders that this run has stored

	Paid     trade.Amount `json:"-"`
	Refunded trade.Amount `json:"-"`
}

func (r *Report) addOrders(page []ledger.Record) {
	r.Orders += len(page)
	for i := range page {
		o := &page[i].Order
		r.Statements += len(page[i].Evidence)
		r.Events += len(page[i].Events)
		if o.Paid {
			r.Paid += o.Total
		}
		r.Refunded += o.Refunded()
	}
}
