// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-alipay/caddy-alipay"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
)

const (
	appID  = "2021000000000001"
	buyer  = "2088722003899169"
	seller = "2088102146225135" // as in Caddyfile.example
)

// operate makes a folder as keys/README.md says and goes there. It returns
// Alipay's private key, and Caddyfile.example.
func operate(t *testing.T) (*rsa.PrivateKey, string) {
	t.Helper()
	example := readFile(t, filepath.Join(root, "Caddyfile.example"))
	commands := shellBlocks(t, filepath.Join(root, "keys", "README.md"))[blockPair]
	dir := t.TempDir()
	sh(t, dir, commands)
	private, err := gateway.ParsePrivateKey([]byte(sh(t, dir, "openssl genpkey -quiet -algorithm RSA -out a.pem; cat a.pem")))
	if err != nil {
		t.Fatal(err)
	}
	sh(t, dir, "openssl pkey -in a.pem -pubout -out keys/alipay_public_key.pem")
	t.Chdir(dir)
	t.Setenv("ALIPAY_APP_ID", appID)
	t.Setenv("ALIPAY_MERCHANT_TOKEN", "0123456789abcdef0123456789abcdef")
	return private, example
}

// TestExampleIsValid does what caddy fmt and caddy validate do with the file as
// it is, with keys made as keys/README.md says.
func TestExampleIsValid(t *testing.T) {
	_, example := operate(t)
	if formatted := string(caddyfile.Format([]byte(example))); formatted != example {
		t.Errorf("caddy fmt would write\n%s", formatted)
	}
	cfg := new(caddy.Config)
	if err := json.Unmarshal(adapt(t, example), cfg); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(cfg); err != nil {
		t.Error(err)
	}
}

