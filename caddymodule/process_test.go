// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// program is a Caddy in a process of its own.
type program struct {
	*exec.Cmd
	output *bytes.Buffer
	ended  chan error
}

// command prepares a command of Caddy's and writes the world's Caddyfile.
func (w *world) command(args ...string) *program {
	w.t.Helper()
	if err := os.WriteFile(w.path("Caddyfile"), []byte(w.caddyfile()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	p := &program{Cmd: exec.Command(must(os.Executable()), args...), output: new(bytes.Buffer), ended: make(chan error, 1)}
	p.Env = append(os.Environ(), asCaddy+"=1", "XDG_DATA_HOME="+w.Dir, "XDG_CONFIG_HOME="+w.Dir)
	p.Stdout, p.Stderr = p.output, p.output
	p.Dir = w.Dir
	return p
}

// spawn stops the Caddy of this process and starts one of its own.
func (w *world) spawn() *program {
	w.t.Helper()
	if err := caddy.Stop(); err != nil {
		w.t.Fatal(err)
	}
	p := w.command("run", "--config", w.path("Caddyfile"), "--adapter", "caddyfile")
	if err := p.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() { p.ended <- p.Wait() }()
	w.t.Cleanup(func() { _ = p.Process.Kill() })
	until(w.t, "Caddy listens", func() bool {
		resp, err := http.Get(w.URL + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return p
}

// wait waits for a program's end; it is over when its output may be read.
func (p *program) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("the program has not ended")
		return nil
	}
}

// TestRestart keeps orders and what the shop has not accepted. A kill is no
// worse than an end.
func TestRestart(t *testing.T) {
	w := newWorld(t, "")
	p := w.spawn()
	w.buy("PR1", "1.00")
	w.buy("PR2", "1.00")
	w.wantNotify(w.notice("PR1", "1.00"), http.StatusOK, "success")
	w.Shop.setDeliver(says(500, "", ""))
	w.wantNotify(w.notice("PR2", "1.00"), http.StatusServiceUnavailable, "failure")
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.wait(t)
	w.Shop.forget()
	w.Shop.setDeliver(nil)
	w.reload()
	if a := w.get("/pay?out_trade_no=PR1"); a.Status != http.StatusConflict {
		t.Errorf("a paid order was answered %d", a.Status)
	}
	if a := w.get("/pay?out_trade_no=PR2"); a.Status != http.StatusConflict {
		t.Errorf("a paid order was answered %d", a.Status)
	}
	w.wantNotify(w.notice("PR1", "1.00"), http.StatusOK, "success")
	w.wantNotify(w.notice("PR2", "1.00"), http.StatusOK, "success")
	told := w.Shop.told()
	if got := told[len(told)-1]; got != "PR2 1 trade.paid TRADE_SUCCESS 0.00" {
		t.Errorf("the shop was told %q", told)
	}
}

// TestTerminate: SIGTERM lets notices that were read be recorded, delivered and
// answered, and a return be told.
func TestTerminate(t *testing.T) {
	const many = 20
	w := newWorld(t, "")
	p := w.spawn()
	for i := range many {
		w.buy(fmt.Sprint("PT", i), "1.00")
	}
	var arrived sync.WaitGroup
	arrived.Add(many)
	release := make(chan struct{})
	w.Shop.setDeliver(func(http.ResponseWriter, *received) {
		arrived.Done()
		<-release
	})
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			body := sign(alipayKey(), w.notice(fmt.Sprint("PT", i), "1.00")).Encode()
			head := w.rawHead("POST /pay/notify", "Content-Type: "+formType, fmt.Sprint("Content-Length: ", len(body)))
			message := append(head[:len(head)-1], body)
			if a := raw(t, w.URL, message...); a.Status != http.StatusOK || a.Body != "success" {
				t.Errorf("answered %d %q", a.Status, a.Body)
			}
		})
	}
	arrived.Wait()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, "Caddy listens no more", func() bool {
		resp, err := http.Get(w.URL + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err != nil
	})
	close(release)
	all.Wait()
	if err := p.wait(t); err != nil {
		t.Errorf("the program ended with %v: %s", err, p.output)
	}
	w.stopped(func(l ledger.Ledger) {
		for i := range many {
			if o := w.order(l, fmt.Sprint("PT", i)); o.Status() != trade.StatusSuccess || o.Accepted != 1 {
				t.Errorf("the order is %+v", o)
			}
		}
	})
}

// TestTerminateWhileTwoEventsAreTold: the second delivery of a notice begins
// only after the signal, and is part of what is in flight.
func TestTerminateWhileTwoEventsAreTold(t *testing.T) {
	for range 4 { // Caddy stops its apps in any order
		w := newWorld(t, "")
		p := w.spawn()
		w.buy("PU1", "1.00")
		first, release := make(chan struct{}), make(chan struct{})
		w.Shop.setDeliver(func(_ http.ResponseWriter, r *received) {
			if r.Header.Get("X-Alipay-Trade-Sequence") == "1" {
				close(first)
				<-release
			}
		})
		answered := make(chan answer, 1)
		go func() {
			body := sign(alipayKey(), w.notice("PU1", "1.00", "trade_status", "TRADE_FINISHED")).Encode()
			head := w.rawHead("POST /pay/notify", "Content-Type: "+formType, fmt.Sprint("Content-Length: ", len(body)))
			answered <- raw(t, w.URL, append(head[:len(head)-1], body)...)
		}()
		<-first
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		until(t, "Caddy listens no more", func() bool {
			resp, err := http.Get(w.URL + "/")
			if err == nil {
				resp.Body.Close()
			}
			return err != nil
		})
		close(release)
		if a := <-answered; a.Status != http.StatusOK || a.Body != "success" {
			t.Errorf("answered %d %q", a.Status, a.Body)
		}
		if err := p.wait(t); err != nil {
			t.Errorf("the program ended with %v: %s", err, p.output)
		}
		w.Shop.wantTold(t, "PU1 1 trade.paid TRADE_SUCCESS 0.00", "PU1 2 trade.finished TRADE_FINISHED 0.00")
	}
}

// TestLedgerInUse: a second process is told who has the ledger and what to do.
func TestLedgerInUse(t *testing.T) {
	w := newWorld(t, "")
	w.log = "stderr" // of the second process
	for _, args := range [][]string{
		{"validate", "--config", w.path("Caddyfile"), "--adapter", "caddyfile"},
		{"run", "--config", w.path("Caddyfile"), "--adapter", "caddyfile"},
	} {
		p := w.command(args...)
		if err := p.Run(); err == nil {
			t.Errorf("%s found nothing wrong", args[0])
		}
		for _, want := range []string{"alipay.db", "in use", fmt.Sprint("process ", os.Getpid()), "caddy reload"} {
			if !strings.Contains(p.output.String(), want) {
				t.Errorf("%s says nothing of %q: %s", args[0], want, p.output)
			}
		}
	}
	w.buy("PV1", "1.00") // the first one goes on
	w.wantNotify(w.notice("PV1", "1.00"), http.StatusOK, "success")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	p := w.command("validate", "--config", w.path("Caddyfile"), "--adapter", "caddyfile")
	if err := p.Run(); err != nil {
		t.Errorf("validate with a free ledger: %v: %s", err, p.output)
	}
}
