// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	// the ledgers, and the sources of orders that need no further library, come
	// with the module
	_ "github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	_ "github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres"
	_ "github.com/caddy-alipay/caddy-alipay/caddymodule/orders/token"
)

func init() {
	caddy.RegisterModule(new(App))
}

// defaultAccount is the name of the account that a Caddyfile's alipay option
// without a name configures, and that a site without account uses.
const defaultAccount = "default"

// App holds what sites share: accounts with their keys, the client of Alipay's
// gateway, the ledger and the courier. Ledger and courier survive config
// reloads, nothing in flight is lost.
type App struct {
	// Accounts by name. The one named "default" is used by sites that name
	// none. At least one is required.
	Accounts map[string]*Account `json:"accounts,omitempty"`

	logger  *zap.Logger
	byAppID map[string]*Account
	events  *emitter
	sites   []*Handler
	close   []func() // sites that were opened, books and APIs that are shown
	stopAsk []func()
	unwatch []func() // observers of the couriers
}

// CaddyModule returns the module's information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "alipay", New: func() caddy.Module { return new(App) }}
}

// Provision reads the accounts' keys and opens their ledgers.
func (a *App) Provision(ctx caddy.Context) error {
	a.logger = ctx.Logger()
	if len(a.Accounts) == 0 {
		return errors.New("alipay: no account; give at least app_id, app_private_key and alipay_public_key in the global alipay option")
	}
	if err := theMetrics().register(ctx.GetMetricsRegistry()); err != nil {
		return fmt.Errorf("alipay: registering metrics: %w", err)
	}
	var err error
	if a.events, err = newEmitter(ctx, a.logger); err != nil {
		return fmt.Errorf("alipay: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Accounts)) {
		if err := a.Accounts[name].provision(ctx, name, a.logger); err != nil {
			return fmt.Errorf("alipay: account %q: %w", name, err)
		}
	}
	if _, err := a.archives(); err != nil {
		return err
	}
	return a.index()
}

// Start makes the configured sites the ones that deliveries go to.
func (a *App) Start() error {
	for name, acc := range a.Accounts {
		acc.prepareAssertion(context.Background(), a.logger.With(zap.String("account", name)))
	}
	for name, acc := range a.Accounts {
		for _, h := range a.sites { // an order may have been bought at any of them
			a.close = append(a.close, acc.courier.Open(h.site))
		}
		a.unwatch = append(a.unwatch, acc.courier.Observe(acc.observer(a.logger, a.events)))
		a.close = append(a.close, theMetrics().books.add(acc.book()), live.add(name, &served{acc.api(a.logger), acc}))
		a.stopAsk = append(a.stopAsk, acc.courier.Inquire(acc.gateway), watchKeys(acc))
		if acc.SellerID == "" {
			a.logger.Warn("no seller_id is configured: the seller of a payment is recorded, not checked",
				zap.String("account", name))
		}
	}
	a.stopAsk = append(a.stopAsk, a.startArchiving()...)
	return nil
}

// watchKeys begins to watch an account's key files, until the function that it
// returns is called.
func watchKeys(acc *Account) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ticker := time.NewTicker(keyWatchEvery)
	done := make(chan struct{})
	go func() {
		defer close(done)
		acc.watch(ctx, ticker.C)
	}()
	return func() {
		ticker.Stop()
		cancel()
		<-done
	}
}

// stopTimeout bounds how long a stop waits for deliveries under way. Each is
// bounded by shop_timeout itself.
const stopTimeout = 30 * time.Second

// Stop ends what begins by itself. The sites stay: Caddy stops its apps in any
// order, and requests in flight, for which the http app waits, may still have to
// deliver.
func (a *App) Stop() error {
	for _, stop := range a.stopAsk {
		stop()
	}
	a.stopAsk = nil
	return nil
}

// Cleanup takes the sites back, lets deliveries end and gives back what Provision
// acquired, on a half-built app too.
func (a *App) Cleanup() error {
	for _, closeSite := range a.close {
		closeSite()
	}
	a.close = nil
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	for _, acc := range a.Accounts {
		errs = append(errs, acc.cleanup(ctx))
	}
	for _, unwatch := range a.unwatch { // what has ended just now was still told
		unwatch()
	}
	a.unwatch = nil
	if a.events != nil && caddy.Exiting() { // else they go on by themselves
		a.events.wait(ctx)
	}
	return errors.Join(errs...)
}

var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
