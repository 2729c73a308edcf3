// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgrestest

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Line is a way to the server that a test can make slow, or dead.
type Line struct {
	Address string

	delay  atomic.Int64
	trips  atomic.Int64 // times that the server was asked after it had answered
	mu     sync.Mutex
	silent chan struct{} // not nil, and closed in the end, while nothing gets through
}

// Line opens a way to the server.
func (s *Server) Line(t testing.TB) *Line {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Line{Address: listener.Addr().String()}
	t.Cleanup(func() {
		listener.Close()
		l.Silence(false)
	})
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go l.join(client, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)))
		}
	}()
	return l
}

// Delay has everything take so long, each way.
func (l *Line) Delay(d time.Duration) { l.delay.Store(int64(d)) }

// Silence holds back what is sent, without a word to either side, or lets it go.
func (l *Line) Silence(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case on && l.silent == nil:
		l.silent = make(chan struct{})
	case !on && l.silent != nil:
		close(l.silent)
		l.silent = nil
	}
}

// Trips counts the round trips so far, over all connections.
func (l *Line) Trips() int { return int(l.trips.Load()) }

func (l *Line) join(client net.Conn, address string) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	var answered atomic.Bool
	answered.Store(true)
	go func() {
		defer client.Close()
		defer server.Close()
		l.carry(client, server, func() { answered.Store(true) })
	}()
	l.carry(server, client, func() {
		if answered.Swap(false) {
			l.trips.Add(1)
		}
	})
}

// packet is what was sent, and when it arrives.
type packet struct {
	data []byte
	at   time.Time
}

// carry takes bytes from one side to the other.
func (l *Line) carry(to io.Writer, from io.Reader, sent func()) {
	way := make(chan packet, 1024)
	go func() {
		defer close(way)
		for {
			data := make([]byte, 32<<10)
			n, err := from.Read(data)
			if n > 0 {
				sent()
				way <- packet{data[:n], time.Now().Add(time.Duration(l.delay.Load()))}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range way {
		<-time.After(time.Until(p.at))
		l.mu.Lock()
		silent := l.silent
		l.mu.Unlock()
		if silent != nil {
			<-silent
		}
		if _, err := to.Write(p.data); err != nil {
			for range way { // let the reader end
				continue
			}
			return
		}
	}
}
