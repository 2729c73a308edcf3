// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package sandboxtest runs a sandbox.Sandbox on loopback for one test, with a
// clock that stands still until the test moves it.
package sandboxtest

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

// DefaultAppID is the app of a test gateway.
const DefaultAppID = "9021000100000001"

// Start is where a test's clock begins: noon in Alipay's zone.
var Start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("CST", 8*3600))

// Options change what New makes. The zero value is a good gateway.
type Options struct {
	// Config is the sandbox's. Its AppID, keys and Clock have test defaults.
	Config sandbox.Config
	// AppKey is the merchant's private key. Default: one key per test binary.
	AppKey *rsa.PrivateKey
}

// Gateway is a running sandbox with the merchant's side of its keys.
type Gateway struct {
	*sandbox.Sandbox
	URL    string // http://127.0.0.1:port
	Clock  *sandbox.SimClock
	AppID  string
	AppKey *rsa.PrivateKey

	t testing.TB
}

// The keys are made once: an RSA key costs a test a tenth of a second.
var (
	appKey    = sync.OnceValues(wire.NewKey)
	alipayKey = sync.OnceValues(wire.NewKey)
)

// New starts a gateway that ends with the test.
func New(t testing.TB, opts Options) *Gateway {
	t.Helper()
	g := &Gateway{t: t, AppKey: opts.AppKey}
	if g.AppKey == nil {
		g.AppKey = must(appKey())(t)
	}
	cfg := opts.Config
	if cfg.AppID == "" {
		cfg.AppID = DefaultAppID
	}
	if cfg.AppPublicKey == nil {
		cfg.AppPublicKey = &g.AppKey.PublicKey
	}
	if cfg.AlipayKey == nil {
		cfg.AlipayKey = must(alipayKey())(t)
	}
	if cfg.Clock == nil {
		g.Clock = sandbox.NewClock(Start, 0)
		cfg.Clock = g.Clock
	}
	g.AppID = cfg.AppID
	g.Sandbox = must(sandbox.New(cfg))(t)
	server := httptest.NewServer(g.Sandbox)
	g.URL = server.URL
	t.Cleanup(func() {
		g.Close()
		server.CloseClientConnections()
		server.Close()
		if g.Clock != nil {
			g.Clock.Close()
		}
	})
	return g
}

// GatewayURL is the address that a merchant configures.
func (g *Gateway) GatewayURL() string { return g.URL + "/gateway.do" }

// AppPrivatePEM is the merchant's private key, PKCS #8.
func (g *Gateway) AppPrivatePEM() []byte { return must(wire.PrivatePEM(g.AppKey))(g.t) }

// Move moves the clock and waits for the notices that became due.
func (g *Gateway) Move(d time.Duration) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Minute)
	defer cancel()
	if err := g.Advance(ctx, d); err != nil {
		g.t.Fatal(err)
	}
}

// Wait waits for the notices under way.
func (g *Gateway) Wait() {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Minute)
	defer cancel()
	if err := g.WaitIdle(ctx); err != nil {
		g.t.Fatal(err)
	}
}

// Biz is a biz_content.
type Biz map[string]any

// Form makes the signed parameters of a request, with this package's own code
// and not an SDK's. extra are further system parameters, such as notify_url; an
// empty value takes a parameter away.
func (g *Gateway) Form(method string, biz Biz, extra map[string]string) url.Values {
	g.t.Helper()
	content, err := json.Marshal(biz)
	if err != nil {
		g.t.Fatal(err)
	}
	form := url.Values{
		"app_id": {g.AppID}, "method": {method}, "format": {"JSON"}, "charset": {"utf-8"},
		"sign_type": {"RSA2"}, "timestamp": {Start.Format("2006-01-02 15:04:05")}, "version": {"1.0"},
		"biz_content": {string(content)},
	}
	for name, value := range extra {
		if form.Set(name, value); value == "" {
			form.Del(name)
		}
	}
	return g.Sign(form)
}

// Sign signs a form's parameters as a merchant does.
func (g *Gateway) Sign(form url.Values) url.Values {
	g.t.Helper()
	var params wire.Params
	for name := range form {
		params = params.Set(name, form.Get(name))
	}
	form.Set("sign", must(wire.Sign(g.AppKey, []byte(params.RequestString())))(g.t))
	return form
}

