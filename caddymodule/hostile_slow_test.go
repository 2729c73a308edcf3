// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestSilentBodies: hundreds of senders announce the longest body there is, and
// send nothing, or a byte now and then. They cost little, are sent away in the
// end, and meanwhile a notice goes its way.
func TestSilentBodies(t *testing.T) {
	const many, length = 300, 64 << 10
	w := newWorld(t, "")
	w.buy("SB1", "1.00")
	conns := make([]*bufio.ReadWriter, many)
	before := heap()
	for i := range conns {
		conns[i] = w.announce(t, length)
	}
	if grown := int(heap()-before) / many; grown > length {
		t.Errorf("each silent sender costs %d bytes", grown)
	} else {
		t.Logf("%d silent senders cost %d bytes each", many, grown)
	}
	w.wantNotify(w.notice("SB1", "1.00"), http.StatusOK, "success")
	began := time.Now()
	for i, c := range conns {
		if i%3 == 0 { // a sign of life is no excuse
			_, _ = c.WriteString("a")
			_ = c.Flush()
		}
	}
	for _, c := range conns {
		resp, err := http.ReadResponse(c.Reader, nil)
		if err != nil {
			t.Fatalf("a silent sender was not answered: %v", err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusBadRequest || string(body) != "failure" {
			t.Fatalf("a silent sender was answered %d %q, %v", resp.StatusCode, body, err)
		}
	}
	t.Logf("the last was sent away after %s", time.Since(began).Round(time.Second))
	w.Shop.wantTold(t, "SB1 1 trade.paid TRADE_SUCCESS 0.00")
}

// announce begins a notice and returns when its body is waited for.
func (w *world) announce(t *testing.T, length int) *bufio.ReadWriter {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	rw := bufio.NewReadWriter(bufio.NewReaderSize(conn, 512), bufio.NewWriterSize(conn, 512))
	head := w.rawHead("POST /pay/notify", "Content-Type: "+formType, fmt.Sprint("Content-Length: ", length), "Expect: 100-continue")
	_, _ = rw.WriteString(strings.Join(head, "\r\n"))
	if err := rw.Flush(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(rw.Reader, nil)
	if err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("the body is not waited for: %v, %v", resp, err)
	}
	return rw
}

// heap is how many bytes are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
