// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"container/heap"
	"sync"
	"time"
)

// Clock is the time that the gateway lives in. Its zone does not matter:
// Alipay's texts are written in +08:00.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f, in a goroutine of the clock's choosing, when d has
	// passed. f must not block. stop takes the call back if it is not too late.
	AfterFunc(d time.Duration, f func()) (stop func())
}

// Stepper is a Clock that can be moved. (*Sandbox).Advance needs one.
type Stepper interface {
	Clock
	// Advance moves the clock and runs what became due, in order, before it
	// returns.
	Advance(d time.Duration)
	// Next is the time of the earliest pending call.
	Next() (at time.Time, ok bool)
}

// SimClock is the Stepper that comes with this package. It runs at a multiple
// of real time, or stands still at speed 0 and moves by Advance alone.
type SimClock struct {
	speed float64

	mu      sync.Mutex
	base    time.Time // the clock's reading at real
	real    time.Time
	pending timerHeap
	serial  uint64
	wake    *time.Timer
	closed  bool
}

// NewClock starts a clock at start. Speed 1 is real time, 60 makes a minute
// of every second, 0 stands still; a negative one counts as 0.
func NewClock(start time.Time, speed float64) *SimClock {
	return &SimClock{speed: max(speed, 0), base: start, real: time.Now()}
}

// Now reads the clock.
func (c *SimClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *SimClock) now() time.Time {
	if c.speed == 0 {
		return c.base
	}
	return c.base.Add(time.Duration(float64(time.Since(c.real)) * c.speed))
}

// AfterFunc implements Clock.
func (c *SimClock) AfterFunc(d time.Duration, f func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	entry := &timer{at: c.now().Add(d), serial: c.serial, f: f}
	heap.Push(&c.pending, entry)
	c.arm()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if entry.index >= 0 {
			heap.Remove(&c.pending, entry.index)
		}
	}
}

// Advance implements Stepper.
func (c *SimClock) Advance(d time.Duration) {
	c.mu.Lock()
	c.base = c.base.Add(max(d, 0))
	c.mu.Unlock()
	c.fire()
}

// Next implements Stepper.
func (c *SimClock) Next() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 {
		return time.Time{}, false
	}
	return c.pending[0].at, true
}

// Close drops every pending call. The clock can still be read.
func (c *SimClock) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, entry := range c.pending {
		entry.index = -1
	}
	c.pending = nil
	if c.wake != nil {
		c.wake.Stop()
	}
}

// arm sets the real timer to the earliest pending call.
func (c *SimClock) arm() {
	if c.closed || c.speed == 0 || len(c.pending) == 0 {
		return
	}
	wait := time.Duration(float64(c.pending[0].at.Sub(c.now())) / c.speed)
	if c.wake == nil {
		c.wake = time.AfterFunc(max(wait, 0), c.fire)
		return
	}
	c.wake.Reset(max(wait, 0))
}

// fire runs what is due, outside the lock, for the calls use the clock.
func (c *SimClock) fire() {
	for {
		c.mu.Lock()
		if c.closed || len(c.pending) == 0 || c.pending[0].at.After(c.now()) {
			c.arm()
			c.mu.Unlock()
			return
		}
		entry := heap.Pop(&c.pending).(*timer)
		c.mu.Unlock()
		entry.f()
	}
}

type timer struct {
	at     time.Time
	serial uint64 // calls due at the same time run in the order they were made
	f      func()
	index  int
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].serial < h[j].serial
	}
	return h[i].at.Before(h[j].at)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	entry := x.(*timer)
	entry.index = len(*h)
	*h = append(*h, entry)
}

func (h *timerHeap) Pop() any {
	old := *h
	entry := old[len(old)-1]
	entry.index = -1
	*h = old[:len(old)-1]
	return entry
}

var _ Stepper = (*SimClock)(nil)
