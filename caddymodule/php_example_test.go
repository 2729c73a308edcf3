// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
)

// TestPHPExample buys at the README's whole shop, run by PHP itself.
func TestPHPExample(t *testing.T) {
	php := startPHP(t, "../examples/php/shop.php")
	w := newWorld(t, "")
	if err := load(strings.ReplaceAll(w.caddyfile(), w.Shop.Address(), php)); err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`/pay\?out_trade_no=(\w+)`).FindStringSubmatch(w.get("/").Body)
	if m == nil {
		t.Fatal("the shop's page has no pay link")
	}
	w.Gateway.Open(w.pay(m[1]).String())
	if err := w.Gateway.Pay(m[1], 1); err != nil {
		t.Fatal(err)
	}
	w.Gateway.Wait()
	tr := must(w.Gateway.Trade(m[1]))
	if len(tr.Notices) != 1 || tr.Notices[0].State != "delivered" {
		t.Fatalf("notices %+v", tr.Notices)
	}
	if a := w.get(must(url.Parse(tr.ReturnURL)).RequestURI()); a.Status != http.StatusOK || !strings.Contains(a.Body, "谢谢") {
		t.Errorf("the return was answered %d %s", a.Status, a.Body)
	}
	if a := w.get("/pay?out_trade_no=unknown1"); a.Status != http.StatusNotFound || a.Body != "no such order" {
		t.Errorf("an unknown order was answered %d %s", a.Status, a.Body)
	}
}

// startPHP serves a router script with PHP's own web server.
func startPHP(t *testing.T, script string) (address string) {
	t.Helper()
	if _, err := exec.LookPath("php"); err != nil && os.Getenv("CI") == "" {
		t.Skip("php is not installed (apt-get install php-cli php-sqlite3)")
	}
	address = loopback.Address(t)
	cmd := exec.Command("php", "-S", address, script)
	cmd.Env = append(os.Environ(), "SHOP_DB="+filepath.Join(t.TempDir(), "shop.db"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	until(t, "PHP listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return address
}
