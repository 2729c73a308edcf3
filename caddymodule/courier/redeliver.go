// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Redeliver tells the shop of one event because a person wants it. One that the
// shop has accepted is told once more, under the same id, and changes nothing
// here. Any other is told now, given up or not, after those of its order that come
// before it; if the shop refuses, the courier goes on with it as with a new one.
//
// It returns the event as it stands afterwards. The error says why the shop has
// not accepted it: it wraps shop.ErrRefused, ErrNoSite or ErrWithheld. Or it is
// the ledger's.
func (c *Courier) Redeliver(ctx context.Context, id string) (ledger.Delivery, error) {
	d, err := c.ledger.Event(ctx, id)
	if err != nil {
		return d, err
	}
	if d.Order.Contradicted {
		return d, ErrWithheld
	}
	if d.Event.Sequence <= d.Order.Accepted {
		return d, c.retell(ctx, &d)
	}
	if _, _, err := c.site(d.Order.PublicURL()); err != nil {
		return d, err
	}
	k := d.Order.Key()
	o, err := c.ledger.Change(ctx, k, func(o *trade.Order) (bool, error) { return o.Revive(c.now()), nil })
	if err != nil {
		return d, err
	}
	out := ledger.Outcome{Order: o}
	err = c.Deliver(ctx, &out, nil)
	d.Order = out.Order
	if now, reading := c.ledger.Order(ctx, k); reading == nil {
		d.Order = now
	}
	if d.Event.Sequence <= d.Order.Accepted {
		return d, nil // whatever became of later ones
	}
	return d, err
}

// retell tells the shop of an event that it has accepted before.
func (c *Courier) retell(ctx context.Context, d *ledger.Delivery) error {
	_, _, err := c.call(context.WithoutCancel(ctx), d)
	return err
}

// HasSite reports whether a site with this public_url is configured here.
func (c *Courier) HasSite(publicURL string) bool {
	_, _, err := c.site(publicURL)
	return err == nil
}