// Answer is what the gateway answered: the response member, its raw bytes and
// the signature, which is "" where there is none.
type Answer struct {
	Name   string
	Fields map[string]any
	Raw    []byte
	Sign   string
	CertSN string // alipay_cert_sn, in certificate mode
}

// Text is a field of the answer as a string, "" when it is absent.
func (a Answer) Text(name string) string {
	text, _ := a.Fields[name].(string)
	return text
}

// Call sends a request as POST. It fails the test unless the gateway answers
// 200 with JSON whose signature, if there is one, holds.
func (g *Gateway) Call(method string, biz Biz) Answer {
	g.t.Helper()
	return g.Post(g.Form(method, biz, nil))
}

// Post sends a form that Form or Sign made.
func (g *Gateway) Post(form url.Values) Answer {
	g.t.Helper()
	response, err := http.PostForm(g.GatewayURL(), form)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		g.t.Fatalf("the gateway answered %d, %v: %s", response.StatusCode, err, body)
	}
	return g.parse(body)
}

func (g *Gateway) parse(body []byte) Answer {
	g.t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		g.t.Fatalf("the answer is no JSON: %v: %s", err, body)
	}
	var answer Answer
	for name, raw := range members {
		switch {
		case name == "alipay_cert_sn":
			if err := json.Unmarshal(raw, &answer.CertSN); err != nil {
				g.t.Fatal(err)
			}
		case name == "sign":
			if err := json.Unmarshal(raw, &answer.Sign); err != nil {
				g.t.Fatal(err)
			}
		case strings.HasSuffix(name, "_response"):
			answer.Name, answer.Raw = name, raw
			if err := json.Unmarshal(raw, &answer.Fields); err != nil {
				g.t.Fatalf("the response member: %v: %s", err, raw)
			}
		}
	}
	if answer.Sign != "" {
		key := must(sandbox.ParsePublicKey(g.PublicKeyPEM()))(g.t)
		if err := wire.Verify(key, answer.Raw, answer.Sign); err != nil {
			g.t.Fatalf("the answer's signature: %v", err)
		}
	}
	return answer
}

// PayURL is a page.pay address for an order with a notify_url and a return_url,
// either of which may be "".
func (g *Gateway) PayURL(outTradeNo, amount, notifyURL, returnURL string) string {
	g.t.Helper()
	form := g.Form("alipay.trade.page.pay", Biz{
		"out_trade_no": outTradeNo, "total_amount": amount, "subject": "Test order",
		"product_code": "FAST_INSTANT_TRADE_PAY",
	}, map[string]string{"notify_url": notifyURL, "return_url": returnURL})
	return g.GatewayURL() + "?" + form.Encode()
}

// Open fetches a pay address as the payer's browser does and returns the page
// that it ends at.
func (g *Gateway) Open(payURL string) string {
	g.t.Helper()
	response, err := http.Get(payURL)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(body)
}

// Buy opens an order's page and pays as the first test buyer.
func (g *Gateway) Buy(outTradeNo, amount, notifyURL, returnURL string) sandbox.Trade {
	g.t.Helper()
	g.Open(g.PayURL(outTradeNo, amount, notifyURL, returnURL))
	if err := g.Pay(outTradeNo, 1); err != nil {
		g.t.Fatal(err)
	}
	return must(g.Trade(outTradeNo))(g.t)
}

// VerifyForm checks a notice's or return's signature over all its parameters
// but sign and sign_type.
func (g *Gateway) VerifyForm(form url.Values) error {
	var params wire.Params
	for name, values := range form {
		if len(values) != 1 {
			return fmt.Errorf("%q is there %d times", name, len(values))
		}
		params = params.Set(name, values[0])
	}
	key, err := sandbox.ParsePublicKey(g.PublicKeyPEM())
	if err != nil {
		return err
	}
	return wire.Verify(key, []byte(params.NoticeString()), form.Get("sign"))
}

// must ends the test on an error: must(f())(t).
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
