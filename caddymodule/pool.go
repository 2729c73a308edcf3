// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// couriers keeps each account's courier over config reloads, so that what is
// being delivered goes on and nobody else begins to deliver it.
var couriers = caddy.NewUsagePool()

// pooledCourier holds nothing of the configuration that happened to be first.
type pooledCourier struct{ *courier.Courier }

func (p pooledCourier) Destruct() error {
	p.Close()
	return nil
}

// acquireCourier returns the courier of an app over a ledger, and the function
// that gives it back. The last one to give it back waits for its deliveries.
func acquireCourier(appID string, p ledger.Provider) (*courier.Courier, func(context.Context) error, error) {
	key := appID + "@" + p.Identity()
	val, _, err := couriers.LoadOrNew(key, func() (caddy.Destructor, error) {
		return pooledCourier{courier.New(p.Ledger(), appID, nil)}, nil
	})
	if err != nil {
		return nil, nil, err
	}
	c, ok := val.(pooledCourier)
	if !ok {
		return nil, nil, fmt.Errorf("the pool holds a %T for %s", val, key)
	}
	return c.Courier, func(ctx context.Context) error {
		if last, err := couriers.Delete(key); !last || err != nil {
			return err
		}
		return c.Wait(ctx)
	}, nil
}
