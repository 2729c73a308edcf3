// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

// Close ends a notice that hangs, and leaves no goroutine behind.
func TestCloseEndsNotices(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("inner", func(t *testing.T) {
		hangs := make(chan struct{})
		m := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then is the sender's leaving noticed
			close(hangs)
			<-r.Context().Done()
		}))
		defer m.Close()
		g := sandboxtest.New(t, sandboxtest.Options{})
		g.Buy("A1", "1.00", m.URL, "")
		<-hangs
		g.Close()
		g.Close() // twice is once
		response, err := http.Get(g.URL + "/control/trades")
		if err != nil {
			t.Fatal(err)
		}
		readAll(t, response)
		if response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("after Close: %d", response.StatusCode)
		}
	})
	http.DefaultClient.CloseIdleConnections()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-poll.C:
		case <-deadline.C:
			stacks := make([]byte, 1<<16)
			t.Fatalf("goroutines stay:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// A clock of its own runs at its speed and delivers retries by itself.
func TestFastClock(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	fast, err := sandbox.New(sandbox.Config{AppID: g.AppID, AppPublicKey: &g.AppKey.PublicKey, Speed: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	defer fast.Close()
	server := httptest.NewServer(fast)
	defer server.Close()
	done := make(chan struct{})
	m := newMerchant(t, func(w http.ResponseWriter, count int) {
		if count == 3 {
			close(done)
			_, _ = w.Write([]byte("success"))
		}
	})
	pay := strings.Replace(g.PayURL("A1", "1.00", m.URL, ""), g.URL, server.URL, 1)
	g.Open(pay)
	if err := fast.Pay("A1", 1); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done: // fourteen minutes on its clock
	case <-time.After(30 * time.Second):
		t.Fatal("the third attempt did not come")
	}
}

func TestConfigIsChecked(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	app, other := &g.AppKey.PublicKey, g.AppKey
	for name, test := range map[string]struct {
		config sandbox.Config
		want   string
	}{
		"no app":     {sandbox.Config{AppPublicKey: app}, "app id"},
		"letters":    {sandbox.Config{AppID: "abc", AppPublicKey: app}, "app id"},
		"no key":     {sandbox.Config{AppID: "1"}, "public key is missing"},
		"own key":    {sandbox.Config{AppID: "1", AppPublicKey: app, AlipayKey: other}, "gateway's own private key"},
		"slow clock": {sandbox.Config{AppID: "1", AppPublicKey: app, Speed: -1}, "speed"},
	} {
		if _, err := sandbox.New(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
