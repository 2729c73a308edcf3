// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import "github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"

// Couriers shows tests of the outside how the pool of couriers is used.
var Couriers = couriers

// OpenLedger is the ledger that the account of a running app has open.
func (a *App) OpenLedger(account string) ledger.Ledger { return a.Accounts[account].ledger }
