// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"time"
)

// level is a number of senders with its targets against the baseline.
type level struct {
	senders        int
	countA, countB int // requests a block
	rate, cpu      float64
}

var notifyLevels = []level{
	{senders: 1, countA: 300, countB: 300, rate: 0.8, cpu: 1.05},
	{senders: 8, countA: 1500, countB: 1500, rate: 1.1, cpu: 0.8},
	{senders: 64, countA: 3200, countB: 3200, rate: 1.4, cpu: 0.7},
	{senders: 256, countA: 5120, countB: 5120, rate: 1.9, cpu: 0.6},
}

// Blocks of the slow disk differ in size, for the baseline handles as many in a
// second whoever sends them.
var slowLevels = []level{
	{senders: 1, countA: 100, countB: 100, rate: 0.95},
	{senders: 8, countA: 600, countB: 200, rate: 3.3},
	{senders: 64, countA: 3200, countB: 256, rate: 19},
	{senders: 256, countA: 7680, countB: 512, rate: 33},
}

const latencyTarget = 18 // ms, p99 at 64 senders

const notifyNote = "A: Caddy with this module; each notice is verified, stored with its event, synced, accepted by a shop that answers\n" +
	"at once, acknowledged. B: Caddy's `reverse_proxy` in front of a plain net/http server that verifies with the SDK and makes\n" +
	"one `bbolt.Update`. Server CPU is Caddy's for A, Caddy's and the plain server's for B; \"with the shop\" counts A's shop, too.\n" +
	"Every order is paid once on each side, by the same notices."

func (b *bench) notify() error {
	s := b.report.section("Fresh notices", notifyNote)
	s.details("senders | A, notices/s | B, notices/s | A, CPU µs | A with the shop | B, CPU µs | A, p50 / p99 ms | B, p50 / p99 ms")
	for _, l := range b.levels(notifyLevels) {
		as, bs, err := b.notifyLevel(l, b.binary, fmt.Sprintf("notify%d", l.senders))
		if err != nil {
			return err
		}
		who := plural(l.senders)
		s.atLeast("rate A/B, "+who, l.rate, ratios(as, bs, rateOf), "%.2f")
		s.atMost("server CPU A/B, "+who, l.cpu, ratios(as, bs, cpuOf), "%.2f")
		if l.senders == 64 {
			s.atMost("p99 of A in ms, "+who, latencyTarget, over(as, latency(0.99)), "%.1f")
		}
		s.line(l.senders, show(over(as, rateOf), "%.0f"), show(over(bs, rateOf), "%.0f"), show(over(as, cpuOf), "%.0f"),
			show(over(as, wholeOf), "%.0f"), show(over(bs, cpuOf), "%.0f"), latencies(as), latencies(bs))
	}
	return nil
}

func (b *bench) slowNotify() error {
	s := b.report.section(fmt.Sprintf("Fresh notices, every fsync %s slower", slowDelay),
		"As before, on a disk like a real shop's: both sides' bbolt sleeps before each fsync. One commit has two.")
	s.details("senders | A, notices/s | B, notices/s | A, CPU µs | B, CPU µs | A, p50 / p99 ms | B, p50 / p99 ms")
	progress("building the slow disk")
	binary, err := buildSlow(b.scratch, slowDelay)
	if err != nil {
		return err
	}
	for _, l := range b.levels(slowLevels) {
		as, bs, err := b.notifyLevel(l, binary, fmt.Sprintf("slow%d", l.senders))
		if err != nil {
			return err
		}
		s.atLeast("rate A/B, "+plural(l.senders), l.rate, ratios(as, bs, rateOf), "%.2f")
		s.line(l.senders, show(over(as, rateOf), "%.0f"), show(over(bs, rateOf), "%.0f"), show(over(as, cpuOf), "%.0f"),
			show(over(bs, cpuOf), "%.0f"), latencies(as), latencies(bs))
	}
	return nil
}

const slowDelay = 2 * time.Millisecond

// notifyLevel compares at one number of senders, with fresh ledgers.
func (b *bench) notifyLevel(l level, binary, name string) (as, bs []block, err error) {
	progress("%s: %d pairs", name, b.pairs)
	p := pairing{pairs: b.pairs, countA: l.countA, countB: l.countB, warmA: l.countA, warmB: l.countB, pause: settle}
	total := (p.pairs + 1) * max(l.countA, l.countB)
	if err := prepare(b.dir, total); err != nil {
		return nil, nil, err
	}
	err = b.with(binary, total, []string{"shop", "merchant", "sidecar", "proxy"}, func(w map[string]*worker) error {
		a := &side{name: "sidecar", servers: []*worker{w["sidecar"]}, shop: w["shop"],
			load: loadSpec{Address: w["sidecar"].address["site"], Kind: "notify", Senders: l.senders}}
		base := &side{name: "baseline", servers: []*worker{w["proxy"], w["merchant"]},
			load: loadSpec{Address: w["proxy"].address["site"], Kind: "notify", Senders: l.senders}}
		return b.profiled(name, []*worker{w["sidecar"], w["merchant"], w["proxy"]}, func() (err error) {
			as, bs, err = b.compare(p, a, base)
			return err
		})
	})
	return as, bs, err
}

// with starts workers of the given roles and a load generator, runs f, and
// stops them. The shop's address goes to all that come after it.
func (b *bench) with(binary string, orders int, names []string, f func(map[string]*worker) error) (err error) {
	workers := make(map[string]*worker)
	b.runs++
	defer func() {
		for _, name := range append(names, "load") {
			if w := workers[name]; w != nil {
				if e := w.stop(); e != nil && err == nil {
					err = fmt.Errorf("%s: %w", name, e)
				}
			}
		}
	}()
	for _, name := range append(names, "load") {
		s := setup{Role: name, Dir: b.dir, Orders: orders, Notices: orders,
			Scratch: filepath.Join(b.scratch, fmt.Sprintf("%d-%s", b.runs, name))}
		if name == "load" {
			binary = b.binary // no disk of its own
		}
		s.Shop = backendOf(name, workers)
		if workers[name], err = startWorker(binary, s); err != nil {
			return err
		}
	}
	b.loader = workers["load"]
	return f(workers)
}

// backendOf is the address of the server behind a role.
func backendOf(role string, workers map[string]*worker) string {
	behind := "shop"
	if role == "proxy" {
		behind = "merchant"
	}
	if w := workers[behind]; w != nil {
		return w.address["site"]
	}
	return ""
}

func latencies(blocks []block) string {
	return fmt.Sprintf("%.1f / %.1f", over(blocks, latency(0.5)).Median, over(blocks, latency(0.99)).Median)
}

func plural(senders int) string {
	if senders == 1 {
		return "1 sender"
	}
	return fmt.Sprintf("%d senders", senders)
}
