// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Command alipay-sandbox runs an Alipay gateway to develop against: cashier,
// notices, control panel and control API on one address of this machine.
//
//	alipay-sandbox -app-id 9021000100000001 -app-public-key app_public_key.pem
//
// Nothing it does moves money, and all its state is gone when it ends.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
)

// shutdownTime bounds how long requests under way may take at the end.
const shutdownTime = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "alipay-sandbox:", err)
		}
		os.Exit(1)
	}
}

// options are the command line's.
type options struct {
	listen      string
	appID       string
	appKeyFile  string
	keys        string
	speed       float64
	finishAfter time.Duration
	sellerID    string
	merchant    string
	certMode    bool
	contentKey  string
	faults      string
	allowRemote bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("alipay-sandbox", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&opts.listen, "listen", "127.0.0.1:9402", "`address` to serve on")
	flags.StringVar(&opts.appID, "app-id", "", "the merchant's app `id` (required)")
	flags.StringVar(&opts.appKeyFile, "app-public-key", "", "`file` with the app's public key, PEM or bare base64 (required)")
	flags.StringVar(&opts.keys, "keys", "alipay-sandbox-keys", "`folder` of the gateway's own key pair, made on first start")
	flags.Float64Var(&opts.speed, "speed", 1, "how many `times` faster than real time the gateway's clock runs")
	flags.DurationVar(&opts.finishAfter, "finish-after", 365*24*time.Hour, "how `long` after payment a trade can be refunded, on the gateway's clock")
	flags.StringVar(&opts.sellerID, "seller-id", sandbox.DefaultSellerID, "the merchant's account `number`")
	flags.StringVar(&opts.merchant, "merchant", "", "the merchant's `name` on the cashier's pages")
	flags.BoolVar(&opts.certMode, "cert-mode", false, "certificate mode; the three files are issued in the -keys folder")
	flags.StringVar(&opts.contentKey, "content-key", "", "AES `key` in base64 for requests with encrypt_type=AES")
	flags.StringVar(&opts.faults, "faults", "", "JSON `file` of faults to begin with, as PUT /control/faults takes it")
	flags.BoolVar(&opts.allowRemote, "allow-remote", false, "serve on an address that other machines can reach")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	switch {
	case flags.NArg() > 0:
		return opts, fmt.Errorf("unexpected argument %q; everything is given by flags, see -help", flags.Arg(0))
	case opts.appID == "":
		return opts, errors.New("-app-id is missing; give the app id that the merchant's side is configured with")
	case opts.appKeyFile == "":
		return opts, errors.New("-app-public-key is missing; give the file with the public half of the app's key")
	case opts.finishAfter <= 0:
		return opts, fmt.Errorf("-finish-after %v is not above 0; 2160h is three months", opts.finishAfter)
	case opts.speed <= 0:
		return opts, fmt.Errorf("-speed %v is not above 0; 1 is real time, 60 a minute in a second", opts.speed)
	}
	return opts, nil
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts, err := parse(args, stderr)
	if err != nil {
		return err
	}
	gateway, err := open(opts, slog.New(slog.NewTextHandler(stderr, nil)))
	if err != nil {
		return err
	}
	defer gateway.Close()
	listener, err := listen(ctx, opts)
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	fmt.Fprintf(stdout, "SANDBOX gateway  %s/gateway.do\ncontrol panel    %s/\nits public key   %s/alipay_public_key.pem (also %s)\n",
		base, base, base, filepath.Join(opts.keys, publicKeyFile))
	return serve(ctx, gateway, listener)
}

func serve(ctx context.Context, gateway *sandbox.Sandbox, listener net.Listener) error {
	server := &http.Server{
		Handler:           gateway,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	gateway.Close()
	if err := server.Shutdown(end); err != nil {
		return server.Close()
	}
	return nil
}

func open(opts options, logger *slog.Logger) (*sandbox.Sandbox, error) {
	text, err := readBounded(opts.appKeyFile)
	if err != nil {
		return nil, fmt.Errorf("-app-public-key: %w; make the pair with openssl genrsa and openssl rsa -pubout", err)
	}
	appKey, err := sandbox.ParsePublicKey(text)
	if err != nil {
		return nil, fmt.Errorf("-app-public-key %q: %w", opts.appKeyFile, err)
	}
	alipayKey, err := keyPair(opts.keys)
	if err != nil {
		return nil, fmt.Errorf("-keys: %w", err)
	}
	contentKey, err := base64.StdEncoding.DecodeString(opts.contentKey)
	if err != nil || len(contentKey) != 0 && len(contentKey) != 16 {
		return nil, errors.New("-content-key is not 16 bytes in base64, as Alipay's console shows it")
	}
	var certs *sandbox.Certificates
	if opts.certMode {
		if certs, err = certificates(opts.keys, appKey, &alipayKey.PublicKey); err != nil {
			return nil, fmt.Errorf("-keys %q: %w", opts.keys, err)
		}
	}
	gateway, err := sandbox.New(sandbox.Config{
		AppID: opts.appID, AppPublicKey: appKey, AlipayKey: alipayKey, SellerID: opts.sellerID,
		MerchantName: opts.merchant, Speed: opts.speed, FinishAfter: opts.finishAfter, Logger: logger,
		Certificates: certs, ContentKey: contentKey,
	})
	if err != nil {
		return nil, fmt.Errorf("%w (-app-id, -app-public-key)", err)
	}
	if err := loadFaults(gateway, opts.faults); err != nil {
		gateway.Close()
		return nil, fmt.Errorf("-faults: %w", err)
	}
	return gateway, nil
}

// loadFaults sets the faults that a file holds; no file, no faults.
func loadFaults(gateway *sandbox.Sandbox, path string) error {
	if path == "" {
		return nil
	}
	text, err := readBounded(path)
	if err != nil {
		return err
	}
	var faults sandbox.Faults
	if err := json.Unmarshal(text, &faults); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	return gateway.SetFaults(faults)
}

func listen(ctx context.Context, opts options) (net.Listener, error) {
	host, port, err := net.SplitHostPort(opts.listen)
	if err != nil {
		return nil, fmt.Errorf("-listen %q is not host:port, such as 127.0.0.1:9402", opts.listen)
	}
	if !loopback(host) && !opts.allowRemote {
		return nil, fmt.Errorf("-listen %q could be reached from other machines, and anybody may pay there; "+
			"use 127.0.0.1:%s, or add -allow-remote", opts.listen, port)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", opts.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("-listen: port %s is in use; end the other program or give another port with -listen", port)
	}
	if err != nil {
		return nil, fmt.Errorf("-listen %q: %w", opts.listen, err)
	}
	return listener, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address := net.ParseIP(host)
	return address != nil && address.IsLoopback()
}
