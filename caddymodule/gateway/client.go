// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto"
	"crypto/rsa"
	"net/http"
	"net/url"
	"runtime"
	"time"

	"github.com/smartwalle/alipay/v3"
	"github.com/smartwalle/nsign"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Gateway is one app's way to Alipay. Safe for concurrent use; a changed
// configuration takes a new one.
type Gateway struct {
	appID    string
	certs    map[string]string // parameters of certificate mode
	url      string
	client   *http.Client
	owned    *http.Transport // nil if it was configured
	sdk      *alipay.Client
	verifier *Verifier
	own      *rsa.PublicKey // the app's, for Diagnose
	now      func() time.Time

	// signing lets GOMAXPROCS signatures be made at a time, first come, first
	// served: a burst of 0.7 ms computations starves Go's network poller.
	signing chan struct{}
}

// New checks the configuration and makes a Gateway. It makes no call.
func New(c Config) (*Gateway, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	verifier, err := NewVerifier(c.AppID, c.AlipayKeys...)
	if err != nil {
		return nil, err
	}
	address, err := GatewayURL(c.URL)
	if err != nil {
		return nil, err
	}
	c.PrivateKey.Precompute()
	g := &Gateway{
		appID: c.AppID, url: address, verifier: verifier, now: c.Now,
		own:     &c.PrivateKey.PublicKey,
		signing: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	if g.now == nil {
		g.now = time.Now
	}
	if c.AppCertSN != "" {
		g.certs = map[string]string{"app_cert_sn": c.AppCertSN, "alipay_root_cert_sn": c.AlipayRootCertSN}
	}
	transport := c.Transport
	if transport == nil {
		g.owned = newTransport()
		transport = g.owned
	}
	g.client = newClient(transport)
	signer := nsign.New(
		nsign.WithMethod(nsign.NewRSAMethod(crypto.SHA256, c.PrivateKey, nil)),
		nsign.WithEncoder(alipay.Encoder{}),
	)
	// The SDK only builds and signs. It never sees an answer, and its own client
	// is one that cannot make a call.
	g.sdk, err = alipay.NewWithSigner(c.AppID, signer, true,
		alipay.WithTimeLocation(trade.Zone), alipay.WithHTTPClient(&http.Client{Transport: noCalls{}}))
	if err != nil {
		return nil, err
	}
	return g, nil
}

// Verifier checks what is sent to this app.
func (g *Gateway) Verifier() *Verifier { return g.verifier }

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
	for key, value := range g.certs {
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
	return g.sdk.URLValues(payload)
}
