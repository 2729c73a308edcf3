// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

// Alipay's zone and way to write a time.
const timeLayout = "2006-01-02 15:04:05"

var zone = time.FixedZone("CST", 8*3600)

func alipayTime(t time.Time) string { return t.In(zone).Format(timeLayout) }

// Sandbox is one gateway for one app. It is an http.Handler for everything:
// the gateway, the cashier, the control panel and the control API. All its
// state is in memory.
type Sandbox struct {
	cfg       Config
	clock     Clock
	ownClock  *SimClock
	client    *http.Client
	handler   http.Handler
	publicPEM []byte

	ctx      context.Context
	cancel   context.CancelFunc
	sending  sync.WaitGroup
	sendSlot chan struct{}

	mu       sync.Mutex // guards everything below
	closed   bool
	book     *bank.Book
	orders   map[string]*order
	sequence []*order // by first appearance
	sessions map[string]*session
	notices  map[string]*notice
	busy     int             // notices being sent
	idle     []chan struct{} // closed when busy falls to 0
	faults   faults
	bills    map[string]bill
	rolled   *rsa.PrivateKey // made when a fault first needs it
}

// New makes a gateway. Close ends it.
func New(cfg Config) (*Sandbox, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	publicPEM, err := wire.PublicPEM(&cfg.AlipayKey.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s := &Sandbox{
		cfg:       cfg,
		clock:     cfg.Clock,
		client:    cfg.HTTPClient,
		publicPEM: publicPEM,
		sendSlot:  make(chan struct{}, maxSending),
		book:      bank.NewBook(randomSerial()),
		orders:    map[string]*order{},
		sessions:  map[string]*session{},
		notices:   map[string]*notice{},
		bills:     map[string]bill{},
	}
	if s.clock == nil {
		s.ownClock = NewClock(time.Now(), cfg.Speed)
		s.clock = s.ownClock
	}
	if s.client == nil {
		s.client = newClient()
	}
	s.faults = newFaults()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.handler = s.routes()
	return s, nil
}

// Close stops the clock if it is the sandbox's own, ends the notices under way
// and waits for their goroutines. Requests after it are answered 503.
func (s *Sandbox) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	if s.ownClock != nil {
		s.ownClock.Close()
	}
	s.sending.Wait()
	s.client.CloseIdleConnections()
}

// PublicKeyPEM is the key that a merchant configures as Alipay's.
func (s *Sandbox) PublicKeyPEM() []byte { return append([]byte(nil), s.publicPEM...) }

// routes refuses what another site makes a browser send, but for the gateway
// itself: merchants' pages post to it.
func (s *Sandbox) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /gateway.do", s.serveGateway)
	mux.HandleFunc("POST /gateway.do", s.serveGateway)
	mux.HandleFunc("GET /alipay_public_key.pem", s.servePublicKey)
	mux.HandleFunc("GET /alipay_public_key.next.pem", s.serveNextKey)
	s.certificateRoutes(mux)
	s.billRoutes(mux)
	s.cashierRoutes(mux)
	s.qrRoutes(mux)
	s.controlRoutes(mux)
	s.panelRoutes(mux)
	guard := http.NewCrossOriginProtection()
	guard.AddInsecureBypassPattern("/gateway.do")
	return guard.Handler(mux)
}

// ServeHTTP implements http.Handler.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		http.Error(w, "the sandbox is closed", http.StatusServiceUnavailable)
		return
	}
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	s.handler.ServeHTTP(w, r)
}

func (s *Sandbox) servePublicKey(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(s.publicPEM) // a client that went away needs no answer
}

// ErrNoStepper says that the clock given in Config cannot be moved.
var ErrNoStepper = errors.New("this sandbox's clock cannot be moved")

// Advance moves the clock by d. Everything that becomes due in between
// happens in its order: the clock stops at each moment until the notices of
// that moment are answered, so that their retries fall due in time.
func (s *Sandbox) Advance(ctx context.Context, d time.Duration) error {
	clock, ok := s.clock.(Stepper)
	if !ok {
		return ErrNoStepper
	}
	if err := s.WaitIdle(ctx); err != nil {
		return err
	}
	for target := clock.Now().Add(d); ; {
		now := clock.Now()
		step := max(target.Sub(now), 0)
		next, due := clock.Next()
		due = due && !next.After(target)
		if due {
			step = max(next.Sub(now), 0)
		}
		clock.Advance(step)
		if err := s.WaitIdle(ctx); err != nil {
			return err
		}
		if !due && !clock.Now().Before(target) {
			return nil
		}
	}
}

// WaitIdle waits until no notice is being sent. Notices that wait for the
// clock do not count.
func (s *Sandbox) WaitIdle(ctx context.Context) error {
	s.mu.Lock()
	if s.busy == 0 {
		s.mu.Unlock()
		return nil
	}
	done := make(chan struct{})
	s.idle = append(s.idle, done)
	s.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for notices under way: %w", ctx.Err())
	}
}

// randomToken is 128 unguessable bits.
func randomToken() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	return hex.EncodeToString(raw[:])
}

func randomSerial() uint64 {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	return binary.BigEndian.Uint64(raw[:])
}
