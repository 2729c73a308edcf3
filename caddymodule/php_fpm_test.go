// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
)

// phpShop is a shop in PHP that shows what PHP was told: it answers look-ups and
// deliveries, and writes a line of JSON for every request.
const phpShop = `<?php
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$seen = ['path' => $path, 'fields' => array_keys($_POST),
	'body' => base64_encode(file_get_contents('php://input')), 'server' => []];
foreach ($_SERVER as $name => $value)
	if (is_string($value)) $seen['server'][$name] = $value;
file_put_contents(__DIR__ . '/../log', json_encode($seen, JSON_INVALID_UTF8_SUBSTITUTE) . "\n", FILE_APPEND | LOCK_EX);
if (preg_match('#^/alipay/orders/(\w+)$#', $path, $m)) {
	header('Content-Type: application/json');
	echo json_encode(['out_trade_no' => $m[1], 'total_amount' => '9.90', 'subject' => '铁观音']);
} elseif ($path === '/pay/notify') {
	echo isset($_SERVER['HTTP_X_ALIPAY_TRADE_EVENT_ID']) ? 'success' : 'fail';
} else {
	echo 'page';
}
`

// fpm is a running PHP-FPM with phpShop as its site.
type fpm struct {
	t            *testing.T
	root, socket string
	log          string
}

// phpSaw is one request as PHP was told of it.
type phpSaw struct {
	Path   string
	Fields []string
	Body   []byte
	Server map[string]string
}

