// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

const root = "../.."

// blocks are the commands of keys/README.md, in its order.
const (
	blockPair = iota
	blockUpload
	blockCompare
	blockRequest
)

// shellBlocks returns what stands between ```sh and ``` in a file.
func shellBlocks(t *testing.T, file string) []string {
	t.Helper()
	text := readFile(t, file)
	var blocks []string
	for _, after := range strings.Split(text, "```sh\n")[1:] {
		block, _, ok := strings.Cut(after, "```")
		if !ok {
			t.Fatalf("%s: a block without end", file)
		}
		blocks = append(blocks, block)
	}
	return blocks
}

// sh runs commands in a folder and returns what they print.
func sh(t *testing.T, dir, commands string) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("the tests need the openssl command (apt-get install openssl)")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", commands)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", commands, err, &stderr)
	}
	return string(out)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestKeyCommands runs the page from top to bottom, as an operator does.
func TestKeyCommands(t *testing.T) {
	t.Parallel()
	blocks := shellBlocks(t, filepath.Join(root, "keys", "README.md"))
	if len(blocks) != blockRequest+1 {
		t.Fatalf("keys/README.md has %d blocks of commands", len(blocks))
	}
	dir := t.TempDir()
	sh(t, dir, blocks[blockPair])
	for name, mode := range map[string]os.FileMode{"app_private_key.pem": 0o600, "app_public_key.pem": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, "keys", name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want mode %v", name, info.Mode(), err, mode)
		}
	}
	private, err := gateway.ParsePrivateKey([]byte(readFile(t, filepath.Join(dir, "keys", "app_private_key.pem"))))
	if err != nil {
		t.Fatal(err)
	}

	line := sh(t, dir, blocks[blockUpload])
	if strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "MIIBIjAN") {
		t.Errorf("to upload: %q, want one line of base64", line)
	}
	if public, err := gateway.ParsePublicKey([]byte(line)); err != nil || !private.PublicKey.Equal(public) {
		t.Errorf("the key to upload is not the private key's: %v", err)
	}

	alipay := sh(t, dir, "openssl genpkey -quiet -algorithm RSA | openssl pkey -pubout")
	if err := os.WriteFile(filepath.Join(dir, "keys", "alipay_public_key.pem"), []byte(alipay), 0o600); err != nil {
		t.Fatal(err)
	}
	ours := readFile(t, filepath.Join(dir, "keys", "app_public_key.pem"))
	if got := sh(t, dir, blocks[blockCompare]); got != ours+alipay {
		t.Errorf("to compare: %q", got)
	}

	sh(t, dir, blocks[blockRequest])
	block, _ := pem.Decode([]byte(readFile(t, filepath.Join(dir, "keys", "app.csr"))))
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || !private.PublicKey.Equal(request.PublicKey) || request.CheckSignature() != nil {
		t.Errorf("the request is not of the private key: %v", err)
	}
}

// TestKeyFormats holds the page's list of formats against what openssl writes.
func TestKeyFormats(t *testing.T) {
	t.Parallel()
	const bare = " | grep -v -e '-----' | tr -d '\\n'"
	private := func(command string) func(*testing.T, string) error {
		return func(t *testing.T, dir string) error {
			_, err := gateway.ParsePrivateKey([]byte(sh(t, dir, command)))
			return err
		}
	}
	public := func(command string) func(*testing.T, string) error {
		return func(t *testing.T, dir string) error {
			_, err := gateway.ParsePublicKey([]byte(sh(t, dir, command)))
			return err
		}
	}
	dir := t.TempDir()
	sh(t, dir, "openssl genpkey -quiet -algorithm RSA -out key.pem; openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out short.pem")
	for name, c := range map[string]struct {
		parse func(*testing.T, string) error
		want  string // of the error, if one is due
	}{
		"PKCS#8":           {private("openssl pkey -in key.pem"), ""},
		"PKCS#8 bare":      {private("openssl pkey -in key.pem" + bare), ""},
		"PKCS#1":           {private("openssl rsa -in key.pem -traditional"), ""},
		"PKCS#1 bare":      {private("openssl rsa -in key.pem -traditional" + bare), ""},
		"PKIX":             {public("openssl pkey -in key.pem -pubout"), ""},
		"PKIX bare":        {public("openssl pkey -in key.pem -pubout" + bare), ""},
		"PKCS#1 public":    {public("openssl rsa -in key.pem -RSAPublicKey_out"), ""},
		"passphrase":       {private("openssl pkey -in key.pem -aes256 -passout pass:x"), "encrypted"},
		"1024 bits":        {private("cat short.pem"), "1024 bits"},
		"public, private":  {public("cat key.pem"), "private key where Alipay's public key belongs"},
		"private, public":  {private("openssl pkey -in key.pem -pubout"), "public key where the app's private key belongs"},
		"request, private": {private("openssl req -new -key key.pem -subj /CN=x"), "certificate request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.parse(t, dir)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
