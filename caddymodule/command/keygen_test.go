// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

// openssl is what Alipay's own documents make keys with: an independent reader.
func openssl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func mode(t *testing.T, file string) os.FileMode {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestKeygen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := piped(t, dir, "C", "keygen", "--bits", "3072")
	var p keyPair
	if err := json.Unmarshal([]byte(r.stdout), &p); err != nil || r.code != 0 || r.stderr != "" {
		t.Fatalf("%+v: %v", r, err)
	}
	private, public := filepath.Join(dir, "keys", privateKeyFile), filepath.Join(dir, "keys", publicKeyFile)
	for file, want := range map[string]os.FileMode{private: 0o600, public: 0o644, filepath.Dir(private): 0o700} {
		if got := mode(t, file); got != want {
			t.Errorf("%s has the mode %o, want %o", file, got, want)
		}
	}
	if text := openssl(t, "pkey", "-in", private, "-noout", "-check", "-text"); !strings.Contains(text, "Key is valid") ||
		!strings.Contains(text, "(3072 bit") {
		t.Errorf("openssl says of the private key:\n%s", text)
	}
	derived := openssl(t, "pkey", "-in", private, "-pubout")
	if derived != read(t, public) {
		t.Errorf("the public key is not the private key's:\n%s\n%s", derived, read(t, public))
	}
	line := strings.Join(strings.Split(strings.TrimSpace(derived), "\n")[1:len(strings.Split(strings.TrimSpace(derived), "\n"))-1], "")
	if p.PublicKey != line || p.Bits != 3072 {
		t.Errorf("to be pasted is %q, openssl has %q", p.PublicKey, line)
	}
	key, err := gateway.ParsePublicKey([]byte(p.PublicKey))
	if err != nil || gateway.Fingerprint(key) != p.Fingerprint {
		t.Errorf("the fingerprint is %s: %v", p.Fingerprint, err)
	}
}

// TestKeygenKeeps: nothing that is there is lost, with --force neither.
func TestKeygenKeeps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "k", publicKeyFile)
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := piped(t, dir, "C", "keygen", "--dir", "k")
	if r.code != exitRefused || r.stdout != "" || !strings.Contains(r.stderr, "exists already") {
		t.Errorf("%+v", r)
	}
	if read(t, file) != "mine" || exists(filepath.Join(dir, "k", privateKeyFile)) {
		t.Error("a refused keygen has left its traces")
	}
	if r = piped(t, dir, "C", "keygen", "--dir", "k", "--force"); r.code != 0 || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	old, err := filepath.Glob(file + ".*")
	if err != nil || len(old) != 1 || read(t, old[0]) != "mine" {
		t.Errorf("the old key is kept as %v: %v", old, err)
	}
	if mode(t, file) != 0o644 || mode(t, filepath.Join(dir, "k")) != 0o755 {
		t.Error("wrong modes after --force")
	}
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// TestKeygenForPeople: what a person reads, in both languages.
func TestKeygenForPeople(t *testing.T) {
	t.Parallel()
	for locale, name := range map[string]string{"C.UTF-8": "keygen.en.txt", "zh_CN.UTF-8": "keygen.zh.txt"} {
		dir := t.TempDir()
		r := onTerminal(t, dir, locale, "keygen")
		if r.code != 0 {
			t.Fatalf("%+v", r)
		}
		lines := strings.Split(strings.TrimSpace(read(t, filepath.Join(dir, "keys", publicKeyFile))), "\n")
		golden(t, name, r.stdout, strings.Join(lines[1:len(lines)-1], ""), "KEY")
		if r = onTerminal(t, dir, locale, "keygen"); r.code != exitRefused {
			t.Errorf("again: %+v", r)
		}
		golden(t, "again."+name, r.stdout)
	}
}

func TestKeygenUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"keygen", "--bits", "1024"}, {"keygen", "--bits", "x"}, {"keygen", "extra"}, {"keygen", "--nonsense"}, {"keygen", "--json", "--text"},
	} {
		dir := t.TempDir()
		if r := piped(t, dir, "C", args...); r.code != exitUsage || r.stdout != "" || r.stderr == "" {
			t.Errorf("%v: %+v", args, r)
		}
		if exists(filepath.Join(dir, "keys", privateKeyFile)) {
			t.Errorf("%v made keys", args)
		}
	}
}
