// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// loadSpec is one block of load: Count requests in a closed loop, each sender
// on a connection of its own that stays open from block to block.
type loadSpec struct {
	Address string // host:port
	Kind    string // one of requestKinds
	From    int    // the first request's number
	Count   int
	Senders int
	Modulo  int // if not 0, request numbers are taken modulo this
}

// loadResult is what a block of load gave.
type loadResult struct {
	Elapsed  time.Duration
	Failures int
	Failure  string   // the first one
	Micros   []uint32 // each request's latency in µs, sorted
}

// generator sends load. It knows no more of HTTP than it needs, so that it
// takes little of the machine that is measured.
type generator struct {
	notices []string
	conns   map[string][]*sender // by address
}

// sender is one connection.
type sender struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
	out     []byte
}

const answerTimeout = 30 * time.Second

// run sends a block.
func (g *generator) run(s loadSpec) (loadResult, error) {
	kind, ok := requestKinds[s.Kind]
	if !ok {
		return loadResult{}, fmt.Errorf("unknown kind of load %q", s.Kind)
	}
	senders := g.senders(s.Address, s.Senders)
	requests, err := g.build(&s, kind)
	if err != nil {
		return loadResult{}, err
	}
	var next atomic.Int64
	var failures atomic.Int64
	var first atomic.Pointer[string]
	micros := make([]uint32, len(requests))
	var wg sync.WaitGroup
	start := time.Now()
	for _, c := range senders {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return
				}
				begin := time.Now()
				if err := c.exchange(requests[i], kind); err != nil {
					failures.Add(1)
					text := err.Error()
					first.CompareAndSwap(nil, &text)
				}
				micros[i] = uint32(time.Since(begin).Microseconds())
			}
		})
	}
	wg.Wait()
	r := loadResult{Elapsed: time.Since(start), Failures: int(failures.Load()), Micros: micros}
	if p := first.Load(); p != nil {
		r.Failure = *p
	}
	slices.Sort(r.Micros)
	return r, nil
}

func (g *generator) senders(address string, n int) []*sender {
	if g.conns == nil {
		g.conns = make(map[string][]*sender)
	}
	for len(g.conns[address]) < n {
		g.conns[address] = append(g.conns[address], &sender{address: address})
	}
	return g.conns[address][:n]
}

// build writes all requests of a block before the clock starts.
func (g *generator) build(s *loadSpec, kind *requestKind) ([][]byte, error) {
	requests := make([][]byte, s.Count)
	for i := range requests {
		n := s.From + i
		if s.Modulo > 0 {
			n %= s.Modulo
		}
		var err error
		if requests[i], err = kind.build(g, s.Address, n); err != nil {
			return nil, err
		}
	}
	return requests, nil
}

// exchange sends one request and reads its answer.
func (c *sender) exchange(request []byte, kind *requestKind) error {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.address, answerTimeout)
		if err != nil {
			return err
		}
		c.conn, c.in = conn, bufio.NewReaderSize(conn, 16<<10)
	}
	if err := c.try(request, kind); err != nil {
		c.conn.Close()
		c.conn = nil
		return err
	}
	return nil
}

func (c *sender) try(request []byte, kind *requestKind) error {
	if err := c.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	status, length, err := c.head()
	if err != nil {
		return err
	}
	c.out = slices.Grow(c.out[:0], length)[:length]
	if _, err := io.ReadFull(c.in, c.out); err != nil {
		return err
	}
	if status != kind.status || kind.body != "" && string(c.out) != kind.body {
		return fmt.Errorf("answered %d %.80q", status, c.out)
	}
	return nil
}

var (
	contentLength = []byte("content-length:")
	chunked       = []byte("transfer-encoding:")
)

// head reads status line and header.
func (c *sender) head() (status, length int, err error) {
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			if len(line) < 12 {
				return 0, 0, fmt.Errorf("a status line %q", line)
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, 0, err
			}
		case len(line) == 0:
			return status, length, nil
		case hasPrefixFold(line, contentLength):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(contentLength):]))); err != nil {
				return 0, 0, err
			}
		case hasPrefixFold(line, chunked):
			return 0, 0, errors.New("the answer is chunked, which this generator does not read")
		}
	}
}

func hasPrefixFold(line, prefix []byte) bool {
	return len(line) >= len(prefix) && bytes.EqualFold(line[:len(prefix)], prefix)
}
