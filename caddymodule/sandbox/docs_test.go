// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

const docsAddress = "http://127.0.0.1:9402"

func docs(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The table of faults is the catalogue, in the documentation and in doc.go.
func TestDocumentedFaultsAreTheCatalogue(t *testing.T) {
	page := docs(t)
	rows := regexp.MustCompile("(?m)^\\| `[a-z0-9_]+` \\| 666\\..*$").FindAllString(page, -1)
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	catalogue := sandbox.FaultCatalogue()
	if len(rows) != len(catalogue) {
		t.Errorf("%d rows for %d faults", len(rows), len(catalogue))
	}
	for i, fault := range catalogue {
		row := fmt.Sprintf("| `%s` | %s | %s |", fault.Name, fault.Amount, fault.About)
		if i < len(rows) && rows[i] != row {
			t.Errorf("row %d is\n%s\nnot\n%s", i, rows[i], row)
		}
		if line := fmt.Sprintf("//\t%s  %-24s  %s\n", fault.Amount, fault.Name, fault.About); !strings.Contains(string(source), line) {
			t.Errorf("doc.go has no line\n%s", line)
		}
	}
}

// The Chinese documentation has the same commands, code and addresses, and the
// catalogue in Chinese.
func TestChineseDocumentationSaysTheSame(t *testing.T) {
	text, err := os.ReadFile("../../docs/sandbox.zh-CN.md")
	if err != nil {
		t.Fatal(err)
	}
	english, chinese := docs(t), string(text)
	blocks := regexp.MustCompile("(?s)```.*?```")
	want, got := blocks.FindAllString(english, -1), blocks.FindAllString(chinese, -1)
	if len(want) != len(got) {
		t.Errorf("%d blocks of code, not %d", len(got), len(want))
	}
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			t.Errorf("block %d is\n%s\nnot\n%s", i, got[i], want[i])
		}
	}
	for _, fault := range sandbox.FaultCatalogue() {
		if row := fmt.Sprintf("| `%s` | %s | %s |\n", fault.Name, fault.Amount, fault.AboutZH); !strings.Contains(chinese, row) {
			t.Errorf("no row %s", row)
		}
	}
	names := regexp.MustCompile("`[^`\n]+`|\\]\\(\\.\\.[^)]+\\)")
	for _, name := range names.FindAllString(blocks.ReplaceAllString(english, ""), -1) {
		if !strings.Contains(chinese, name) {
			t.Errorf("no %s", name)
		}
	}
	if rows := func(page string) int { return strings.Count(page, "\n|") }; rows(english) != rows(chinese) {
		t.Errorf("%d rows of tables, not %d", rows(chinese), rows(english))
	}
}

// Every shell block of the documentation runs, in its order, against a gateway
// that was started as it says; "# → text" is what it must print.
func TestDocumentedCommandsRun(t *testing.T) {
	for _, tool := range []string{"sh", "curl", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(docs(t), -1)
	if len(blocks) < 5 {
		t.Fatalf("%d shell blocks", len(blocks))
	}
	dir := t.TempDir()
	shell(t, dir, blocks[0][1])
	g := sandboxtest.New(t, sandboxtest.Options{AppKey: readKey(t, filepath.Join(dir, "app_private_key.pem"))})
	var script strings.Builder
	for _, block := range blocks[1:] {
		script.WriteString(strings.ReplaceAll(block[1], docsAddress, g.URL) + "echo\n")
	}
	output := shell(t, dir, script.String())
	promised := regexp.MustCompile(`(?m)^# → (.*)$`).FindAllStringSubmatch(script.String(), -1)
	if len(promised) < 5 {
		t.Errorf("%d promises", len(promised))
	}
	rest := output
	for _, want := range promised {
		_, after, found := strings.Cut(rest, want[1])
		if !found {
			t.Fatalf("no %s in its place in:\n%s", want[1], output)
		}
		rest = after
	}
}

func shell(t *testing.T, dir, script string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", "-eu", "-c", script)
	command.Dir = dir
	command.Env = append(os.Environ(), "NO_PROXY=*", "no_proxy=*")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return string(output)
}

func readKey(t *testing.T, path string) *rsa.PrivateKey {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("%s is not PEM", path)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PrivateKey)
}
