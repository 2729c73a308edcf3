// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// foreign compares requests that are not the module's with reverse_proxy alone,
// in one process.
func (b *bench) foreign() error {
	pairs, count := 300, 400
	if b.quick {
		pairs, count = 10, 200
	}
	progress("foreign: %d pairs", pairs)
	s := b.report.section("Requests that are not ours",
		"A: this module in front of `reverse_proxy`; B: `reverse_proxy` alone; both in one Caddy, 8 senders, a dozen headers.\n"+
			"What ServeHTTP itself adds is BenchmarkForeign in caddymodule (target: 0.65 µs, no allocation).")
	s.details("pairs | A, CPU µs | B, CPU µs | A, requests/s | B, requests/s")
	return b.with(b.binary, 0, []string{"shop", "sidecar"}, func(w map[string]*worker) error {
		as, bs, err := b.twoSites(w, "foreign", "plain", "page", 8, pairing{pairs: pairs, countA: count, countB: count, warmA: 2000, warmB: 2000}, 0)
		if err != nil {
			return err
		}
		s.upperAtMost("server CPU A/B", 1.02, ratios(as, bs, cpuOf), "%.4f")
		s.line(pairs, show(over(as, cpuOf), "%.1f"), show(over(bs, cpuOf), "%.1f"), show(over(as, rateOf), "%.0f"), show(over(bs, rateOf), "%.0f"))
		return nil
	})
}

// twoSites compares the module's site with another site of the same Caddy.
func (b *bench) twoSites(w map[string]*worker, name, other, kind string, senders int, p pairing, modulo int) (as, bs []block, err error) {
	side := func(site string) *side {
		return &side{name: site, servers: []*worker{w["sidecar"]}, shop: w["shop"],
			load: loadSpec{Address: w["sidecar"].address[site], Kind: kind, Senders: senders, Modulo: modulo}}
	}
	err = b.profiled(name, []*worker{w["sidecar"]}, func() (err error) {
		as, bs, err = b.compare(p, side("site"), side(other))
		return err
	})
	return as, bs, err
}

// verified compares forged notices, and repeats of paid ones, with a handler
// that only parses and verifies.
func (b *bench) verified() error {
	orders, count, rsaCount := 2000, 4000, 20000
	if b.quick {
		orders, count, rsaCount = 500, 1000, 2000
	}
	if err := prepare(b.dir, orders); err != nil {
		return err
	}
	progress("verified: %d pairs", b.pairs)
	s := b.report.section("Forged notices and repeats",
		"A: this module; B: a handler in the same Caddy that only parses and verifies with the same code. 64 senders.\n"+
			"A forged notice has every mark of a real one but the signature; a repeat is one whose order is paid and told.")
	s.details("| A, notices/s | B, notices/s | A, CPU µs | B, CPU µs")
	return b.with(b.binary, orders, []string{"shop", "sidecar"}, func(w map[string]*worker) error {
		p := pairing{pairs: b.pairs, countA: count, countB: count, warmA: max(orders, 1000), warmB: 1000}
		for _, c := range []struct {
			kind, what string
			target     float64
		}{{"forged", "forged notices, rate A/B", 0.9}, {"notify", "repeats, rate A/B", 0.8}} {
			// the warm-up pays every order: all that is counted are repeats
			as, bs, err := b.twoSites(w, c.kind, "verify", c.kind, 64, p, orders)
			if err != nil {
				return err
			}
			s.atLeast(c.what, c.target, ratios(as, bs, rateOf), "%.2f")
			s.line(c.kind, show(over(as, rateOf), "%.0f"), show(over(bs, rateOf), "%.0f"), show(over(as, cpuOf), "%.1f"), show(over(bs, cpuOf), "%.1f"))
		}
		d, err := w["sidecar"].exchange(request{Op: "verify", N: rsaCount})
		if err != nil {
			return err
		}
		s.line("bare crypto/rsa verify", "", "", fmt.Sprintf("%.1f", micros(d.CPU)/float64(rsaCount)), "")
		return nil
	})
}

// pay measures /pay with the shop's look-up, against the bare signature.
func (b *bench) pay() error {
	count := 1500
	if b.quick {
		count = 300
	}
	progress("pay: %d blocks", b.pairs)
	s := b.report.section("The way to the cashier",
		"GET /pay: the shop is asked for the order, the attempt stored and synced, the URL signed. A new order each time.\n"+
			"The bare signature is timed in the same process before each block.")
	s.details("senders | /pay, requests/s | CPU µs | of it one crypto/rsa signature | p50 / p99 ms")
	return b.with(b.binary, 0, []string{"shop", "sidecar"}, func(w map[string]*worker) error {
		next := 0
		for _, senders := range []int{8, 64} {
			a := &side{name: "pay", servers: []*worker{w["sidecar"]}, next: next,
				load: loadSpec{Address: w["sidecar"].address["site"], Kind: "pay", Senders: senders}}
			p, err := b.payLevel(a, count)
			if err != nil {
				return err
			}
			next = a.next
			s.atMost("server CPU beyond one signature in µs, "+plural(senders), 250, medianOf(p.beyond), "%.0f")
			if senders == 64 {
				s.atMost("p99/p50, "+plural(senders), 3, medianOf(p.spread), "%.2f")
			}
			s.line(senders, show(over(p.blocks, rateOf), "%.0f"), show(over(p.blocks, cpuOf), "%.0f"), show(medianOf(p.bare), "%.0f"), latencies(p.blocks))
		}
		return nil
	})
}

// payments is what the blocks of one level of /pay gave.
type payments struct {
	blocks []block
	bare   []float64 // µs of a signature alone
	beyond []float64 // µs of a request less that
	spread []float64 // p99/p50
}

func (b *bench) payLevel(a *side, count int) (p payments, err error) {
	const signatures = 400
	if _, err := b.run(a, count/3, settle); err != nil {
		return p, err
	}
	err = b.profiled(fmt.Sprintf("pay%d", a.load.Senders), a.servers, func() error {
		for range b.pairs {
			d, err := a.servers[0].exchange(request{Op: "sign", N: signatures})
			if err != nil {
				return err
			}
			r, err := b.run(a, count, settle)
			if err != nil {
				return err
			}
			sign := micros(d.CPU) / signatures
			p.blocks, p.bare, p.beyond = append(p.blocks, r), append(p.bare, sign), append(p.beyond, r.cpu-sign)
			p.spread = append(p.spread, percentile(r.micros, 0.99)/percentile(r.micros, 0.5))
		}
		return nil
	})
	return p, err
}
