// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
)

// world is the program between a shop and a gateway, with a buyer's browser.
type world struct {
	t       *testing.T
	shop    *shop
	gateway *sandboxtest.Gateway
	notices *notices
	dir     string
	url     string
	client  *http.Client
	env     []string // of the program, beside the test's own
	site    string   // further options of the site's alipay block
	ledger  store    // where the program keeps its orders

	running *process
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, shop: newShop(t), notices: newNotices(), dir: t.TempDir(), url: "http://" + loopback.Address(t)}
	w.ledger = boltFile(w.path("alipay.db"))
	clock := sandbox.NewClock(time.Now(), 1)
	t.Cleanup(clock.Close)
	w.gateway = sandboxtest.New(t, sandboxtest.Options{Config: sandbox.Config{
		Clock: clock, HTTPClient: &http.Client{Transport: w.notices, Timeout: 20 * time.Second},
	}})
	w.client = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
	}
	w.write("app.pem", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(w.gateway.AppKey))(t))
	if err := os.WriteFile(w.path("alipay.pem"), w.gateway.PublicKeyPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, label string, der []byte) {
	w.t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
	if err := os.WriteFile(w.path(name), text, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) caddyfile() string {
	return fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	log {
		level WARN
	}
	alipay {
		app_id %s
		app_private_key %s
		alipay_public_key %s
		gateway %s
		ledger %s
	}
}
%s {
	alipay {
		public_url %[6]s
		shop %s
		order /alipay/orders/{out_trade_no}
		%s
	}
	reverse_proxy %[7]s
}
`, w.gateway.AppID, w.path("app.pem"), w.path("alipay.pem"), w.gateway.GatewayURL(), w.ledger.option(), w.url, w.shop.address(), w.site)
}

// process is a run of the program.
type process struct {
	*exec.Cmd
	output lockedBuffer
	ended  chan struct{} // closed when it has ended
	err    error         // how; read it after ended
}

// lockedBuffer keeps the end of what is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// tail is the last of what was written.
func (b *lockedBuffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.text.String()
	return text[max(0, len(text)-4000):]
}

// start runs the program and returns when it listens. env are further variables
// of this run.
func (w *world) start(binary func() (string, error), env ...string) {
	w.t.Helper()
	if err := os.WriteFile(w.path("Caddyfile"), []byte(w.caddyfile()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(must(binary())(w.t), "run", "--config", w.path("Caddyfile"), "--adapter", "caddyfile"), ended: make(chan struct{})}
	p.Dir = w.dir
	p.Env = append(append(append(os.Environ(), "XDG_DATA_HOME="+w.dir, "XDG_CONFIG_HOME="+w.dir), w.env...), env...)
	p.Stdout, p.Stderr = &p.output, &p.output
	if err := p.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		p.err = p.Wait()
		close(p.ended)
	}()
	w.t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.ended
	})
	w.running = p
	until(w.t, "the program listens", func() bool {
		select {
		case <-p.ended:
			w.t.Fatalf("the program has ended: %v\n%s", p.err, p.output.tail())
		default:
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// kill ends the program as the kernel does when memory runs out.
func (w *world) kill() {
	w.t.Helper()
	if err := w.running.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		w.t.Fatal(err)
	}
	w.died()
}

// stop ends the program as an operator does, and fails unless it ends well.
func (w *world) stop() {
	w.t.Helper()
	if err := w.running.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Fatal(err)
	}
	select {
	case <-w.running.ended:
	case <-time.After(time.Minute):
		w.t.Fatalf("the program has not ended\n%s", w.running.output.tail())
	}
	if w.running.err != nil {
		w.t.Fatalf("the program has ended with %v\n%s", w.running.err, w.running.output.tail())
	}
}

// died waits for the end of a program that was killed, and fails if it has ended
// in any other way.
func (w *world) died() {
	w.t.Helper()
	select {
	case <-w.running.ended:
	case <-time.After(time.Minute):
		w.t.Fatalf("the program has not ended\n%s", w.running.output.tail())
	}
	if status, ok := w.running.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		w.t.Fatalf("the program has ended with %v\n%s", w.running.err, w.running.output.tail())
	}
	if text := w.running.output.tail(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic") {
		w.t.Errorf("the program says\n%s", text)
	}
}

// get opens a page as a browser does. It returns an error while nobody answers.
func (w *world) get(target string) (status int, location string, err error) {
	resp, err := w.client.Get(target)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("Location"), err
}

// notices is the way of the gateway's notices to the program. It keeps what was
// answered.
type notices struct {
	mu       sync.Mutex
	pending  map[string]bool   // not answered success yet, by notify_id
	success  map[string]notice // answered success, by notify_id
	failures int
}

// notice is what a notice states.
type notice struct {
	no       string
	finished bool
	refunded string // the sum so far, "" if none
}

func newNotices() *notices {
	return &notices{pending: map[string]bool{}, success: map[string]notice{}}
}

// RoundTrip implements http.RoundTripper.
func (n *notices) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	id := form.Get("notify_id")
	n.begun(id)
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := http.DefaultTransport.RoundTrip(again)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	if resp.StatusCode == http.StatusOK && string(answer) == "success" {
		n.answered(id, notice{form.Get("out_trade_no"), form.Get("trade_status") == "TRADE_FINISHED", form.Get("refund_fee")})
	}
	return resp, nil
}

func (n *notices) begun(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, done := n.success[id]; !done {
		n.failures++ // until it is answered
		n.pending[id] = true
	}
}

func (n *notices) answered(id string, of notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pending[id] {
		n.failures--
	}
	delete(n.pending, id)
	n.success[id] = of
}

// acknowledged are the notices that were answered success.
func (n *notices) acknowledged() map[string]notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.success)
}

// again has the gateway send what was not answered success, as it does after four
// minutes.
func (w *world) again() {
	w.t.Helper()
	w.notices.mu.Lock()
	var ids []string
	for id := range w.notices.pending {
		ids = append(ids, id)
	}
	w.notices.mu.Unlock()
	for _, id := range ids {
		if err := w.gateway.Resend(id); err != nil {
			w.t.Fatal(err)
		}
	}
}
