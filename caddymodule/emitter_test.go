// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// TestEmissionsAreBounded: when as many are under way as may be, a further one is
// counted and forgotten, and the payment goes on.
func TestEmissionsAreBounded(t *testing.T) {
	a, events := emitting(t, "DEBUG") // where Caddy logs every event, each is wanted
	out, _ := payment()
	for range maxEmitting {
		events.free <- struct{}{}
	}
	before := valueOf(t, a.meter.dropped)
	events.recorded(a, &out)
	if got := valueOf(t, a.meter.dropped) - before; got != 1 {
		t.Errorf("%v were dropped, want 1", got)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	events.wait(ended) // a subscriber that hangs holds up no stop for longer than that
	for range maxEmitting {
		<-events.free
	}
	events.recorded(a, &out)
	events.wait(t.Context())
	if got := valueOf(t, a.meter.dropped) - before; got != 1 {
		t.Errorf("%v were dropped, want 1", got)
	}
}

func valueOf(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
