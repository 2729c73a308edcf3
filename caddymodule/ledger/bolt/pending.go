// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

var errPending = errors.New("this ledger does not keep this yet")

func (l *Ledger) History(context.Context, trade.Key) (ledger.History, error) {
	return ledger.History{}, errPending
}
func (l *Ledger) Lease(context.Context, ledger.Task, trade.Key, string, time.Time, time.Time) (bool, error) {
	return false, errPending
}
func (l *Ledger) Event(context.Context, string) (ledger.Delivery, error) {
	return ledger.Delivery{}, errPending
}
func (l *Ledger) HeldItem(context.Context, string) (trade.Held, error) {
	return trade.Held{}, errPending
}
func (l *Ledger) Decide(context.Context, string, trade.Decision) (trade.Decided, error) {
	return trade.Decided{}, errPending
}
func (l *Ledger) Setting(context.Context, string) ([]byte, error)          { return nil, errPending }
func (l *Ledger) SetSetting(context.Context, string, []byte, []byte) error { return errPending }
func (l *Ledger) Totals(context.Context, string) (ledger.Totals, error) {
	return ledger.Totals{}, errPending
}
