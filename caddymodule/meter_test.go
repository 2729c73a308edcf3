// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"sync"
	"testing"
)

// TestKeysAreCounted: keys come and go, more of them than are remembered, and from
// several goroutines at once; each message counts once, for its own key.
func TestKeysAreCounted(t *testing.T) {
	t.Parallel()
	m := newMetrics().meter("keys")
	const keys, rounds, workers = maxKnownKeys + 4, 50, 4
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := range keys * rounds {
				m.verified(fmt.Sprint("key", i%keys))
			}
		})
	}
	all.Wait()
	for i := range keys {
		if got := valueOf(t, m.keys.WithLabelValues(fmt.Sprint("key", i))); got != rounds*workers {
			t.Errorf("key %d: %v messages, want %d", i, got, rounds*workers)
		}
	}
	if n := len(*m.known.Load()); n > maxKnownKeys {
		t.Errorf("%d keys are remembered", n)
	}
}
