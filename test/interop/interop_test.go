// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package interop_test puts Alipay's official Node SDK on the other side: it
// makes the requests that /pay made and compares, and it vouches for notices
// that a real Caddy with the module then has to accept. So none of our code
// stands on both sides.
package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-alipay/caddy-alipay"
	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
)

// scriptTime bounds one script; it takes about a second.
const scriptTime = time.Minute

// order is what the shop answers a look-up with, and what the scripts expect.
type order struct {
	OutTradeNo  string `json:"out_trade_no"`
	TotalAmount string `json:"total_amount"`
	Subject     string `json:"subject"`
	Body        string `json:"body,omitempty"`
	Form        bool   `json:"form"`    // the way to the cashier is too long for a URL
	Escaped     bool   `json:"escaped"` // Go's JSON writes it otherwise than JavaScript's
}

// orders hold what escaping, sorting and charsets go wrong with.
var orders = []order{
	{OutTradeNo: "A1", TotalAmount: "88.88", Subject: "tea"},
	{OutTradeNo: "A2", TotalAmount: "0.88", Subject: "龙井茶 🍵 50% + a plus", Body: `quotes " ' \ more = less / 价`},
	{OutTradeNo: "A3", TotalAmount: "100000000.00", Subject: "largest 888"},
	{OutTradeNo: "A4", TotalAmount: "88.80", Subject: strings.Repeat("长茶", 64), Body: strings.Repeat("长茶", 64), Form: true},
	{OutTradeNo: "A5", TotalAmount: "88.00", Subject: "markup", Body: "<b>tags</b> & more", Escaped: true},
}

// world is what the scripts read.
type world struct {
	Site             string  `json:"site"`
	AppID            string  `json:"appId"`
	SellerID         string  `json:"sellerId"`
	AppPrivateKey    string  `json:"appPrivateKey"`
	AlipayPrivateKey string  `json:"alipayPrivateKey"`
	AlipayPublicKey  string  `json:"alipayPublicKey"`
	CertMode         bool    `json:"certMode"`
	AppCert          string  `json:"appCert"`
	AlipayCert       string  `json:"alipayCert"`
	AlipayRootCert   string  `json:"alipayRootCert"`
	Orders           []order `json:"orders"`
}

func TestOfficialSDK(t *testing.T) {
	node := requireSDK(t)
	for _, certMode := range []bool{false, true} {
		t.Run(fmt.Sprintf("certificates %t", certMode), func(t *testing.T) {
			dir := t.TempDir()
			makeKeys(t, dir)
			shop := &shop{paid: make(map[string]int)}
			backend := httptest.NewServer(shop)
			defer backend.Close()
			w := &world{
				Site: "http://" + loopback.Address(t), AppID: "2021000000000001", SellerID: "2088102146225135", Orders: orders, CertMode: certMode,
				AppPrivateKey:    filepath.Join(dir, "app_private_key.pem"),
				AlipayPrivateKey: filepath.Join(dir, "alipay_private_key.pem"), AlipayPublicKey: filepath.Join(dir, "alipay_public_key.pem"),
				AppCert: filepath.Join(dir, "app.crt"), AlipayCert: filepath.Join(dir, "alipay.crt"), AlipayRootCert: filepath.Join(dir, "root.crt"),
			}
			start(t, w, dir, strings.TrimPrefix(backend.URL, "http://"))
			run(t, node, "pay.mjs", w)
			run(t, node, "notify.mjs", w)
			for _, o := range orders {
				if n := shop.paidTimes(o.OutTradeNo); n != 1 {
					t.Errorf("the shop was told %d times that %s is paid", n, o.OutTradeNo)
				}
			}
		})
	}
}

// requireSDK skips without Node or the SDK, but never in CI.
func requireSDK(t *testing.T) (node string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err == nil {
		if _, err = os.Stat(filepath.Join("node_modules", "alipay-sdk")); err != nil {
			err = fmt.Errorf("%w; run: npm ci --prefix test/interop", err)
		}
	}
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return node
}

// makeKeys makes both sides' keys and certificates with the openssl command, as
// an operator does.
func makeKeys(t *testing.T, dir string) {
	t.Helper()
	const commands = `
for side in app alipay root; do
	openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ${side}_private_key.pem
done
openssl pkey -in alipay_private_key.pem -pubout -out alipay_public_key.pem
openssl req -x509 -new -key root_private_key.pem -days 30 -subj "/C=CN/O=Test Financial/OU=Certification Authority/CN=Test Root R1" -out root.crt
for side in app alipay; do
	openssl req -new -key ${side}_private_key.pem -subj "/C=CN/O=Test/CN=$side" |
	openssl x509 -req -CA root.crt -CAkey root_private_key.pem -CAcreateserial -days 30 -out $side.crt 2>&1
done`
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", commands)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
}

// start loads a Caddy with the module in front of the shop.
func start(t *testing.T, w *world, dir, shop string) {
	t.Helper()
	keys := "alipay_public_key " + w.AlipayPublicKey
	if w.CertMode {
		keys = fmt.Sprintf("app_cert %s\nalipay_cert %s\nalipay_root_cert %s", w.AppCert, w.AlipayCert, w.AlipayRootCert)
	}
	config := fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	log {
		output discard
	}
	alipay {
		app_id %s
		app_private_key %s
		%s
		seller_id %s
		ledger bolt %s
	}
}
%[6]s {
	alipay {
		public_url %[6]s
		shop %[7]s
		order /alipay/orders/{out_trade_no}
	}
	reverse_proxy %[7]s
}`, w.AppID, w.AppPrivateKey, keys, w.SellerID, filepath.Join(dir, "alipay.db"), w.Site, shop)
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(adapted, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// run runs a script and fails the test with its output unless everything held.
func run(t *testing.T, node, script string, w *world) {
	t.Helper()
	told, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "world.json")
	if err := os.WriteFile(file, told, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), scriptTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, script, file)
	cmd.Env = append(os.Environ(), "NODE_OPTIONS=", "NO_PROXY=*", "no_proxy=*")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, &output)
	}
	if !regexp.MustCompile(`(?m)^[1-9][0-9]+ checks held$`).Match(output.Bytes()) {
		t.Fatalf("%s does not end with its sum:\n%s", script, &output)
	}
	t.Logf("%s: %s", script, &output)
}

// shop is a shop that knows its orders and counts what it is told.
type shop struct {
	mu   sync.Mutex
	paid map[string]int
}

func (s *shop) paidTimes(outTradeNo string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paid[outTradeNo]
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/alipay/orders/"):
		for _, o := range orders {
			if o.OutTradeNo != strings.TrimPrefix(r.URL.Path, "/alipay/orders/") {
				continue
			}
			offer := map[string]string{"out_trade_no": o.OutTradeNo, "total_amount": o.TotalAmount, "subject": o.Subject, "body": o.Body}
			if err := json.NewEncoder(w).Encode(offer); err != nil {
				panic(http.ErrAbortHandler)
			}
			return
		}
		http.NotFound(w, r)
	case r.URL.Path == "/pay/notify" && r.Header.Get("X-Alipay-Trade-Event") == "trade.paid":
		s.mu.Lock()
		defer s.mu.Unlock()
		s.paid[r.Header.Get("X-Alipay-Trade-Out-Trade-No")]++
	case r.URL.Path == "/pay/return":
		fmt.Fprint(w, r.Header.Get("X-Alipay-Trade-Status"))
	default:
		http.NotFound(w, r)
	}
}
