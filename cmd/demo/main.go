// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Command demo is the first minute with caddy-alipay: a shop without any Alipay
// code, an Alipay gateway to play with, and Caddy in front of the shop, in one
// process on this machine.
//
//	go run ./cmd/demo [-dir DIR] [-listen 127.0.0.1:9400]
//
// It works offline and moves no money. Orders stay paid over a restart.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// options are the command line's.
type options struct {
	dir    string
	listen string
}

func parse(args []string, stderr io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&opts.dir, "dir", "", "`folder` of data and keys (default: caddy-alipay-demo in the user's cache folder)")
	flags.StringVar(&opts.listen, "listen", "127.0.0.1:9400",
		"loopback `address` of the shop's front door; the three ports after it are taken too. Port 0 takes free ones")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if flags.NArg() > 0 {
		return opts, fmt.Errorf("unexpected argument %q; everything is given by flags, see -help", flags.Arg(0))
	}
	if opts.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return opts, fmt.Errorf("there is no cache folder (%w); say with -dir where data and keys may be", err)
		}
		opts.dir = filepath.Join(cache, "caddy-alipay-demo")
	}
	return opts, nil
}

// run keeps the demo open until ctx ends. There can be one in a process, for
// there is one Caddy in it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts, err := parse(args, stderr)
	if err != nil {
		return err
	}
	d, err := start(ctx, opts, stderr)
	if err != nil {
		return err
	}
	d.greet(stdout)
	select {
	case err = <-d.failed:
	case <-ctx.Done():
	}
	fmt.Fprintln(stdout, "Closing. 正在关门。")
	return errors.Join(err, d.stop())
}
