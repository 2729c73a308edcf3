// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sdkgo

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	appID      = "9021000100000001"
	contentKey = "MDEyMzQ1Njc4OWFiY2RlZg=="
	patience   = 20 * time.Second // for one notice or the program's start
)

// program is the built alipay-sandbox.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "sdk-go")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "alipay-sandbox")
		build := exec.Command("go", "build", "-o", program, "./cmd/alipay-sandbox")
		build.Dir = filepath.Join("..", "..")
		if output, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building alipay-sandbox: %v\n%s", err, output)
			return 1
		}
		return m.Run()
	}())
}

// gateway is a running alipay-sandbox with the merchant's side of its keys.
type gateway struct {
	t       *testing.T
	url     string // http://127.0.0.1:port
	private string // the app's key: PKCS #1 in base64, as SDKs take it
	public  string // the gateway's key: PKIX in base64
	keys    string // the folder of the gateway's files
}

// start runs the program until the test ends.
func start(t *testing.T, flags ...string) *gateway {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	appKey := filepath.Join(dir, "app_public_key.pem")
	if err := os.WriteFile(appKey, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	g := &gateway{
		t: t, keys: filepath.Join(dir, "keys"),
		private: base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(key)),
	}
	command := exec.Command(program, append([]string{"-listen", "127.0.0.1:0", "-app-id", appID,
		"-app-public-key", appKey, "-keys", g.keys}, flags...)...)
	var log bytes.Buffer
	command.Stderr = &log
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt) // it may have ended by itself, which Wait tells
		if err := command.Wait(); err != nil {
			t.Errorf("alipay-sandbox ended with %v\n%s", err, log.String())
		}
	})
	greeting, _ := bufio.NewReader(stdout).ReadString('\n')
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	address := regexp.MustCompile(`(http://[0-9.:]+)/gateway\.do`).FindStringSubmatch(greeting)
	if address == nil {
		t.Fatalf("no address in %q", greeting)
	}
	g.url = address[1]
	block, _ := pem.Decode([]byte(g.get("/alipay_public_key.pem")))
	g.public = base64.StdEncoding.EncodeToString(block.Bytes)
	return g
}

// get reads an address of the gateway; redirects are followed, as a browser
// would.
func (g *gateway) get(path string) string {
	g.t.Helper()
	response, err := http.Get(g.url + path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		g.t.Fatalf("GET %s: %d, %v: %s", path, response.StatusCode, err, text)
	}
	return string(text)
}

// file is a file of certificate mode.
func (g *gateway) file(name string) []byte {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.keys, name))
	if err != nil {
		g.t.Fatal(err)
	}
	return text
}

// open visits a pay address, whatever host it names, as the payer's browser.
func (g *gateway) open(payURL string) {
	g.t.Helper()
	address, err := url.Parse(payURL)
	if err != nil {
		g.t.Fatal(err)
	}
	if page := g.get("/gateway.do?" + address.RawQuery); !strings.Contains(page, `id="buyer-1"`) {
		g.t.Fatalf("%s does not lead to the cashier:\n%s", payURL, page)
	}
}

// trade is what these tests read of the control API.
type trade struct {
	TradeNo     string `json:"trade_no"`
	TradeStatus string `json:"trade_status"`
	Subject     string `json:"subject"`
	ReturnURL   string `json:"return_url"`
	Notices     []struct {
		State string `json:"state"`
	} `json:"notices"`
}

// pay pays an order through the control API and waits for its notices.
func (g *gateway) pay(outTradeNo string) trade {
	g.t.Helper()
	response, err := http.Post(g.url+"/control/trades/"+outTradeNo+"/pay?wait=1", "application/json", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	var paid trade
	if err := json.NewDecoder(response.Body).Decode(&paid); err != nil || response.StatusCode != http.StatusOK {
		g.t.Fatalf("paying: %d, %v", response.StatusCode, err)
	}
	if paid.TradeStatus != "TRADE_SUCCESS" {
		g.t.Fatalf("paid: %+v", paid)
	}
	return paid
}

// shop receives notices; it accepts those that verify accepts.
type shop struct {
	t       *testing.T
	url     string
	notices chan url.Values
}

func newShop(t *testing.T, verify func(url.Values) error) *shop {
	s := &shop{t: t, notices: make(chan url.Values, 16)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		if err := verify(r.PostForm); err != nil {
			t.Errorf("a notice is refused: %v", err)
			return
		}
		_, _ = io.WriteString(w, "success")
		s.notices <- r.PostForm
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// receive waits for a notice with these fields.
func (s *shop) receive(want map[string]string) {
	s.t.Helper()
	select {
	case notice := <-s.notices:
		for name, value := range want {
			if notice.Get(name) != value {
				s.t.Errorf("the notice's %s is %q, not %q", name, notice.Get(name), value)
			}
		}
	case <-time.After(patience):
		s.t.Fatal("no notice")
	}
}

// equal compares what an SDK read with what it should have read.
func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, not %q", what, got, want)
	}
}
