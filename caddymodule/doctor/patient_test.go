// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

var (
	appKey    = sync.OnceValue(newKey)
	alipayKey = sync.OnceValue(newKey)
	otherKey  = sync.OnceValue(newKey)
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// patient is a configuration with all that it leads to, in good health: a gateway,
// a site that answers as this module does, and a shop that guards its orders.
type patient struct {
	t       *testing.T
	dir     string
	account []string // options of the account, one a line
	site    []string
	gateway *sandboxtest.Gateway
	opts    Options

	front, shop func(http.ResponseWriter, *http.Request)
}

func newPatient(t *testing.T) *patient {
	p := &patient{t: t, dir: t.TempDir()}
	clock := sandbox.NewClock(time.Now(), 1)
	t.Cleanup(clock.Close)
	p.gateway = sandboxtest.New(t, sandboxtest.Options{
		AppKey: appKey(), Config: sandbox.Config{AlipayKey: alipayKey(), Clock: clock},
	})
	p.write("app.pem", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(appKey())))
	p.write("alipay.pem", "PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&alipayKey().PublicKey)))
	p.front = func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusBadRequest, "failure") }
	p.shop = http.NotFound
	front := p.serve(&p.front)
	p.account = []string{
		"app_id " + p.gateway.AppID, "app_private_key " + p.path("app.pem"), "alipay_public_key " + p.path("alipay.pem"),
		"seller_id 2088102146225135", "gateway " + p.gateway.GatewayURL(),
	}
	p.site = []string{
		"public_url " + front, "shop " + strings.TrimPrefix(p.serve(&p.shop), "http://"), "order /orders/{out_trade_no}",
	}
	p.opts = Options{Lang: lang.English, own: func() []netip.Addr { return nil }}
	return p
}

func answer(w http.ResponseWriter, status int, body string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func (p *patient) serve(handler *func(http.ResponseWriter, *http.Request)) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler)(w, r) }))
	p.t.Cleanup(s.Close)
	return s.URL
}

func (p *patient) path(name string) string { return filepath.Join(p.dir, name) }

func (p *patient) write(name, label string, der []byte) {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// set replaces an option of the account or the site; "" takes it away.
func (p *patient) set(option, value string) {
	for _, options := range []*[]string{&p.account, &p.site} {
		i := slices.IndexFunc(*options, func(line string) bool { return strings.HasPrefix(line, option+" ") })
		switch {
		case i >= 0 && value == "":
			*options = slices.Delete(*options, i, i+1)
			return
		case i >= 0:
			(*options)[i] = option + " " + value
			return
		}
	}
	p.account = append(p.account, option+" "+value)
}

// certificate writes a certificate of the key and returns its file.
func (p *patient) certificate(name string, key *rsa.PrivateKey, until time.Time) string {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name, Country: []string{"CN"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until, SignatureAlgorithm: x509.SHA256WithRSA,
	}
	p.write(name, "CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)))
	return p.path(name)
}

// certMode puts the account into certificate mode.
func (p *patient) certMode() {
	year := time.Now().AddDate(1, 0, 0)
	p.set("alipay_public_key", "")
	p.set("app_cert", p.certificate("app.crt", appKey(), year))
	p.set("alipay_cert", p.certificate("alipay.crt", alipayKey(), year))
	p.set("alipay_root_cert", p.path("alipay.crt")) // it has signed itself
}

// shadow puts the site into shadow mode, which takes neither shop nor order.
func (p *patient) shadow() {
	p.site = []string{p.site[0], "shadow"}
}

func (p *patient) caddyfile() string {
	return fmt.Sprintf("{\n admin off\n auto_https off\n alipay {\n %s\n }\n}\n:0 {\n handle /x* {\n alipay {\n %s\n }\n }\n}\n",
		strings.Join(p.account, "\n "), strings.Join(p.site, "\n "))
}

func (p *patient) examine() []Finding {
	p.t.Helper()
	if p.opts.Config == nil {
		config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(p.caddyfile()), nil)
		if err != nil {
			p.t.Fatal(err)
		}
		p.opts.Config = config
	}
	found, err := Examine(p.t.Context(), p.opts)
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

// gatewaySays puts an answer in place of the gateway's.
func (p *patient) gatewaySays(say func(http.ResponseWriter, *http.Request)) {
	p.set("gateway", p.serve(&say)+"/gateway.do")
}

// gatewayError is an unsigned error of the gateway.
func (p *patient) gatewayError(subCode string) {
	p.gatewaySays(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"error_response":{"code":"40002","msg":"Invalid Arguments","sub_code":"`+subCode+`","sub_msg":"x"}}`)
	})
}

// at has calls to a host that does not exist end at the front.
func (p *patient) at(publicURL string) {
	front, err := url.Parse(strings.TrimPrefix(p.site[0], "public_url "))
	if err != nil {
		p.t.Fatal(err)
	}
	p.opts.Transport = rerouted{host: front.Host}
	p.set("public_url", publicURL)
}

// rerouted sends what is meant for .example hosts to another one.
type rerouted struct{ host string }

func (r rerouted) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Hostname(), ".example") {
		req = req.Clone(req.Context())
		req.URL.Scheme, req.URL.Host = "http", r.host
	}
	return http.DefaultTransport.RoundTrip(req)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
