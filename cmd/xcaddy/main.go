// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Command xcaddy builds Caddy with the plugins that xcaddy.json lists, with
// xcaddy as a library: nothing has to be installed but Go.
//
//	go run ./cmd/xcaddy [-config xcaddy.json] [-output bin/caddy-alipay]
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

	"github.com/caddyserver/xcaddy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr, xcaddy.Builder.Build)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "xcaddy:", err)
		os.Exit(1)
	}
}

// build makes a binary at the file output, as xcaddy.Builder.Build does.
type build func(b xcaddy.Builder, ctx context.Context, output string) error

// run reads the arguments and the build file, then builds. It prints the
// binary's path to stdout as its only line there.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, build build) error {
	flags := flag.NewFlagSet("xcaddy", flag.ContinueOnError)
	flags.SetOutput(stderr)
	config := flags.String("config", "xcaddy.json", "the `file` that says what to build, xcaddy's Builder in JSON")
	output := flags.String("output", filepath.Join("bin", "caddy-alipay"), "the binary's `path`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; what to build is written in %s", flags.Arg(0), *config)
	}
	b, err := load(*config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(*output), 0o755); err != nil {
		return fmt.Errorf("making the output's folder: %w", err)
	}
	if err := build(b, ctx, *output); err != nil {
		return fmt.Errorf("building %s: %w", *output, err)
	}
	_, err = fmt.Fprintln(stdout, *output)
	return err
}
