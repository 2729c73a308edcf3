// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// places are where the demo listens. Those of shop and sandbox are taken already;
// Caddy listens by itself.
type places struct {
	caddy    string // host:port
	shop     net.Listener
	sandbox  net.Listener
	merchant string // host:port, Caddy's too
}

// URL is where the browser goes.
func (p *places) URL() string { return "http://" + p.caddy }

func (p *places) close() {
	for _, l := range []net.Listener{p.shop, p.sandbox} {
		if l != nil {
			_ = l.Close() // closed by its server already, or never used
		}
	}
}

// takePlaces takes the port of listen and the three after it, or four free ports
// if that is 0.
func takePlaces(ctx context.Context, listen string) (_ *places, err error) {
	host, port, err := splitListen(listen)
	if err != nil {
		return nil, err
	}
	p := new(places)
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	var taken [4]net.Listener
	for i, who := range [...]string{"Caddy", "the shop", "the sandbox", "the merchant API"} {
		if taken[i], err = take(ctx, host, port, i, who); err != nil {
			break
		}
	}
	p.shop, p.sandbox = taken[1], taken[2]
	// Caddy shares ports with other processes (SO_REUSEPORT) and would not
	// notice another Caddy on its own: these two were taken to see that they are
	// free.
	for i, address := range map[int]*string{0: &p.caddy, 3: &p.merchant} {
		if taken[i] != nil {
			*address = taken[i].Addr().String()
			err = errors.Join(err, taken[i].Close())
		}
	}
	return p, err
}

func splitListen(listen string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("-listen %q is not host:port, such as 127.0.0.1:9400", listen)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", 0, fmt.Errorf("-listen %q is not on loopback; the demo pays with play money and is for this machine only: "+
			"use 127.0.0.1:%s", listen, digits)
	}
	port, err = strconv.Atoi(digits)
	if err != nil || port < 0 || port > 65535-3 {
		return "", 0, fmt.Errorf("-listen %q: the port has to be from 1 to 65532, or 0 for free ones", listen)
	}
	return host, port, nil
}

func take(ctx context.Context, host string, port, offset int, who string) (net.Listener, error) {
	if port != 0 {
		port += offset
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d, for %s, is in use; end the program that has it (another demo?), "+
			"or choose four other ports in a row with -listen, such as -listen 127.0.0.1:%d", port, who, otherPort(port-offset))
	case err != nil:
		return nil, fmt.Errorf("port %d, for %s: %w; choose others with -listen", port, who, err)
	}
	return l, nil
}

// otherPort is one to try instead.
func otherPort(port int) int {
	if port > 60000 {
		return 9400
	}
	return port + 100
}
