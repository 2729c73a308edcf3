// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Command bench measures what the README says about speed, together with its
// own ceilings, so that anyone can repeat it.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// bench is one call of the program.
type bench struct {
	dir, scratch string
	binary       string
	profile      string // folder for CPU profiles; "" for none
	quick        bool
	pairs        int
	senders      int // if not 0, only levels of that many senders
	report       report

	loader *worker
	runs   int
}

// scenarios in the order of the report.
var scenarios = []struct {
	name string
	run  func(*bench) error
}{
	{"foreign", (*bench).foreign},
	{"notify", (*bench).notify},
	{"slow", (*bench).slowNotify},
	{"verified", (*bench).verified},
	{"pay", (*bench).pay},
	{"rest", (*bench).rest},
}

const usage = `bench measures this module against its ceilings and writes a report in Markdown.

  go run ./cmd/bench                            all of it, about ten minutes
  go run ./cmd/bench -quick                     a smoke run of seconds; its figures say little
  go run ./cmd/bench -only notify,pay           some scenarios
  go run ./cmd/bench -o docs/performance.md     into a file

Scenarios:
  foreign    requests that are not the module's, against reverse_proxy alone
  notify     fresh notices at 1, 8, 64 and 256 senders, against reverse_proxy in front of a
             plain net/http server that verifies with the SDK and makes one bbolt.Update
  slow       the same with every fsync 2 ms slower (builds itself anew: needs the go command)
  verified   forged notices and repeats, against a handler that only parses and verifies
  pay        /pay with the shop's look-up, against the bare RSA signature
  rest       memory with 60,000 orders under 256 senders, and CPU time with nothing to do

Server, shop and load generator are processes of their own. Leave the machine alone meanwhile.
The exit status is 0 also when a target is missed; the report says so.

Options:
`

func main() {
	var err error
	if len(os.Args) == 2 && os.Args[1] == "worker" {
		err = runWorker(os.Stdin, os.Stdout)
	} else {
		err = run(os.Args[1:], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	var b bench
	var only, output string
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&b.dir, "dir", filepath.Join(cache, "caddy-alipay-bench"), "folder for keys, signed notices (kept from call to call) and ledgers")
	flags.StringVar(&only, "only", "", "scenarios to run, separated by commas; default: all")
	flags.StringVar(&output, "o", "", "file for the report; default: standard output")
	flags.StringVar(&b.profile, "profile", "", "folder for CPU profiles of the servers; profiling costs some per cent")
	flags.BoolVar(&b.quick, "quick", false, "a smoke run of seconds")
	flags.IntVar(&b.pairs, "pairs", 12, "pairs of blocks a comparison; fewer than 6 give no 95 % interval")
	flags.IntVar(&b.senders, "senders", 0, "of notify and slow, only the level with so many senders; default: all")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := choose(only)
	if err != nil {
		return err
	}
	if flags.NArg() > 0 || b.pairs < 1 {
		return fmt.Errorf("unknown argument, or fewer than 1 pair; see -h")
	}
	if b.quick {
		b.pairs = 2
	}
	if err := b.measure(wanted); err != nil {
		return err
	}
	return b.write(output, stdout)
}

// choose reads -only.
func choose(only string) ([]func(*bench) error, error) {
	var names, wanted []string
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	if wanted = names; only != "" {
		wanted = strings.Split(only, ",")
	}
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("unknown scenario %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	var run []func(*bench) error
	for _, s := range scenarios {
		if slices.Contains(wanted, s.name) {
			run = append(run, s.run)
		}
	}
	return run, nil
}

func (b *bench) measure(scenarios []func(*bench) error) (err error) {
	if b.binary, err = os.Executable(); err != nil {
		return err
	}
	if err := prepare(b.dir, 0); err != nil {
		return err
	}
	if b.profile != "" {
		if err := os.MkdirAll(b.profile, 0o700); err != nil {
			return err
		}
	}
	if b.scratch, err = os.MkdirTemp(b.dir, "run"); err != nil {
		return err
	}
	defer os.RemoveAll(b.scratch)
	if b.report.machine, err = describe(b.scratch); err != nil {
		return err
	}
	b.report.machine = append(b.report.machine, fmt.Sprintf("%d pairs of blocks a comparison, unless stated otherwise", b.pairs))
	for _, scenario := range scenarios {
		if err := scenario(b); err != nil {
			return err
		}
	}
	b.report.machine = append(b.report.machine, "load average when it ended (its own load included): "+loadAverage())
	if b.quick {
		b.report.machine = append(b.report.machine, "**a smoke run: too short to say anything about speed**")
	}
	return nil
}

func (b *bench) write(output string, stdout io.Writer) error {
	progress("%d targets missed", b.report.misses())
	if output == "" {
		return b.report.write(stdout)
	}
	f, err := os.Create(output)
	if err != nil {
		return err
	}
	if err := b.report.write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// levels are all of a scenario's, or one, or two small ones for a smoke run.
func (b *bench) levels(all []level) []level {
	if b.senders > 0 {
		return slices.DeleteFunc(slices.Clone(all), func(l level) bool { return l.senders != b.senders })
	}
	if !b.quick {
		return all
	}
	few := []level{all[0], all[2]}
	for i := range few {
		few[i].countA, few[i].countB = min(few[i].countA, 320), min(few[i].countB, 128)
	}
	return few
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
