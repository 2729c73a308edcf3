// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-alipay/caddy-alipay"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
)

const sellerID = "2088102146225135"

var (
	alipayKey = sync.OnceValue(newKey)
	appKey    = sync.OnceValue(newKey)
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// world is a real Caddy with the module in front of a shop, and a gateway.
// Caddy is one per process, so tests that start one are not parallel.
type world struct {
	t       *testing.T
	URL     string
	Dir     string
	Shop    *fakeShop
	Gateway *sandboxtest.Gateway
	client  *http.Client

	// Configuration, for the next reload: options of the global alipay block, of
	// the site's alipay block, directives behind it, other global options, the
	// log's output, and what stands in place of the gateway, of the shop option,
	// of the site's address and of the ledger's kind; further sites, and the admin
	// endpoint's address.
	global, site, rest, options, log, gateway, shop, address, ledgerKind, more, admin string
	// database is the ledger's DSN; "" for a bolt file.
	database string
	// shadow: the site only watches the shop\'s own integration.
	shadow bool
}

// newWorld starts a world. rest are directives of the site behind the module,
// SHOP in them is the shop's address; set changes what the world is made of.
func newWorld(t *testing.T, rest string, set ...func(*world)) *world {
	t.Helper()
	w := &world{t: t, Dir: t.TempDir(), Shop: newFakeShop(t), rest: rest}
	clock := sandbox.NewClock(time.Now(), 1)
	t.Cleanup(clock.Close)
	w.Gateway = sandboxtest.New(t, sandboxtest.Options{
		AppKey: appKey(), Config: sandbox.Config{AlipayKey: alipayKey(), Clock: clock},
	})
	w.URL = "http://" + loopback.Address(t)
	w.client = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
		// a connection that is kept alive leads to the server before a reload
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	writePEM(t, w.path("app.pem"), "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(appKey())))
	writePEM(t, w.path("alipay.pem"), "PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&alipayKey().PublicKey)))
	for _, f := range set {
		f(w)
	}
	w.reload()
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.Dir, name) }

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.Remove(w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

// caddyfile is the world's configuration; global and site hold further options.
func (w *world) caddyfile() string {
	return fmt.Sprintf(`{
		admin %s
		persist_config off
		auto_https off
		log {
			output %s
		}
		%s
		alipay {
			app_id %s
			app_private_key %s
			alipay_public_key %s
			seller_id %s
			gateway %s
			ledger %s %s
			%s
		}
	}
	%s {
		alipay {
			public_url %s
			%s
			%s
			%s
		}
		%s
	}
	%s`, cmp.Or(w.admin, "off"), cmp.Or(w.log, "discard"), w.options,
		w.Gateway.AppID, w.path("app.pem"), w.path("alipay.pem"), sellerID,
		cmp.Or(w.gateway, w.Gateway.GatewayURL()), cmp.Or(w.ledgerKind, "bolt"), cmp.Or(w.database, w.path("alipay.db")), w.global,
		cmp.Or(w.address, w.URL), w.URL, w.shopOption(), w.orderOption(), w.site,
		strings.ReplaceAll(cmp.Or(w.rest, "reverse_proxy SHOP"), "SHOP", w.Shop.Address()), w.more)
}

// inDatabase makes a world keep its orders in a database of its own.
func inDatabase(w *world) {
	s := databases.Get(w.t)
	w.ledgerKind, w.database = "postgres", s.DSN(s.Database(w.t))
}

// overEach runs a test over each kind of ledger; kind is for newWorld.
func overEach(t *testing.T, test func(t *testing.T, kind func(*world))) {
	t.Helper()
	t.Run("bolt", func(t *testing.T) { test(t, func(*world) {}) })
	t.Run("postgres", func(t *testing.T) { test(t, inDatabase) })
}

func (w *world) shopOption() string {
	if w.shadow {
		return "shadow"
	}
	return cmp.Or(w.shop, "shop "+w.Shop.Address())
}

func (w *world) orderOption() string {
	if w.shadow {
		return ""
	}
	return "order /alipay/orders/{out_trade_no}"
}

func (w *world) reload() {
	w.t.Helper()
	if err := load(w.caddyfile()); err != nil {
		w.t.Fatal(err)
	}
}

// restart stops Caddy and starts it again, as a new process would.
func (w *world) restart() {
	w.t.Helper()
	if err := caddy.Stop(); err != nil {
		w.t.Fatal(err)
	}
	w.reload()
}

// isCut tells a connection that the operating system cut before anyone read from
// it, as happens to those in the queue of a listener that a reload closes, or while
// a body was still being written that nobody wants. Alipay and browsers try again,
// and so do the tests.
func isCut(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF)
}

// discard takes what a server says of handlers that panic on purpose.
var discard = log.New(io.Discard, "", 0)

func load(caddyfile string) error {
	cfg, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		return err
	}
	return caddy.Load(cfg, true)
}

// answer is a response, read.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

func (w *world) do(method, path, body string, header http.Header) answer {
	w.t.Helper()
	r, err := http.NewRequest(method, w.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	resp, err := w.client.Do(r)
	for tries := 0; tries < 5 && isCut(err); tries++ {
		if r.GetBody != nil {
			r.Body = must(r.GetBody())
		}
		resp, err = w.client.Do(r)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func (w *world) get(path string) answer { return w.do(http.MethodGet, path, "", nil) }

// pay opens /pay for an order of the shop and fails unless the buyer is sent on.
func (w *world) pay(outTradeNo string) *url.URL {
	w.t.Helper()
	a := w.get("/pay?out_trade_no=" + outTradeNo)
	if a.Status != http.StatusSeeOther {
		w.t.Fatalf("/pay answered %d: %s", a.Status, a.Body)
	}
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// notice is a payment's notice, with the given parameters changed ("" drops).
func (w *world) notice(outTradeNo, amount string, change ...string) url.Values {
	v := url.Values{
		"gmt_create": {"2026-03-14 10:20:01"}, "charset": {"utf-8"}, "gmt_payment": {"2026-03-14 10:20:09"},
		"notify_time": {"2026-03-14 10:20:10"}, "subject": {"茶 a+b"}, "buyer_id": {"2088722003899169"},
		"invoice_amount": {amount}, "version": {"1.0"}, "notify_id": {"N" + outTradeNo},
		"fund_bill_list": {`[{"amount":"` + amount + `","fundChannel":"ALIPAYACCOUNT"}]`},
		"notify_type":    {"trade_status_sync"}, "out_trade_no": {outTradeNo}, "total_amount": {amount},
		"trade_status": {"TRADE_SUCCESS"}, "trade_no": {"T" + outTradeNo}, "auth_app_id": {w.Gateway.AppID},
		"receipt_amount": {amount}, "point_amount": {"0.00"}, "app_id": {w.Gateway.AppID}, "buyer_pay_amount": {amount},
		"seller_id": {sellerID},
	}
	for i := 0; i+1 < len(change); i += 2 {
		if v.Set(change[i], change[i+1]); change[i+1] == "" {
			v.Del(change[i])
		}
	}
	return v
}

// post posts a body to the notify path as Alipay does.
func (w *world) post(body string) answer {
	w.t.Helper()
	return w.do(http.MethodPost, "/pay/notify", body,
		http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}})
}

// notify signs and posts a notice.
func (w *world) notify(v url.Values) answer {
	w.t.Helper()
	return w.post(sign(alipayKey(), v).Encode())
}

// wantNotify fails unless a notice is answered with exactly status and body.
func (w *world) wantNotify(v url.Values, status int, body string) {
	w.t.Helper()
	if a := w.notify(v); a.Status != status || a.Body != body {
		w.t.Errorf("the notice was answered %d %q, want %d %q", a.Status, a.Body, status, body)
	}
}

// returnQuery is the query of a buyer's way back.
func (w *world) returnQuery(outTradeNo, amount string, change ...string) string {
	v := url.Values{
		"charset": {"utf-8"}, "out_trade_no": {outTradeNo}, "method": {"alipay.trade.page.pay.return"},
		"total_amount": {amount}, "trade_no": {"T" + outTradeNo}, "auth_app_id": {w.Gateway.AppID}, "version": {"1.0"},
		"app_id": {w.Gateway.AppID}, "seller_id": {sellerID}, "timestamp": {"2026-03-14 10:20:11"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		v.Set(change[i], change[i+1])
	}
	return sign(alipayKey(), v).Encode()
}

// fakeShop is a shop without any Alipay code. It records what reaches it.
type fakeShop struct {
	*httptest.Server
	mu       sync.Mutex
	orders   map[string]string // look-up answers: JSON
	requests []*received
	// Deliver answers deliveries; nil accepts.
	deliver func(w http.ResponseWriter, r *received)
	// LookUp answers look-ups before orders does; nil or false: orders.
	lookUp func(w http.ResponseWriter, r *http.Request) bool
}

type received struct {
	Method, URI, Host string
	Header, Trailer   http.Header
	Body              string
}

func newFakeShop(t *testing.T) *fakeShop {
	s := &fakeShop{orders: map[string]string{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *fakeShop) Address() string { return strings.TrimPrefix(s.URL, "http://") }

// offer makes an order payable.
func (s *fakeShop) offer(outTradeNo, amount string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders[outTradeNo] = fmt.Sprintf(`{"out_trade_no":%q,"total_amount":%q,"subject":"茶叶 tea"}`, outTradeNo, amount)
}

func (s *fakeShop) setDeliver(f func(http.ResponseWriter, *received)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliver = f
}

func (s *fakeShop) setLookUp(f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookUp = f
}

func (s *fakeShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	got := &received{r.Method, r.URL.RequestURI(), r.Host, r.Header.Clone(), r.Trailer.Clone(), string(body)}
	s.mu.Lock()
	s.requests = append(s.requests, got)
	deliver, lookUp := s.deliver, s.lookUp
	order, known := s.orders[strings.TrimPrefix(r.URL.Path, "/alipay/orders/")]
	s.mu.Unlock()
	switch {
	case strings.HasPrefix(r.URL.Path, "/alipay/orders/"):
		if lookUp != nil && lookUp(w, r) {
			return
		}
		if !known {
			http.Error(w, "no such order here", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, order)
	case r.Method == http.MethodPost && r.URL.Path == "/pay/notify" && deliver != nil:
		deliver(w, got)
	case r.Method == http.MethodPost && r.URL.Path == "/pay/notify":
		_, _ = io.WriteString(w, "success")
	default:
		_, _ = io.WriteString(w, "shop page "+r.URL.Path)
	}
}

// deliveries are the events that reached the shop.
func (s *fakeShop) deliveries() []*received {
	return s.matching(func(r *received) bool { return r.Method == http.MethodPost && r.URI == "/pay/notify" })
}

func (s *fakeShop) matching(keep func(*received) bool) []*received {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*received
	for _, r := range s.requests {
		if keep(r) {
			out = append(out, r)
		}
	}
	return out
}

// events are the types of the deliveries, in order of arrival.
func (s *fakeShop) events() []string {
	var out []string
	for _, d := range s.deliveries() {
		out = append(out, d.Header.Get("X-Alipay-Trade-Event"))
	}
	return out
}

func writePEM(t *testing.T, path, label string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// until polls for what happens in the background.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