// TestExampleNeedsItsKeys: the two ways to get it wrong that everybody finds.
func TestExampleNeedsItsKeys(t *testing.T) {
	_, example := operate(t)
	for name, c := range map[string]struct{ old, new, want string }{
		"own public key": {"keys/alipay_public_key.pem", "keys/app_public_key.pem", "alipay_public_key is the app's own public key"},
		"no variable":    {"{env.ALIPAY_APP_ID}", "{env.ALIPAY_NO_SUCH_VARIABLE}", "app_id"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := new(caddy.Config)
			if err := json.Unmarshal(adapt(t, replace(t, example, c.old, c.new)), cfg); err != nil {
				t.Fatal(err)
			}
			if err := caddy.Validate(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func adapt(t *testing.T, config string) []byte {
	t.Helper()
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), nil)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %v", err, warnings)
	}
	return adapted
}

// replace changes every old in a configuration, and fails if there is none.
func replace(t *testing.T, config, old, with string) string {
	t.Helper()
	if !strings.Contains(config, old) {
		t.Fatalf("the configuration has no %q", old)
	}
	return strings.ReplaceAll(config, old, with)
}

// TestExampleInService runs the example, moved to loopback, through a payment
// and its mishaps: what buyers read, and what the log must not hold.
func TestExampleInService(t *testing.T) {
	alipay, example := operate(t)
	shop := httptest.NewServer(http.HandlerFunc(answerShop))
	defer shop.Close()
	site, nobody := "http://"+loopback.Address(t), loopback.Address(t)
	config := replace(t, example, "{\n\talipay {\n\t\tapp_id", "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n\talipay {\n\t\tapp_id")
	config = replace(t, config, "gateway production", "gateway http://"+nobody+"/gateway.do")
	config = replace(t, config, "localhost:8080", strings.TrimPrefix(shop.URL, "http://"))
	config = replace(t, config, "https://shop.example.com", site)
	config = replace(t, config, "\nshop.example.com {", "\n"+site+" {")
	config = replace(t, config, "\tlog {\n", "\tlog {\n\t\toutput file caddy.log\n")
	if err := caddy.Load(adapt(t, config), true); err != nil {
		t.Fatal(err)
	}
	visit := visitor(t, site)

	status, header, _ := visit("GET", "/pay?out_trade_no=A1", "", "")
	if status != http.StatusSeeOther {
		t.Fatalf("/pay answered %d", status)
	}
	cashier, err := url.Parse(header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	back := "/pay/return?" + sign(t, alipay, url.Values{
		"method": {"alipay.trade.page.pay.return"}, "app_id": {appID}, "auth_app_id": {appID}, "seller_id": {seller},
		"out_trade_no": {"A1"}, "trade_no": {"T-A1"}, "total_amount": {"88.88"}, "charset": {"utf-8"}, "version": {"1.0"},
		"timestamp": {"2026-03-14 10:20:11"},
	}).Encode()
	if status, _, body := visit("GET", back, "", ""); status != http.StatusOK || body != "thanks" {
		t.Errorf("the way back was answered %d %q", status, body)
	}
	visit("GET", "/style.css", "", site+back)
	notice := sign(t, alipay, url.Values{
		"notify_type": {"trade_status_sync"}, "notify_id": {"N1"}, "notify_time": {"2026-03-14 10:20:11"}, "app_id": {appID},
		"seller_id": {seller}, "buyer_id": {buyer}, "out_trade_no": {"A1"}, "trade_no": {"T-A1"}, "total_amount": {"88.88"},
		"trade_status": {"TRADE_SUCCESS"}, "gmt_payment": {"2026-03-14 10:20:09"}, "charset": {"utf-8"},
	})
	if status, _, body := visit("POST", "/pay/notify", notice.Encode(), ""); status != http.StatusOK || body != "success" {
		t.Errorf("the notice was answered %d %q", status, body)
	}

	wantPage(t, visit, "/pay?out_trade_no=A1", http.StatusConflict, "这个订单已经支付")
	wantPage(t, visit, back+"&total_amount=1", http.StatusBadRequest, "请在一分钟后查看订单，不要重复付款")
	shop.Close()
	wantPage(t, visit, back, http.StatusBadGateway, "请在一分钟后查看订单，不要重复付款")
	wantPage(t, visit, "/teas", http.StatusBadGateway, "这个页面暂时无法显示")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}

	log := readFile(t, "caddy.log")
	for _, path := range []string{"/pay?out_trade_no=A1", "/pay/return?hidden", "/style.css", "/pay/notify"} {
		if !strings.Contains(log, path) {
			t.Errorf("the log does not name %s", path)
		}
	}
	if n := strings.Count(log, "?hidden"); n < 4 { // two ways back, a Referer, the cashier's URL
		t.Errorf("%d queries are hidden", n)
	}
	query, _ := url.ParseQuery(strings.TrimPrefix(back, "/pay/return?"))
	secrets := []string{"T-A1", buyer, "biz_content"}
	for _, v := range []url.Values{cashier.Query(), query, notice} {
		secrets = append(secrets, v.Get("sign"), url.QueryEscape(v.Get("sign")))
	}
	for _, secret := range secrets {
		if secret == "" || strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if info, err := os.Stat("data/alipay.db"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the ledger: %v, %v", info, err)
	}
}

// answerShop is the shop behind the example: one order, a page and a style sheet.
func answerShop(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/alipay/orders/A1":
		fmt.Fprint(w, `{"out_trade_no":"A1","total_amount":"88.88","subject":"茶 tea"}`)
	case "/pay/return":
		fmt.Fprint(w, "thanks")
	case "/pay/notify":
		fmt.Fprint(w, "success")
	}
}

type visits func(method, path, body, referer string) (status int, header http.Header, text string)

// visitor sends requests to a site and follows no redirect.
func visitor(t *testing.T, site string) visits {
	t.Helper()
	client := &http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	return func(method, path, body, referer string) (int, http.Header, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, site+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		}
		if referer != "" {
			r.Header.Set("Referer", referer)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header, string(text)
	}
}

// wantPage fails unless the example's error page is answered, with text.
func wantPage(t *testing.T, visit visits, path string, status int, text string) {
	t.Helper()
	got, header, body := visit("GET", path, "", "")
	if got != status || header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(body, text) {
		t.Errorf("%.40s was answered %d %q %q, want %d and a page with %q", path, got, header, body, status, text)
	}
}

// sign signs as Alipay does.
func sign(t *testing.T, key *rsa.PrivateKey, v url.Values) url.Values {
	t.Helper()
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(v)) {
		pairs = append(pairs, name+"="+v.Get(name))
	}
	digest := sha256.Sum256([]byte(strings.Join(pairs, "&")))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	v.Set("sign_type", "RSA2")
	v.Set("sign", base64.StdEncoding.EncodeToString(signature))
	return v
}
