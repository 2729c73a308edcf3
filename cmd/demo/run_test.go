// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// command is the demo in a process of its own, with an empty home folder.
func command(t *testing.T, home, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-dir", dir, "-listen", "127.0.0.1:0")
	cmd.Env = []string{"DEMO_TEST_MAIN=1", "HOME=" + home, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// A signal ends the demo in good order: exit code 0, the ledger can be opened at
// once, and nothing is left outside the demo's folder.
func TestSignalsEndTheDemo(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd := command(t, home, dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C stops it") {
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // it may say goodbye
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v\n%s", sig, err, stderr.String())
		}
		if stderr.Len() > 0 {
			t.Errorf("%v: a quiet run wrote to stderr:\n%s", sig, stderr.String())
		}
	}
	if left, err := os.ReadDir(home); err != nil || len(left) != 0 {
		t.Errorf("the demo left %v in the home folder (%v)", left, err)
	}
}

// What is in flight when the demo is told to end is still answered, by the shop
// behind Caddy.
func TestStopFinishesWhatIsInFlight(t *testing.T) {
	d := open(t, t.TempDir(), "127.0.0.1:0")
	const form = "name=Ada&next=/orders"
	conn := dial(t, d.places.caddy)
	if conn == nil {
		t.Fatal("the demo does not listen")
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /login HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		d.places.caddy, len(form))
	reader := bufio.NewReader(conn)
	if got := readAnswer(t, reader); got.StatusCode != http.StatusContinue { // it is being served
		t.Fatalf("%d", got.StatusCode)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- d.stop() }()
	for { // until Caddy takes no more visitors
		late := dial(t, d.places.caddy)
		if late == nil {
			break
		}
		late.Close()
	}
	if next := dial(t, d.places.shop.Addr().String()); next != nil { // Caddy has not dialled it yet
		next.Close()
	} else {
		t.Error("the shop has closed before its last visitor came")
	}
	fmt.Fprint(conn, form)
	resp := readAnswer(t, reader)
	for resp.StatusCode == http.StatusContinue { // the shop says so too
		resp = readAnswer(t, reader)
	}
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || to != "/orders" {
		t.Errorf("%d to %q", resp.StatusCode, to)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func readAnswer(t *testing.T, reader *bufio.Reader) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp
}

// dial connects, or returns nil where nobody listens, or stops to at this moment.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestGreetingSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it greets, then ends
	var stdout, stderr bytes.Buffer
	if err := run(ctx, []string{"-dir", dir, "-listen", "127.0.0.1:0"}, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"    http://127.0.0.1:", "any name will do", "林晓 Lin Xiao", dir, "Ctrl-C", "merchant API        http://127.0.0.1:", "its token           "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the greeting lacks %q:\n%s", want, stdout.String())
		}
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr: %s", stderr.String())
	}
}

// four finds four free ports in a row.
func four(t *testing.T) int {
	t.Helper()
	for port := 20000; port < 60000; port += 4 {
		p, err := takePlaces(t.Context(), "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			p.close()
			return port
		}
	}
	t.Fatal("no four free ports in a row")
	return 0
}

func TestPortInUse(t *testing.T) {
	port := four(t)
	for offset, who := range []string{"Caddy", "the shop", "the sandbox", "the merchant API"} {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+offset))
		if err != nil {
			t.Fatal(err)
		}
		err = run(t.Context(), []string{"-dir", t.TempDir(), "-listen", "127.0.0.1:" + strconv.Itoa(port)}, io.Discard, io.Discard)
		want := "port " + strconv.Itoa(port+offset) + ", for " + who + ", is in use"
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "-listen 127.0.0.1:"+strconv.Itoa(port+100)) {
			t.Errorf("got %v, want %s", err, want)
		}
		l.Close()
	}
}

func TestPortsInARow(t *testing.T) {
	port := four(t)
	d := open(t, t.TempDir(), "localhost:"+strconv.Itoa(port))
	for who, got := range map[int]string{0: d.places.caddy, 1: d.places.shop.Addr().String(), 2: d.places.sandbox.Addr().String(), 3: d.places.merchant} {
		if want := "127.0.0.1:" + strconv.Itoa(port+who); got != want {
			t.Errorf("%d: %s, want %s", who, got, want)
		}
	}
	if a := enter(t, d).get("/"); a.status != 200 {
		t.Errorf("the shop's page: %d", a.status)
	}
}

// A second demo on the same folder would share ledger and orders.
func TestFolderInUse(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, "127.0.0.1:0")
	out, err := command(t, t.TempDir(), dir).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("alipay.db")) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWrongFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-listen", "0.0.0.0:9400"}, "not on loopback"},
		{[]string{"-listen", "192.0.2.1:9400"}, "not on loopback"},
		{[]string{"-listen", ":9400"}, "not on loopback"},
		{[]string{"-listen", "9400"}, "host:port"},
		{[]string{"-listen", "127.0.0.1:65533"}, "from 1 to 65532"},
		{[]string{"-listen", "127.0.0.1:-1"}, "from 1 to 65532"},
		{[]string{"-listen", "127.0.0.1:http"}, "from 1 to 65532"},
		{[]string{"-dir", "/tmp/{env.HOME}"}, "-dir"},
		{[]string{"-dir", "/dev/null/demo"}, "-dir"},
		{[]string{"shop"}, `unexpected argument "shop"`},
		{[]string{"-port", "9400"}, "not defined"},
	} {
		args := c.args
		if args[0] != "-dir" {
			args = append(args, "-dir", t.TempDir())
		}
		if args[0] == "shop" {
			args = []string{"-dir", t.TempDir(), "shop"}
		}
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
	if err := run(t.Context(), []string{"-h"}, io.Discard, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

func TestBrokenKeySaysWhich(t *testing.T) {
	dir := t.TempDir()
	f, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.write(appKeyFile, []byte("no key")); err != nil {
		t.Fatal(err)
	}
	_, err = start(t.Context(), options{dir: dir, listen: "127.0.0.1:0"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), f.path(appKeyFile)) || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("got %v", err)
	}
}
