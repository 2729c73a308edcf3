// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"
)

// Bounds of a process with many orders.
const (
	memoryOrders  = 60_000
	memorySenders = 256
	memoryTarget  = 120 // MiB
	idleTarget    = 1   // ms of CPU time a second: a thousandth of a core
	idleFor       = 20 * time.Second
	idleAfter     = 3 * time.Second // timers of connections, the garbage of the load
)

// rest measures the memory of the sidecar under its greatest load, and the CPU
// time that it takes with nothing to do.
func (b *bench) rest() error {
	orders, idle := memoryOrders, idleFor
	if b.quick {
		orders, idle = 2000, 2*time.Second
	}
	progress("rest: %d orders", orders)
	if err := prepare(b.dir, orders); err != nil {
		return err
	}
	s := b.report.section("Memory and rest",
		fmt.Sprintf("%d orders are paid by %d senders in one block; the shop accepts each. Memory is the anonymous part of the resident\n"+
			"set, looked at every %s (the rest of it is the ledger's file, as far as the system keeps its pages). Then the sidecar, with all\n"+
			"these orders, and Caddy's `reverse_proxy` alone are left alone for %s.", orders, memorySenders, sampling, idle))
	s.details("| sidecar | reverse_proxy")
	return b.with(b.binary, orders, []string{"shop", "merchant", "sidecar", "proxy"}, func(w map[string]*worker) error {
		a := &side{name: "sidecar", servers: []*worker{w["sidecar"]},
			load: loadSpec{Address: w["sidecar"].address["site"], Kind: "notify", Senders: memorySenders}}
		before, err := w["sidecar"].exchange(request{Op: "memory"})
		if err != nil {
			return err
		}
		if _, err := b.run(a, orders, idleAfter); err != nil {
			return err
		}
		after, err := w["sidecar"].exchange(request{Op: "memory"})
		if err != nil {
			return err
		}
		s.atMost("peak memory in MiB", memoryTarget, medianOf([]float64{mib(after.Memory)}), "%.0f")
		s.line("before the load, MiB", fmt.Sprintf("%.0f", mib(before.Memory)), "")
		idleA, err := idleCPU(w["sidecar"], idle)
		if err != nil {
			return err
		}
		idleB, err := idleCPU(w["proxy"], idle)
		if err != nil {
			return err
		}
		s.atMost("CPU at rest, ms a second", idleTarget, medianOf([]float64{idleA}), "%.2f")
		s.line("CPU at rest, ms a second", fmt.Sprintf("%.2f", idleA), fmt.Sprintf("%.2f", idleB))
		return nil
	})
}

func mib(kB int64) float64 { return float64(kB) / 1024 }

// idleCPU is the CPU time in ms that a worker takes in a second without requests.
func idleCPU(w *worker, lasts time.Duration) (float64, error) {
	before, err := cpu(w)
	if err != nil {
		return 0, err
	}
	time.Sleep(lasts)
	after, err := cpu(w)
	return micros(after-before) / 1e3 / lasts.Seconds(), err
}
