// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// memory follows the memory of this process that is no file's. The ledger's file
// counts in the resident set as well, as far as the system keeps its pages, and
// costs nobody anything.
type memory struct {
	first, peak int64 // kB
	stop, ended chan struct{}
}

// sampling is how often memory looks: the system keeps the greatest of the whole
// resident set only.
const sampling = 5 * time.Millisecond

func followMemory() *memory {
	now := processMemory("RssAnon:")
	m := &memory{first: now, peak: now, stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		ticks := time.NewTicker(sampling)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				m.peak = max(m.peak, processMemory("RssAnon:"))
			case <-m.stop:
				return
			}
		}
	}()
	return m
}

// end ends it; peak may be read then.
func (m *memory) end() {
	close(m.stop)
	<-m.ended
}

// processMemory is a line of Linux' /proc/self/status in kB; 0 on other systems.
func processMemory(name string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte(name))
	number, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	kB, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return 0
	}
	return kB
}
