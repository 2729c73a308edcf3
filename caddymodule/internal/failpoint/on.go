// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

//go:build failpoint

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// dieAt is what the environment variable ALIPAY_FAILPOINT says: a step, and how
// many times it is reached before ("told#2": the second time; "told": the first).
var (
	dieAt   string
	reached atomic.Int64
	dieOn   int64 = 1
)

func init() {
	step, count, found := strings.Cut(os.Getenv("ALIPAY_FAILPOINT"), "#")
	dieAt = step
	if found {
		n, err := strconv.ParseInt(count, 10, 64)
		if err != nil {
			panic("ALIPAY_FAILPOINT: " + err.Error())
		}
		dieOn = n
	}
}

// clock is the file that ALIPAY_CLOCK names, which says by how much the clock is
// wrong ("-1h"). It is read each time: clocks jump.
var clock = os.Getenv("ALIPAY_CLOCK")

// Now is the wrong time. It has no monotonic reading, so that a jump also shows
// between two readings.
func Now() time.Time {
	if clock == "" {
		return time.Now()
	}
	text, err := os.ReadFile(clock)
	if err != nil {
		panic("ALIPAY_CLOCK: " + err.Error())
	}
	wrong, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		panic("ALIPAY_CLOCK: " + err.Error())
	}
	return time.Now().Add(wrong).Round(0)
}

// Reach ends the process as SIGKILL does, if it is the step's turn.
func Reach(step string) {
	if step != dieAt || reached.Add(1) != dieOn {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // whoever came here goes no further
}