func startFPM(t *testing.T) *fpm {
	t.Helper()
	program := findFPM()
	if program == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("php-fpm is not installed")
		}
		t.Skip("php-fpm is not installed (apt-get install php-fpm)")
	}
	dir, err := os.MkdirTemp("", "fpm") // shorter than t.TempDir: a socket's path has 108 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	f := &fpm{t: t, root: filepath.Join(dir, "site"), socket: filepath.Join(dir, "s"), log: filepath.Join(dir, "log")}
	config := fmt.Sprintf("[global]\nerror_log = %s/errors\ndaemonize = no\n[shop]\nlisten = %s\npm = static\npm.max_children = 2\n", dir, f.socket)
	args := []string{"-n", "-F", "-y", filepath.Join(dir, "conf")}
	if os.Geteuid() == 0 {
		config += "user = root\ngroup = root\n"
		args = append(args, "-R")
	}
	if err := os.Mkdir(f.root, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"conf": config, "site/index.php": phpShop} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // its children end with it
		_ = cmd.Wait()
	})
	until(t, "PHP-FPM listens", func() bool {
		c, err := net.Dial("unix", f.socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return f
}

func findFPM() string {
	if program, err := exec.LookPath("php-fpm"); err == nil {
		return program
	}
	found, _ := filepath.Glob("/usr/sbin/php-fpm*")
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}

// directives lead to the PHP shop: a site's, and the shop option's block.
func (f *fpm) directives() string {
	return fmt.Sprintf("root * %s\nphp_fastcgi unix/%s\n", f.root, f.socket)
}

// saw is what PHP was told since the last call.
func (f *fpm) saw() []phpSaw {
	f.t.Helper()
	text, err := os.ReadFile(f.log)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := os.Remove(f.log); err != nil {
		f.t.Fatal(err)
	}
	var all []phpSaw
	for line := range strings.Lines(string(text)) {
		var s phpSaw
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			f.t.Fatalf("%v: %s", err, line)
		}
		all = append(all, s)
	}
	return all
}

// claims are the variables that PHP would take for ours.
func (s *phpSaw) claims() map[string]string {
	found := map[string]string{}
	for name, value := range s.Server {
		if strings.HasPrefix(name, "HTTP_X_ALIPAY") {
			found[name] = value
		}
	}
	return found
}

// TestForgedHeadersInPHP looks at what CGI's folding delivers in $_SERVER, on a
// site without the module, where the attack has to work, and on one with it.
func TestForgedHeadersInPHP(t *testing.T) {
	php := startFPM(t)
	for name, options := range servers {
		t.Run(name, func(t *testing.T) {
			bare := "http://" + loopback.Address(t)
			w := newWorld(t, php.directives()+"}\n"+bare+" {\n"+php.directives(), func(w *world) { w.options = options })
			w.Shop.offer("P1", "9.90")
			w.pay("P1")
			harm := 0
			for _, line := range spellings {
				raw(t, bare, "GET /pay/return HTTP/1.1", "Host: "+strings.TrimPrefix(bare, "http://"), "Connection: close", line, "", "")
				if len(php.saw()[0].claims()) > 0 {
					harm++
				}
				for _, path := range []string{"/", "/pay/return", "/index.php/pay/return"} {
					w.rawGet(path, line)
				}
				w.rawGet("/pay/return?"+w.returnQuery("P1", "9.90", "total_amount", "9.99"), line)
				for _, s := range php.sawIfAny() {
					if found := s.claims(); len(found) > 0 {
						t.Errorf("%s with %q showed PHP %v", s.Path, line, found)
					}
				}
			}
			if harm < 3 {
				t.Errorf("only %d spellings did harm without the module: this test has lost its point", harm)
			}
		})
	}
}

func (f *fpm) sawIfAny() []phpSaw {
	if _, err := os.Stat(f.log); err != nil {
		return nil
	}
	return f.saw()
}

// TestPHPShop: look-ups and deliveries through a shop block, as a shop on
// PHP-FPM has it, and what PHP sees of them.
func TestPHPShop(t *testing.T) {
	php := startFPM(t)
	w := newWorld(t, php.directives(), func(w *world) { w.shop = "shop {\n" + php.directives() + "}" })
	r := http.Header{"Cookie": {"session=7"}, "Accept-Language": {"zh-CN"}, "X-Other": {"no"}}
	if a := w.do(http.MethodGet, "/pay?out_trade_no=P2", "", r); a.Status != http.StatusSeeOther {
		t.Fatalf("/pay was answered %d %s", a.Status, a.Body)
	}
	lookUp := php.saw()[0]
	for name, want := range map[string]string{
		"REQUEST_METHOD": "GET", "HTTP_COOKIE": "session=7", "HTTP_ACCEPT_LANGUAGE": "zh-CN", "HTTP_X_OTHER": "",
		"REQUEST_URI": "/alipay/orders/P2", "HTTP_HOST": strings.TrimPrefix(w.URL, "http://"),
	} {
		if got := lookUp.Server[name]; got != want {
			t.Errorf("the look-up showed PHP %s %q, want %q", name, got, want)
		}
	}
	body := sign(alipayKey(), w.notice("P2", "9.90")).Encode()
	if a := w.post(body); a.Status != http.StatusOK || a.Body != "success" {
		t.Fatalf("the notice was answered %d %s", a.Status, a.Body)
	}
	told := php.saw()[0]
	if string(told.Body) != body || len(told.Fields) < 20 {
		t.Errorf("PHP read the body %q and the fields %q", told.Body, told.Fields)
	}
	for name, want := range map[string]string{
		"REQUEST_METHOD": "POST", "HTTP_X_ALIPAY_TRADE_STATUS": "TRADE_SUCCESS", "HTTP_X_ALIPAY_TRADE_NO": "TP2",
		"HTTP_X_ALIPAY_TRADE_TOTAL_AMOUNT": "9.90", "CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8",
	} {
		if got := told.Server[name]; got != want {
			t.Errorf("the delivery showed PHP %s %q, want %q", name, got, want)
		}
	}
	query := w.returnQuery("P2", "9.90")
	w.rawGet("/pay/return?"+query, spellings...)
	back := php.saw()[0]
	if back.Server["HTTP_X_ALIPAY_TRADE_STATUS"] != "TRADE_SUCCESS" || back.Server["HTTP_X_ALIPAY_TRADE_NO"] != "TP2" ||
		back.Server["HTTP_X_ALIPAY_TRADE_EVENT"] != "" || back.Server["QUERY_STRING"] != query {
		t.Errorf("the return showed PHP %v and %q", back.claims(), back.Server["QUERY_STRING"])
	}
}
