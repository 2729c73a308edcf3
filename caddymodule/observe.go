// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"time"

	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// observer logs, counts and emits what the account's courier does.
func (a *Account) observer(logger *zap.Logger, events *emitter) *courier.Observer {
	o := observer(logger.With(zap.String("account", a.name)))
	logTold := o.Told
	o.Recorded = func(out ledger.Outcome) {
		a.meter.recorded(&out)
		events.recorded(a, &out)
	}
	o.Told = func(d *ledger.Delivery, took time.Duration, err error) {
		a.meter.told(took, err)
		logTold(d, took, err)
	}
	return o
}

// book is what the metrics show of the account's ledger.
func (a *Account) book() *book {
	return &book{account: a.name, appID: a.AppID, ledger: a.ledger, certificates: a.keys.certificates, silent: a.courier.SilentSince}
}
