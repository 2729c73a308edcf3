// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"
)

// setup says what a worker process is to be. The bench starts its own binary
// again for each, so that the CPU time of a server is its own and nobody
// else's.
type setup struct {
	Role    string // one of roles
	Dir     string // keys and notices
	Scratch string // ledgers of this worker; made anew
	Shop    string // address of the shop or of the merchant's server
	Orders  int    // how many orders have been sent to the cashier
	Notices int    // how many notices the load generator holds
}

// request is one line to a worker, reply the line it answers.
type request struct {
	Op   string    // cpu, memory, sign, verify, load, profile
	N    int       `json:",omitempty"`
	File string    `json:",omitempty"`
	Load *loadSpec `json:",omitempty"`
}

type reply struct {
	Error   string            `json:",omitempty"`
	Address map[string]string `json:",omitempty"` // the first reply only
	CPU     time.Duration     `json:",omitempty"`
	Memory  int64             `json:",omitempty"` // kB, now, or the greatest while it was followed
	Load    *loadResult       `json:",omitempty"`
}

// worker is a process as the bench sees it.
type worker struct {
	role    string
	address map[string]string
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	in      *json.Encoder
	out     *json.Decoder
}

// startWorker starts binary as a worker and waits until it serves.
func startWorker(binary string, s setup) (*worker, error) {
	w := &worker{role: s.Role, cmd: exec.Command(binary, "worker")}
	log, err := os.OpenFile(filepath.Join(s.Dir, s.Role+".log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	w.cmd.Stderr = log
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.in, w.out = json.NewEncoder(w.stdin), json.NewDecoder(bufio.NewReader(stdout))
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	r, err := w.exchange(s)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s (its log is %s): %w", s.Role, log.Name(), err), w.stop())
	}
	w.address = r.Address
	return w, nil
}

func (w *worker) exchange(message any) (reply, error) {
	var r reply
	if err := w.in.Encode(message); err != nil {
		return r, fmt.Errorf("%s: %w", w.role, err)
	}
	if err := w.out.Decode(&r); err != nil {
		return r, fmt.Errorf("%s ended: %w", w.role, err)
	}
	if r.Error != "" {
		return r, fmt.Errorf("%s: %s", w.role, r.Error)
	}
	return r, nil
}

// stop ends the worker: its input ends.
func (w *worker) stop() error {
	if w == nil {
		return nil
	}
	w.stdin.Close()
	return w.cmd.Wait()
}

// cpu is the CPU time that the workers have used together.
func cpu(workers ...*worker) (time.Duration, error) {
	var sum time.Duration
	for _, w := range workers {
		r, err := w.exchange(request{Op: "cpu"})
		if err != nil {
			return 0, err
		}
		sum += r.CPU
	}
	return sum, nil
}

// runWorker is a worker's main.
func runWorker(stdin io.Reader, stdout io.Writer) error {
	in, out := json.NewDecoder(stdin), json.NewEncoder(stdout)
	var s setup
	if err := in.Decode(&s); err != nil {
		return err
	}
	start, ok := roles[s.Role]
	if !ok {
		return fmt.Errorf("unknown role %q", s.Role)
	}
	if s.Scratch != "" {
		if err := os.MkdirAll(s.Scratch, 0o700); err != nil {
			return err
		}
	}
	o := &operations{setup: s}
	address, stop, err := start(o)
	if err != nil {
		return errors.Join(err, out.Encode(reply{Error: err.Error()}))
	}
	defer stop()
	if err := out.Encode(reply{Address: address}); err != nil {
		return err
	}
	for {
		var q request
		if err := in.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		r, err := o.do(&q)
		if err != nil {
			r.Error = err.Error()
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
}

// operations are what a worker does on request.
type operations struct {
	setup     setup
	generator generator
	profile   *os.File
	memory    *memory // nil unless it is followed
}

func (o *operations) do(q *request) (reply, error) {
	switch q.Op {
	case "cpu":
		return reply{CPU: cpuTime()}, nil
	case "memory":
		return reply{Memory: o.toggleMemory()}, nil
	case "sign", "verify":
		d, err := bareRSA(o.setup.Dir, q.Op, q.N)
		return reply{CPU: d}, err
	case "load":
		runtime.GC() // what the last block left behind is not this block's
		r, err := o.generator.run(*q.Load)
		return reply{Load: &r}, err
	case "profile":
		return reply{}, o.toggleProfile(q.File)
	}
	return reply{}, fmt.Errorf("unknown operation %q", q.Op)
}

// toggleMemory begins to follow the memory and returns what there is, or ends that
// and returns the greatest, in kB.
func (o *operations) toggleMemory() int64 {
	if m := o.memory; m != nil {
		m.end()
		o.memory = nil
		return m.peak
	}
	debug.FreeOSMemory() // what making the ledger has left behind
	o.memory = followMemory()
	return o.memory.first
}

// toggleProfile begins a CPU profile, or ends the one that runs and writes what
// has been allocated beside it.
func (o *operations) toggleProfile(file string) error {
	if o.profile != nil {
		pprof.StopCPUProfile()
		err := errors.Join(o.profile.Close(), writeAllocs(o.profile.Name()+".allocs"))
		o.profile = nil
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	o.profile = f
	return pprof.StartCPUProfile(f)
}

func writeAllocs(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}
