// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	// acceptDelay is the longest time that an accepted mark waits for a commit to
	// ride with.
	acceptDelay = 50 * time.Millisecond
	// retryDelay is the pause after accepted marks could not be written.
	retryDelay = time.Second
)

// mark says up to which event the shop has accepted, and since when.
type mark struct {
	sequence int
	at       time.Time
}

// accepts holds the accepted marks that are not in the database yet. A mark only
// ever raises what an order shows, so it does no harm to apply one twice; that is
// why readers need no lock on the database: they take the marks first (shownOf,
// all), then begin to read.
type accepts struct {
	mu    sync.Mutex
	wake  chan<- struct{}
	timer *time.Timer
	fresh map[trade.Key][]mark // not handed to a writer, ascending
	shown map[trade.Key]int    // not known to be durable
	ended chan struct{}        // closed, and made anew, when a writer is done with some
}

func (a *accepts) init(wake chan<- struct{}) {
	a.wake = wake
	a.fresh, a.shown, a.ended = make(map[trade.Key][]mark), make(map[trade.Key]int), make(chan struct{})
}

// add notes a mark and sees to it that it is written in time.
func (a *accepts) add(k trade.Key, m mark) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.sequence <= a.shown[k] {
		return
	}
	a.shown[k] = m.sequence
	a.fresh[k] = append(a.fresh[k], m)
	if len(a.fresh) == 1 {
		a.schedule(acceptDelay)
	}
}

func (a *accepts) schedule(delay time.Duration) {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = time.AfterFunc(delay, func() {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	})
}

func (a *accepts) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
}

func (a *accepts) waiting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.fresh) > 0
}

// take hands the marks of up to n orders to a writer; done or putBack follows.
func (a *accepts) take(n int) map[trade.Key][]mark {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.fresh) <= n {
		taken := a.fresh
		a.fresh = make(map[trade.Key][]mark)
		return taken
	}
	taken := make(map[trade.Key][]mark, n)
	for k, list := range a.fresh {
		if len(taken) == n {
			break
		}
		taken[k] = list
		delete(a.fresh, k)
	}
	a.schedule(0)
	return taken
}

// done: the marks are in the database.
func (a *accepts) done(taken map[trade.Key][]mark) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, list := range taken {
		if list[len(list)-1].sequence == a.shown[k] {
			delete(a.shown, k)
		}
	}
	a.broadcast()
}

func (a *accepts) broadcast() {
	close(a.ended)
	a.ended = make(chan struct{})
}

// state says whether marks wait for a writer, whether a writer has some, and what
// to wait for then.
func (a *accepts) state() (fresh, underWay bool, ended <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.fresh) > 0, len(a.shown) > 0, a.ended
}

func (a *accepts) putBack(taken map[trade.Key][]mark) {
	if len(taken) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, list := range taken {
		a.fresh[k] = slices.Concat(list, a.fresh[k])
	}
	a.schedule(retryDelay)
	a.broadcast()
}

// shownOf must be called before the order is read; apply raises what was read.
func (a *accepts) shownOf(k trade.Key) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.shown[k]
}

// all is shownOf for a listing.
func (a *accepts) all() map[trade.Key]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.shown)
}
