// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package loopback finds addresses for tests whose servers are told where to listen.
package loopback

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

// Ports are chosen from below the range out of which systems take those of outgoing
// connections (from 32768 on Linux, from 49152 elsewhere): one of theirs would take a
// free port away before the server listens on it.
const (
	first = 20_000
	count = 12_000
	tries = 100
)

// given counts the ports that this process has tried. Each process begins elsewhere.
var given atomic.Int64

// Port is one of this machine's on which nobody listens.
func Port() (int, error) {
	var last error
	for range tries {
		port := first + (os.Getpid()*211+int(given.Add(1)))%count
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("no free port: %w", last)
}

// Address is Port on 127.0.0.1.
func Address(t testing.TB) string {
	t.Helper()
	port, err := Port()
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
