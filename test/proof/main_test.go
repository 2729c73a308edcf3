// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// binaries is where the programs are built, once for all tests.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if binaries, err = os.MkdirTemp("", "caddy-alipay-proof"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(binaries)
	return m.Run()
}

// The program as users get it, and the one that can be told where to die.
var (
	program   = sync.OnceValues(func() (string, error) { return build("caddy-alipay") })
	mortal    = sync.OnceValues(func() (string, error) { return build("caddy-alipay-mortal", "-tags", "failpoint") })
	module    = "github.com/caddy-alipay/caddy-alipay"
	buildWait = 10 * time.Minute
)

func build(name string, flags ...string) (string, error) {
	path := filepath.Join(binaries, name)
	if raceDetector {
		flags = append(flags, "-race")
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), module+"/cmd/caddy-alipay")...)
	cmd.WaitDelay = buildWait
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w: %s", name, err, out)
	}
	return path, nil
}

// number is an environment variable's value.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func numbered(name string, n int) string { return name + strconv.Itoa(n) }

// fewer is n, or less of it for the race detector's eyes: the figures are those of
// the other runs.
func fewer(n, forTheDetector uint64) uint64 {
	if raceDetector {
		return min(n, forTheDetector)
	}
	return n
}

// until polls for what happens in another process.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
