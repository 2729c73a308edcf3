// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"path/filepath"
	"time"
)

// side is one of the two that a paired run compares.
type side struct {
	name    string
	servers []*worker // whose CPU time counts
	shop    *worker   // reported apart; nil if it is one of servers
	load    loadSpec
	next    int // the next request's number
}

// block is what one block of load on one side gave.
type block struct {
	rate    float64 // requests a second
	cpu     float64 // µs of the servers' CPU time a request
	shopCPU float64 // µs of the shop's
	micros  []uint32
}

// settle is how long a side has to end what its answers left to do (the
// sidecar writes accepted marks within 50 ms) before its CPU time is read.
const settle = 80 * time.Millisecond

// run sends one block of count requests to a side.
func (b *bench) run(s *side, count int, pause time.Duration) (block, error) {
	spec := s.load
	spec.From, spec.Count = s.next, count
	s.next += count
	before, err := cpu(s.servers...)
	if err != nil {
		return block{}, err
	}
	shopBefore, err := shopCPU(s)
	if err != nil {
		return block{}, err
	}
	r, err := b.loader.exchange(request{Op: "load", Load: &spec})
	if err != nil {
		return block{}, err
	}
	if r.Load.Failures > 0 {
		return block{}, fmt.Errorf("%s: %d of %d requests failed, the first: %s", s.name, r.Load.Failures, count, r.Load.Failure)
	}
	time.Sleep(pause)
	after, err := cpu(s.servers...)
	if err != nil {
		return block{}, err
	}
	shopAfter, err := shopCPU(s)
	if err != nil {
		return block{}, err
	}
	n := float64(count)
	return block{
		rate: n / r.Load.Elapsed.Seconds(), cpu: micros(after-before) / n, shopCPU: micros(shopAfter-shopBefore) / n,
		micros: r.Load.Micros,
	}, nil
}

func shopCPU(s *side) (time.Duration, error) {
	if s.shop == nil {
		return 0, nil
	}
	return cpu(s.shop)
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// pairing says how two sides are compared.
type pairing struct {
	pairs          int
	countA, countB int // requests a block
	warmA, warmB   int // requests before anything is counted
	pause          time.Duration
}

// compare runs blocks of both sides in turn, A B B A A B B A, so that what
// drifts on the machine meets both alike.
func (b *bench) compare(p pairing, sideA, sideB *side) (as, bs []block, err error) {
	for _, warm := range []struct {
		s     *side
		count int
	}{{sideA, p.warmA}, {sideB, p.warmB}} {
		if _, err := b.run(warm.s, warm.count, p.pause); err != nil {
			return nil, nil, err
		}
	}
	for i := range p.pairs {
		runA := func() error {
			r, err := b.run(sideA, p.countA, p.pause)
			as = append(as, r)
			return err
		}
		runB := func() error {
			r, err := b.run(sideB, p.countB, p.pause)
			bs = append(bs, r)
			return err
		}
		first, second := runA, runB
		if i%2 == 1 {
			first, second = runB, runA
		}
		if err := first(); err != nil {
			return nil, nil, err
		}
		if err := second(); err != nil {
			return nil, nil, err
		}
	}
	return as, bs, nil
}

// ratios estimates the ratio of A to B over the pairs.
func ratios(as, bs []block, of func(block) float64) estimate {
	logs := make([]float64, len(as))
	for i := range as {
		logs[i] = math.Log(of(as[i]) / of(bs[i]))
	}
	e := medianOf(logs)
	return estimate{math.Exp(e.Median), math.Exp(e.Low), math.Exp(e.High), e.N}
}

// over estimates a figure of one side.
func over(blocks []block, of func(block) float64) estimate {
	values := make([]float64, len(blocks))
	for i := range blocks {
		values[i] = of(blocks[i])
	}
	return medianOf(values)
}

func rateOf(b block) float64  { return b.rate }
func cpuOf(b block) float64   { return b.cpu }
func wholeOf(b block) float64 { return b.cpu + b.shopCPU }

// latency is a percentile of a side's blocks in ms: the median of the blocks'.
func latency(p float64) func(block) float64 {
	return func(b block) float64 { return percentile(b.micros, p) / 1e3 }
}

// profiled runs f while the workers write CPU profiles, if that is wanted.
func (b *bench) profiled(name string, workers []*worker, f func() error) error {
	if b.profile == "" {
		return f()
	}
	for _, w := range workers {
		file := filepath.Join(b.profile, name+"-"+w.role+".pprof")
		if _, err := w.exchange(request{Op: "profile", File: file}); err != nil {
			return err
		}
	}
	if err := f(); err != nil {
		return err
	}
	for _, w := range workers {
		if _, err := w.exchange(request{Op: "profile"}); err != nil {
			return err
		}
	}
	return nil
}
