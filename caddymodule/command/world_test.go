// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
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

// world is a real Caddy in a process of its own, in front of a shop and a gateway,
// with its admin endpoint at a Unix socket.
type world struct {
	t       *testing.T
	dir     string
	url     string
	socket  string
	gateway *sandboxtest.Gateway
	shop    *shop
	client  *http.Client
}

// shop is a shop that sells whatever it was told to, to who has a session.
type shop struct {
	*httptest.Server
	mu     sync.Mutex
	prices map[string]string
	down   bool
}

func (s *shop) set(change func(*shop)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number, lookUp := strings.CutPrefix(r.URL.Path, "/orders/")
	switch price, known := s.prices[number]; {
	case lookUp && (!known || r.Header.Get("Cookie") == ""):
		http.Error(w, "who are you?", http.StatusUnauthorized)
	case lookUp:
		fmt.Fprintf(w, `{"out_trade_no":%q,"total_amount":%q,"subject":"tea"}`, number, price)
	case s.down:
		http.Error(w, "down", http.StatusServiceUnavailable)
	default:
		_, _ = io.WriteString(w, "success")
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	clock := sandbox.NewClock(time.Now(), 1)
	t.Cleanup(clock.Close)
	w := &world{t: t, dir: t.TempDir(), url: "http://" + loopback.Address(t), client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	short, err := os.MkdirTemp("", "a") // a socket's path has about 100 characters at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	w.socket = filepath.Join(short, "s")
	w.gateway = sandboxtest.New(t, sandboxtest.Options{Config: sandbox.Config{Clock: clock, AlipayKey: alipayKey()}})
	w.shop = &shop{prices: map[string]string{}}
	w.shop.Server = httptest.NewServer(w.shop)
	t.Cleanup(w.shop.Close)
	w.write("app.pem", w.gateway.AppPrivatePEM())
	w.write("alipay.pem", alipayPEM(t))
	w.write("Caddyfile", fmt.Appendf(nil, `{
		admin unix/%s
		persist_config off
		auto_https off
		log {
			output file caddy.log
		}
		alipay {
			app_id %s
			app_private_key app.pem
			alipay_public_key alipay.pem
			seller_id %s
			gateway %s
			ledger bolt alipay.db
		}
	}
	%s {
		alipay {
			public_url %s
			shop %s
			order /orders/{out_trade_no}
		}
		reverse_proxy %s
	}
	`, w.socket, w.gateway.AppID, sandbox.DefaultSellerID, w.gateway.GatewayURL(), w.url, w.url, w.shop.Listener.Addr(), w.shop.Listener.Addr()))
	w.start()
	return w
}

func (w *world) write(name string, data []byte) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), data, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// alipayKey is Alipay's: a key costs a test a tenth of a second.
var alipayKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func alipayPEM(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&alipayKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func (w *world) start() {
	w.t.Helper()
	caddy := caddyCommand(w.t, w.dir, "C", "x")
	caddy.Args = []string{caddy.Args[0], "run", "--config", "Caddyfile", "--adapter", "caddyfile"}
	if err := caddy.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = caddy.Process.Signal(syscall.SIGTERM)
		_ = caddy.Wait() // it was told to end
	})
	w.until("Caddy listens", func() bool {
		site, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			return false
		}
		defer site.Close()
		admin, err := net.Dial("unix", w.socket)
		if err != nil {
			return false
		}
		defer admin.Close()
		return true
	})
}

func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("did not happen: %s", what)
		}
	}
}

// order sends a buyer to the cashier, and he opens it.
func (w *world) order(number, price string) {
	w.t.Helper()
	w.shop.set(func(s *shop) { s.prices[number] = price })
	w.gateway.Open(w.visit(number))
}

// visit asks for the cashier's address.
func (w *world) visit(number string) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+"/pay?out_trade_no="+number, http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Cookie", "session=1")
	resp, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		text, _ := io.ReadAll(resp.Body)
		w.t.Fatalf("/pay answered %d: %s", resp.StatusCode, text)
	}
	return resp.Header.Get("Location")
}

// pay has the buyer pay at the cashier.
func (w *world) pay(number string) {
	w.t.Helper()
	if err := w.gateway.Pay(number, 1); err != nil {
		w.t.Fatal(err)
	}
	w.gateway.Wait()
}

// run runs a command as a script does, and fails unless it ends with the code.
func (w *world) run(code int, args ...string) result {
	w.t.Helper()
	r := piped(w.t, w.dir, "C", args...)
	if r.code != code {
		w.t.Fatalf("%v: %+v, want %d", args, r, code)
	}
	return r
}
