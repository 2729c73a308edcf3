// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"sync"
	"time"
)

const (
	// maxAtOnce bounds the background deliveries to one shop.
	maxAtOnce = 16
	// opensAfter is how many failures in a row open the circuit.
	opensAfter = 5
	// probeEvery is how long an open circuit waits before it lets one delivery
	// through.
	probeEvery = 5 * time.Second
)

// gate says how many background deliveries a shop gets at once. Failures in a
// row open its circuit; then one delivery at a time probes, and a success lets
// the number grow again from one. Deliveries within a notice pass by the gate
// and only report to it.
type gate struct {
	mu       sync.Mutex
	limit    int // 0 means maxAtOnce
	busy     int
	failures int
	open     bool
	probeAt  time.Time
}

// free says how many deliveries may begin now or, if none, when to look again
// (zero: when one has ended).
func (g *gate) free(now time.Time) (n int, again time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		switch {
		case g.busy > 0:
			return 0, time.Time{}
		case now.Before(g.probeAt):
			return 0, g.probeAt
		}
		return 1, time.Time{}
	}
	return max(0, g.most()-g.busy), time.Time{}
}

func (g *gate) most() int {
	if g.limit == 0 {
		return maxAtOnce
	}
	return g.limit
}

func (g *gate) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy++
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy--
}

// report takes in how a delivery went. It returns true when that has closed the
// circuit.
func (g *gate) report(ok bool, now time.Time) (closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !ok {
		g.failures++
		if g.failures >= opensAfter {
			g.open, g.probeAt, g.limit = true, now.Add(probeEvery), 1
		}
		return false
	}
	g.failures = 0
	if g.open {
		g.open = false
		return true
	}
	if g.limit > 0 {
		if g.limit *= 2; g.limit >= maxAtOnce {
			g.limit = 0
		}
	}
	return false
}
