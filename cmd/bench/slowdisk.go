// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
// and returns the binary. It needs the go command and the module's source.
func buildSlow(dir string, delay time.Duration) (string, error) {
	file := map[string]string{
		"linux": "bolt_linux.go", "darwin": "boltsync_unix.go", "freebsd": "boltsync_unix.go",
	}[runtime.GOOS]
	if file == "" {
		return "", fmt.Errorf("a slow disk cannot be made on %s", runtime.GOOS)
	}
	source, err := goCommand("list", "-f", "{{.Dir}}", "go.etcd.io/bbolt")
	if err != nil {
		return "", err
	}
	replacement := filepath.Join(dir, "slowsync.go")
	if err := os.WriteFile(replacement, fmt.Appendf(nil, slowSync, delay), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(source, file): replacement}})
	if err != nil {
		return "", err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "bench-slow")
	_, err = goCommand("build", "-overlay", overlayFile, "-o", binary, "github.com/caddy-alipay/caddy-alipay/cmd/bench")
	return binary, err
}

func goCommand(args ...string) (string, error) {
	out, err := exec.Command("go", args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
