// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/doctor"
)

// report is what doctor prints for programs.
type report struct {
	Findings []doctor.Finding `json:"findings"`
	Worst    doctor.Severity  `json:"worst"`
}

func (r *report) codes() (codes []doctor.Code) {
	for _, f := range r.Findings {
		codes = append(codes, f.Code)
	}
	return codes
}

// broken is a configuration with two faults and a warning that need no network.
const broken = `{
	alipay {
		app_id 2021000000000001
		app_private_key keys/app_private_key.pem
		alipay_public_key keys/alipay_public_key.pem
	}
}
shop.example.com {
	alipay {
		public_url https://localhost
		shop localhost:8080
		order /orders/{out_trade_no}
	}
}
`

// TestDoctorForPeople: a person makes keys, puts the wrong one in Alipay's place, is
// told, mends it, and is told that, in both languages.
func TestDoctorForPeople(t *testing.T) {
	t.Parallel()
	for locale, language := range map[string]string{"C.UTF-8": "en", "zh_CN.UTF-8": "zh"} {
		dir := t.TempDir()
		if r := onTerminal(t, dir, locale, "keygen"); r.code != 0 {
			t.Fatalf("%+v", r)
		}
		keys := filepath.Join(dir, "keys")
		own := read(t, filepath.Join(keys, publicKeyFile))
		if err := os.WriteFile(filepath.Join(keys, alipayPublicFile), []byte(own), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		r := onTerminal(t, dir, locale, "doctor", "--offline")
		if r.code != exitRefused {
			t.Errorf("%+v", r)
		}
		golden(t, "doctor_broken."+language+".txt", r.stdout)

		if err := os.WriteFile(filepath.Join(keys, alipayPublicFile), alipayPEM(t), 0o600); err != nil {
			t.Fatal(err)
		}
		mended := strings.Replace(broken, "https://localhost", "https://shop.example.com", 1)
		mended = strings.Replace(mended, "\t\tapp_private_key", "\t\tseller_id 2088102146225135\n\t\tapp_private_key", 1)
		if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(mended), 0o600); err != nil {
			t.Fatal(err)
		}
		if r = onTerminal(t, dir, locale, "doctor", "--offline"); r.code != 0 {
			t.Errorf("%+v", r)
		}
		golden(t, "doctor_mended."+language+".txt", regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(r.stdout, "SHA256"))
	}
}

// TestDoctorUsage: what cannot be examined is told by its name, and nothing else is
// printed where a script reads.
func TestDoctorUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"bad.json": `{"apps":`, "odd.json": `{"apps":{"alipay":{"accounts":7}}}`, "site.caddyfile": "shop.example.com {\n nonsense\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "there is no configuration to examine"},
		{[]string{"--config=none.json"}, "none.json"},
		{[]string{"--config=bad.json"}, "not valid JSON"},
		{[]string{"--config=odd.json"}, "reading the configuration"},
		{[]string{"--config=site.caddyfile"}, "nonsense"},
		{[]string{"--config=odd.json", "--adapter=none"}, "unrecognized config adapter"},
		{[]string{"--order=a/b"}, "not an order number"},
	} {
		r := piped(t, dir, "C", append([]string{"doctor"}, c.args...)...)
		if r.code != exitUsage || r.stdout != "" || !strings.Contains(r.stderr, c.want) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "none.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := parsed[report](t, piped(t, dir, "C", "doctor", "--config=none.json", "--offline"))
	if codes := got.codes(); got.Worst != doctor.Fault || len(codes) != 2 || codes[0] != doctor.NoAccount {
		t.Errorf("%+v", got)
	}
}

// TestDoctorWithoutServer: that no server runs is a note and no fault.
func TestDoctorWithoutServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := parsed[report](t, piped(t, dir, "C", "doctor", "--config=x.json", "--address=127.0.0.1:1"))
	for _, f := range got.Findings {
		if f.Code == doctor.ServerDown && f.Severity == doctor.Note {
			return
		}
	}
	t.Errorf("%+v", got)
}
