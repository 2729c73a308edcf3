// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"testing"
	"time"
)

func free(g *gate, now time.Time) int {
	n, _ := g.free(now)
	return n
}

func TestGate(t *testing.T) {
	t.Parallel()
	var g gate
	if n := free(&g, start); n != maxAtOnce {
		t.Fatalf("%d at once", n)
	}
	g.enter()
	if n := free(&g, start); n != maxAtOnce-1 {
		t.Fatalf("%d left", n)
	}
	g.leave()
	for range opensAfter - 1 {
		g.report(false, start)
	}
	if free(&g, start) != maxAtOnce {
		t.Fatal("opened too early")
	}
	g.report(false, start)
	n, again := g.free(start)
	if n != 0 || !again.Equal(start.Add(probeEvery)) {
		t.Fatalf("open: %d at %s", n, again)
	}
	probe := start.Add(probeEvery)
	if free(&g, probe) != 1 {
		t.Fatal("no probe")
	}
	g.enter()
	if free(&g, probe) != 0 {
		t.Fatal("two probes at once")
	}
	g.report(false, probe)
	g.leave()
	if n, again := g.free(probe); n != 0 || !again.Equal(probe.Add(probeEvery)) {
		t.Fatalf("after a failed probe: %d at %s", n, again)
	}
	if !g.report(true, probe) {
		t.Fatal("a success did not close the circuit")
	}
	for want := 1; want < maxAtOnce; want *= 2 { // the ramp
		if n := free(&g, probe); n != want {
			t.Fatalf("%d at once, want %d", n, want)
		}
		g.report(true, probe)
	}
	if free(&g, probe) != maxAtOnce {
		t.Fatal("the ramp does not end at the full number")
	}
}
