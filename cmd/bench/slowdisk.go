// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// slowSync replaces bbolt's fdatasync, for both sides alike: the delay stands
// for a disk that takes longer, and blocks nobody but who waits for it.
const slowSync = `package bbolt

import "time"

func fdatasync(db *DB) error {
	time.Sleep(%d)
	return db.file.Sync()
}
`

// buildSlow builds this program anew with every fsync of bbolt slower by delay,
// and returns the binary. It needs the go command and the module's source. bbolt
// is copied for it: the go command lets nothing in its module cache be replaced.
func buildSlow(dir string, delay time.Duration) (string, error) {
	file := map[string]string{
		"linux": "bolt_linux.go", "darwin": "boltsync_unix.go", "freebsd": "boltsync_unix.go",
	}[runtime.GOOS]
	if file == "" {
		return "", fmt.Errorf("a slow disk cannot be made on %s", runtime.GOOS)
	}
	source, err := goCommand("list", "-m", "-f", "{{.Dir}}", "go.etcd.io/bbolt")
	if err != nil {
		return "", err
	}
	slow := filepath.Join(dir, "bbolt")
	if err := os.CopyFS(slow, os.DirFS(source)); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(slow, file), fmt.Appendf(nil, slowSync, delay), 0o600); err != nil {
		return "", err
	}
	modFile, err := modReplacing(dir, "go.etcd.io/bbolt", slow)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "bench-slow")
	_, err = goCommand("build", "-modfile", modFile, "-o", binary, "github.com/caddy-alipay/caddy-alipay/cmd/bench")
	return binary, err
}

// modReplacing writes a go.mod with one more replacement, and its go.sum, to
// dir.
func modReplacing(dir, module, with string) (string, error) {
	mod, err := goCommand("env", "GOMOD")
	if err != nil {
		return "", err
	}
	own := filepath.Join(dir, "go.mod")
	text, err := os.ReadFile(mod)
	if err != nil {
		return "", err
	}
	sums, err := os.ReadFile(strings.TrimSuffix(mod, "mod") + "sum")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(own, fmt.Appendf(text, "\nreplace %s => %s\n", module, strconv.Quote(with)), 0o600); err != nil {
		return "", err
	}
	return own, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600)
}

func goCommand(args ...string) (string, error) {
	out, err := exec.Command("go", args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
