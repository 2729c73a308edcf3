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

// recent holds the orders that were committed or read last, as they are on disk.
// An order is touched several times within a short while (attempt, notice,
// acceptance, the return page), and this saves reading it each time; the
// committer above all finds what the callers of a group have just read. There is
// one writer, so what recent holds is never out of date. Records in it are
// shared and must not be changed, their slices included.
type recent struct {
	mu         sync.RWMutex
	tx         int // the last transaction whose orders were put in
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

// put is told of the orders of a transaction that is durable now.
func (c *recent) put(tx int, orders map[trade.Key]*entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tx = tx
	for k, e := range orders {
		if e.id != 0 { // else nobody knows this order
			c.keep(k, &e.orderRecord)
		}
	}
}

// add is told of an order that was read as of a transaction. It is taken only if
// no other has ended since, and if that one is durable.
func (c *recent) add(tx int, r *orderRecord) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if tx == c.tx {
		c.keep(r.Key(), r)
	}
}

func (c *recent) keep(k trade.Key, r *orderRecord) {
	if len(c.young) >= maxRecent || c.young == nil {
		c.old, c.young = c.young, make(map[trade.Key]*orderRecord, maxRecent)
	}
	c.young[k] = r
}

// clear forgets all: a commit has failed, and the file may show it or not.
func (c *recent) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.young, c.old = nil, nil
}

// given is an order as callers get it: theirs to change.
func given(o trade.Order) trade.Order {
	o.Attempts, o.Refunds, o.Intents = slices.Clone(o.Attempts), slices.Clone(o.Refunds), slices.Clone(o.Intents)
	return o
}
