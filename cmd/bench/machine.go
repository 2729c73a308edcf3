// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// describe says what the figures were measured on.
func describe(dir string) ([]string, error) {
	sync, err := syncTime(dir)
	if err != nil {
		return nil, err
	}
	lines := []string{
		fmt.Sprintf("%s, %d cores (GOMAXPROCS %d)", cpuModel(), runtime.NumCPU(), runtime.GOMAXPROCS(0)),
		fmt.Sprintf("%s, %s/%s, %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, kernel()),
		fmt.Sprintf("disk: appending 4 KiB and syncing takes %.0f µs (median of 200)", sync),
		"load average when it began: " + loadAverage(),
		"measured on " + time.Now().Format(time.DateOnly),
	}
	if busy() {
		lines = append(lines, "**the machine was busy with other work**: absolute figures (times, rates, latencies) are worse than it can do; ratios are less touched")
	}
	return lines, nil
}

// busy reports whether more than a quarter of the cores had other work when the
// bench began.
func busy() bool {
	var load float64
	_, err := fmt.Sscan(loadAverage(), &load)
	return err == nil && load > float64(runtime.NumCPU())/4
}

func cpuModel() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "kernel unknown"
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(data)), "-")
	return "kernel " + version
}

func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(data))
	if err != nil || len(fields) < 3 {
		return "unknown"
	}
	return strings.Join(fields[:3], " ")
}

// syncTime is the median time in µs of appending 4 KiB to a file and syncing it.
func syncTime(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	times := make([]float64, 200)
	for i := range times {
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		times[i] = micros(time.Since(start))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
