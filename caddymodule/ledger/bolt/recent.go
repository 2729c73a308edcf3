// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"slices"
	"sync"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// maxRecent bounds how many orders recent holds: twice as many, some 2 MB.
const maxRecent = 1024

// recent holds the orders that were committed last, as they are on disk. An
// order is touched several times within a short while (attempt, notice,
// acceptance, the return page), and this saves reading it each time. There is
// one writer, so what recent holds is never out of date. Records in it are
// shared and must not be changed, their slices included.
type recent struct {
	mu         sync.RWMutex
	young, old map[trade.Key]*orderRecord
}

func (c *recent) get(k trade.Key) (*orderRecord, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	r, ok := c.young[k]
	if !ok {
		r, ok = c.old[k]
	}
	return r, ok
}

// put is told of orders that a commit has made durable.
func (c *recent) put(orders map[trade.Key]*entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range orders {
		if e.id == 0 {
			continue // nobody knows this order
		}
		if len(c.young) >= maxRecent || c.young == nil {
			c.old, c.young = c.young, make(map[trade.Key]*orderRecord, maxRecent)
		}
		c.young[k] = &e.orderRecord
	}
}

// clear forgets all: a commit has failed, and the file may show it or not.
func (c *recent) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.young, c.old = nil, nil
}

// given is an order as callers get it: theirs to change.
func given(o trade.Order) trade.Order {
	o.Attempts, o.Refunds = slices.Clone(o.Attempts), slices.Clone(o.Refunds)
	return o
}
