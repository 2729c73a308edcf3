// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var update = flag.Bool("update", false, "write the JSON of the adapt corpus anew; read the difference before committing it")

const corpus = "testdata/adapt"

// TestAdapt holds the corpus: each file is a Caddyfile, a line of ten hyphens,
// and the JSON that it becomes or a part of the error that it is refused with.
func TestAdapt(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(corpus, "*.caddyfiletest"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus in %s: %v", corpus, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			config, want, ok := strings.Cut(string(data), "\n----------\n")
			if config += "\n"; !ok {
				t.Fatal("there is no line of ten hyphens")
			}
			if want = strings.TrimSpace(want); strings.HasPrefix(want, "{") {
				wantJSON(t, file, config, want)
			} else if _, err := adapt(t, config); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want %q", err, want)
			}
		})
	}
}

func wantJSON(t *testing.T, file, config, want string) {
	t.Helper()
	adapted, err := adapt(t, config)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, adapted, "", "\t"); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, []byte(config+"----------\n"+got.String()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got.String() != want {
		t.Errorf("adapted to\n%s\nwant\n%s", &got, want)
	}
}

// adapt turns a Caddyfile into JSON; a warning, such as that of an unformatted
// file, fails the test.
func adapt(t *testing.T, config string) ([]byte, error) {
	t.Helper()
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), nil)
	if err == nil && len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	return adapted, err
}

// TestOptionsAreStrict gives each option that takes one value none, two values,
// the empty one, and its line twice: in front of money a typing error must stop
// the server.
func TestOptionsAreStrict(t *testing.T) {
	t.Parallel()
	const global, site = "{\n\talipay {\n\t\tLINES\n\t}\n}\n", ":80\n\nalipay {\n\tLINES\n}\n"
	const merchant = ":80\n\nalipay_merchant {\n\tLINES\n}\n"
	for frame, options := range map[string]string{
		global:   "app_id app_private_key alipay_public_key app_cert alipay_cert alipay_root_cert encrypt_key seller_id gateway assertion_rotate assertion_key",
		merchant: "token account", // the same token twice
		site:     "account public_url pay return notify expire shop_timeout ack",
	} {
		for option := range strings.FieldsSeq(options) {
			value := "1h" // a good one for each of them
			for kind, lines := range map[string]string{
				"missing": option, "surplus": option + " " + value + " " + value, "empty": option + ` ""`,
				"repeated": option + " " + value + "\n" + option + " " + value,
				"block":    option + " " + value + " {\npay /x\ngateway sandbox\n}",
			} {
				if (option == "alipay_cert" || option == "assertion_key") && kind == "repeated" || option == "alipay_public_key" && kind == "surplus" {
					continue // which is allowed: keys are rolled
				}
				if option == "alipay_public_key" && kind == "surplus" {
					continue // older keys stand on the same line
				}
				t.Run(option+" "+kind, func(t *testing.T) {
					t.Parallel()
					config := caddyfile.Format([]byte(strings.ReplaceAll(frame, "LINES", lines)))
					if adapted, err := adapt(t, string(config)); err == nil {
						t.Errorf("%s became %s", lines, adapted)
					}
				})
			}
		}
	}
}

// TestDirectiveOrder: nothing of a site may take /pay away or shut Alipay's
// notices out, wherever the directive stands in the file.
func TestDirectiveOrder(t *testing.T) {
	t.Parallel()
	others := map[string]string{
		"redir":        "redir https://elsewhere.example{uri}",
		"method":       "method GET",
		"rewrite":      "rewrite /index.php",
		"uri":          "uri strip_prefix /pay",
		"try_files":    "try_files {path} /index.html",
		"basic_auth":   "basic_auth {\n\t\tadmin $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n\t}",
		"forward_auth": "forward_auth localhost:9091 {\n\t\turi /verify\n\t}",
		"respond":      "respond 503",
		"handle":       "handle /pay* {\n\t\trespond 404\n\t}",
		"route":        "route {\n\t\trespond 404\n\t}",
		"php_fastcgi":  "php_fastcgi localhost:9000",
		"file_server":  "file_server",
	}
	for name, other := range others {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const ours = "alipay {\n\t\tpublic_url https://shop.example.com\n\t}"
			adapted, err := adapt(t, ":80 {\n\t"+other+"\n\t"+ours+"\n}\n")
			if err != nil {
				t.Fatal(err)
			}
			if got := handlers(t, adapted); len(got) < 2 || got[0] != "alipay" || slices.Contains(got[1:], "alipay") {
				t.Errorf("the handlers are %v, want alipay first", got)
			}
		})
	}
}

// handlers lists the names of a one-site configuration's handlers, in the order
// in which a request meets them.
func handlers(t *testing.T, adapted []byte) []string {
	t.Helper()
	type route struct {
		Handle []struct{ Handler string }
	}
	var config struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct{ Routes []route }
			}
		}
	}
	if err := json.Unmarshal(adapted, &config); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range config.Apps.HTTP.Servers["srv0"].Routes {
		for _, h := range r.Handle {
			names = append(names, h.Handler)
		}
	}
	return names
}
