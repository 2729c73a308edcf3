// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const siteURL = "https://shop.example"

// office is the API over a real ledger, with a sandbox and a shop.
type office struct {
	*testing.T
	*sandboxtest.Gateway
	api    *API
	server *httptest.Server
	ledger *bolt.Ledger
	close  func() // the site

	mu     sync.Mutex
	told   []string // what the shop was told: event, order and sequence
	status int      // its answer
	broken func(method string) error
}

func newOffice(t *testing.T, change ...func(*API)) *office {
	t.Helper()
	o := &office{T: t, status: http.StatusOK}
	o.Gateway = sandboxtest.New(t, sandboxtest.Options{Config: sandbox.Config{Clock: sandbox.NewClock(time.Now(), 1)}})
	var err error
	if o.ledger, err = bolt.Open(filepath.Join(t.TempDir(), "ledger.db"), bolt.Options{}); err != nil {
		t.Fatal(err)
	}
	public, err := gateway.ParsePublicKey(o.PublicKeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	client, err := gateway.New(gateway.Config{
		AppID: o.AppID, PrivateKey: o.AppKey, AlipayKeys: []gateway.AlipayKey{{Public: public}}, URL: o.GatewayURL(), Transport: o,
	})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(siteURL)
	o.api = &API{Gateway: client, Ledger: o.ledger, Courier: courier.New(o.ledger, o.AppID, nil), Logger: zap.NewNop()}
	o.close = o.api.Courier.Open(&shop.Shop{
		Handler: caddyhttp.MiddlewareHandler(counter{o}), PublicURL: u, NotifyPath: "/pay/notify", Timeout: 30 * time.Second,
	})
	stop := o.api.Courier.Inquire(client)
	for _, f := range change {
		f(o.api)
	}
	o.server = httptest.NewServer(o.api)
	t.Cleanup(func() {
		o.server.Close()
		stop()
		o.close()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := o.api.Courier.Wait(ctx); err != nil {
			t.Error("the courier's work did not end: ", err)
		}
		client.Close()
		if err := o.ledger.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// counter is the shop's counter.
type counter struct{ *office }

func (c counter) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, r.Header.Get(shop.HeaderEvent)+" "+r.Header.Get(shop.HeaderOutTradeNo)+" "+r.Header.Get(shop.HeaderSequence))
	w.WriteHeader(c.status)
	return nil
}

func (o *office) answers(status int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.status = status
}

func (o *office) heard() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.told...)
}

// RoundTrip is the way to the gateway, which may be broken.
func (o *office) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	broken := o.broken
	o.mu.Unlock()
	if broken != nil {
		if err := broken(r.URL.Query().Get("method")); err != nil {
			return nil, err
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (o *office) breaks(broken func(method string) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.broken = broken
}

func (o *office) faults(faults ...sandbox.Fault) {
	o.Helper()
	if err := o.SetFaults(sandbox.Faults{Global: faults, Switches: sandbox.DefaultSwitches()}); err != nil {
		o.Fatal(err)
	}
}

// hangs is an error as a connection that hangs gives it.
type hangs struct{}

func (hangs) Error() string   { return "it hangs" }
func (hangs) Timeout() bool   { return true }
func (hangs) Temporary() bool { return true }

var errGone = errors.New("connection refused")

// sent records that an order was sent to the cashier.
func (o *office) sent(no, amount string) {
	o.Helper()
	total, err := trade.ParseAmount(amount)
	if err != nil {
		o.Fatal(err)
	}
	now := time.Now()
	if _, err := o.ledger.Attempt(o.Context(), o.api.key(no), trade.Attempt{
		Total: total, PublicURL: siteURL, Channel: "page", At: now, ExpiresAt: now.Add(time.Hour),
	}); err != nil {
		o.Fatal(err)
	}
}

// paid has an order paid, here and at the sandbox.
func (o *office) paid(no, amount string) {
	o.Helper()
	o.sent(no, amount)
	o.Buy(no, amount, "", "")
	if _, err := o.api.Courier.Ask(o.Context(), o.api.Gateway, o.api.key(no)); err != nil {
		o.Fatal(err)
	}
}

// held has something held: an order is paid that nobody knows.
func (o *office) held(no, amount string) string {
	o.Helper()
	o.Buy(no, amount, "", "")
	e, err := o.api.Gateway.Query(o.Context(), no)
	if err != nil {
		o.Fatal(err)
	}
	out, err := o.api.Courier.Record(o.Context(), e)
	if err != nil || out.Held == nil {
		o.Fatalf("%+v, %v", out, err)
	}
	return out.Held.ID
}

func (o *office) order(no string) trade.Order {
	o.Helper()
	got, err := o.ledger.Order(o.Context(), o.api.key(no))
	if err != nil {
		o.Fatal(err)
	}
	return got
}

func (o *office) until(what string, is func() bool) {
	o.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			o.Fatalf("did not happen: %s", what)
		}
	}
}

// answer is the API's answer, read.
type answer struct {
	o      *office
	call   string
	Status int
	Header http.Header
	Body   string
	fields map[string]any
}

// call calls the API and holds its answer against openapi.json. A body is sent as
// JSON.
func (o *office) call(method, path, body string) answer {
	o.Helper()
	h := http.Header{}
	if body != "" {
		h.Set("Content-Type", "application/json")
	}
	return o.send(method, path, body, h)
}

func (o *office) send(method, path, body string, h http.Header) answer {
	o.Helper()
	r, err := http.NewRequestWithContext(o.Context(), method, o.server.URL+path, strings.NewReader(body))
	if err != nil {
		o.Fatal(err)
	}
	r.Header = h
	resp, err := o.server.Client().Do(r)
	if err != nil {
		o.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		o.Fatal(err)
	}
	a := answer{o: o, call: method + " " + path + " " + body, Status: resp.StatusCode, Header: resp.Header, Body: string(text)}
	if method != http.MethodHead {
		if err := json.Unmarshal(text, &a.fields); err != nil {
			o.Fatalf("%s was answered %d %q", a.call, a.Status, text)
		}
		o.wantDocumented(r, &a)
	}
	if a.Header.Get("Cache-Control") != "no-store" {
		o.Errorf("%s may be cached", a.call)
	}
	return a
}

// want fails unless the answer has the status and, if slug is not empty, is that
// problem.
func (a answer) want(status int, slug string) answer {
	a.o.Helper()
	kind, _ := a.fields["type"].(string)
	isProblem := strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json")
	if a.Status != status || isProblem != (slug != "") || slug != "" && kind != docs+slug {
		a.o.Errorf("%s was answered %d %s, want %d %s", a.call, a.Status, a.Body, status, slug)
	}
	return a
}

// text is a member of the answer, by its path.
func (a answer) text(path ...string) string {
	var value any = a.fields
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	s, _ := value.(string)
	return s
}

// list is a member that is a list of objects.
func (a answer) list(name string) []map[string]any {
	list, _ := a.fields[name].([]any)
	var objects []map[string]any
	for _, item := range list {
		object, _ := item.(map[string]any)
		objects = append(objects, object)
	}
	return objects
}

var _ ledger.Ledger = (*bolt.Ledger)(nil)
