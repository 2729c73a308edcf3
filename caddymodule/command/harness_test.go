// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/creack/pty"

	_ "github.com/caddy-alipay/caddy-alipay/caddymodule"
)

var update = flag.Bool("update", false, "write the golden files anew")

// asCaddy makes this test binary, started again, a Caddy with the module: the
// very program that cmd/caddy-alipay is.
const asCaddy = "TEST_AS_CADDY"

func TestMain(m *testing.M) {
	if os.Getenv(asCaddy) != "" {
		caddycmd.Main()
		return
	}
	caddy.DefaultAdminListen = "127.0.0.1:1" // no test may ask a Caddy that happens to run here
	os.Exit(m.Run())
}

// result is how a command ended.
type result struct {
	stdout, stderr string // in a terminal all of it is stdout
	code           int
}

// caddyCommand is the program in a folder of its own, speaking the language of
// the locale.
func caddyCommand(t *testing.T, dir, locale string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, append([]string{"alipay"}, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{
		asCaddy + "=1", "LC_ALL=" + locale, "TERM=xterm", "NO_COLOR=1", "HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir,
		"CADDY_ADMIN=127.0.0.1:1", "TMPDIR=" + dir, "PATH=" + os.Getenv("PATH"),
	}
	return cmd
}

// piped runs a command as a script does.
func piped(t *testing.T, dir, locale string, args ...string) result {
	t.Helper()
	cmd := caddyCommand(t, dir, locale, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	return result{code: exitCode(t, cmd.Run()), stdout: stdout.String(), stderr: stderr.String()}
}

// onTerminal runs a command as a person sees it.
func onTerminal(t *testing.T, dir, locale string, args ...string) result {
	t.Helper()
	return typing(t, "", dir, locale, args...)
}

// typing runs a command for a person who types something when he is asked.
func typing(t *testing.T, input, dir, locale string, args ...string) result {
	t.Helper()
	cmd := caddyCommand(t, dir, locale, args...)
	screen, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	text := readUntil(t, screen, input != "", "[y/N] ")
	if _, err := io.WriteString(screen, input); err != nil {
		t.Fatal(err)
	}
	text += readUntil(t, screen, true, "")
	return result{code: exitCode(t, cmd.Wait()), stdout: strings.ReplaceAll(text, "\r\n", "\n")}
}

// readUntil reads a screen up to a prompt, or to the end of what is shown.
func readUntil(t *testing.T, screen io.Reader, read bool, prompt string) string {
	t.Helper()
	var text []byte
	for buf := make([]byte, 4096); read; {
		n, err := screen.Read(buf)
		text = append(text, buf[:n]...)
		switch {
		case prompt != "" && bytes.HasSuffix(text, []byte(prompt)), errors.Is(err, syscall.EIO), errors.Is(err, io.EOF):
			read = false // EIO: the other side has ended
		case err != nil:
			t.Fatal(err)
		}
	}
	return string(text)
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatal(err)
	}
	return exit.ExitCode()
}

// golden compares a text with its file, after what differs from run to run has
// been replaced: pairs of old and new.
func golden(t *testing.T, name, got string, replace ...string) {
	t.Helper()
	got = strings.NewReplacer(replace...).Replace(got)
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
	if strings.Contains(got, "%!") {
		t.Errorf("%s holds a broken verb", name)
	}
}
