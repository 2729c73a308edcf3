// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"net/http"
	"net/url"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/smartwalle/alipay/v3"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/internal/failpoint"
)

// Gateway is one app's way to Alipay. Safe for concurrent use. Its keys can be
// replaced (Rekey); whatever else changes takes a new one.
type Gateway struct {
	appID   string
	keys    atomic.Pointer[keyring]
	url     string
	client  *http.Client
	owned   *http.Transport // nil if it was configured
	now     func() time.Time
	observe func(Call)

	// signing lets GOMAXPROCS signatures be made at a time, first come, first
	// served: a burst of 0.7 ms computations starves Go's network poller.
	signing chan struct{}
}

// New checks the configuration and makes a Gateway. It makes no call.
func New(c Config) (*Gateway, error) {
	keys, err := newKeyring(&c)
	if err != nil {
		return nil, err
	}
	address, err := GatewayURL(c.URL)
	if err != nil {
		return nil, err
	}
	g := &Gateway{appID: c.AppID, url: address, now: c.Now, observe: c.Observe, signing: make(chan struct{}, runtime.GOMAXPROCS(0))}
	g.keys.Store(keys)
	if g.now == nil {
		g.now = failpoint.Now
	}
	transport := c.Transport
	if transport == nil {
		g.owned = newTransport()
		transport = g.owned
	}
	g.client = newClient(transport)
	return g, nil
}

// Verifier checks what is sent to this app.
func (g *Gateway) Verifier() *Verifier { return g.keys.Load().verifier }

// AppID is the app's number.
func (g *Gateway) AppID() string { return g.appID }

// URL is the gateway's.
func (g *Gateway) URL() string { return g.url }

// Close drops idle connections. Calls under way go on.
func (g *Gateway) Close() {
	if g.owned != nil {
		g.owned.CloseIdleConnections()
	}
}

// sign builds and signs the parameters of a call. It waits for its turn and
// gives up when ctx ends.
func (g *Gateway) sign(ctx context.Context, method string, system map[string]string, biz map[string]any) (url.Values, error) {
	payload := alipay.NewPayload(method)
	for key, value := range system {
		payload.AddParam(key, value)
	}
	keys := g.keys.Load()
	for key, value := range keys.certs {
		payload.AddParam(key, value)
	}
	for key, value := range biz {
		payload.AddBizField(key, value)
	}
	select {
	case g.signing <- struct{}{}:
		defer func() { <-g.signing }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return keys.sdk.URLValues(payload)
}
