// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/cmd/demo/teashop"
)

// appID is the demo merchant's app, as Alipay's sandbox numbers them.
const appID = "9021000100000001"

// stopTime bounds how long requests under way may take at the end, for each of
// the servers.
const stopTime = 5 * time.Second

// demo is the running demo: Caddy, the shop and the sandbox.
type demo struct {
	folder  folder
	token   string // of the merchant API
	places  *places
	gateway *sandbox.Sandbox
	servers []*http.Server
	failed  chan error // a server that ended by itself
}

// start opens everything, or nothing.
func start(ctx context.Context, opts options, stderr io.Writer) (_ *demo, err error) {
	d := &demo{failed: make(chan error, 2)}
	if d.folder, err = openFolder(opts.dir); err != nil {
		return nil, err
	}
	if d.token, err = d.folder.token(); err != nil {
		return nil, err
	}
	if d.places, err = takePlaces(ctx, opts.listen); err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	defer func() {
		if err != nil {
			err = errors.Join(err, d.stop())
		}
	}()
	if err := d.openSandbox(log); err != nil {
		return nil, fmt.Errorf("the sandbox: %w", err)
	}
	shop, err := teashop.Open(teashop.Config{PublicURL: d.places.URL(), Dir: d.folder.path(shopFolder), Logger: log})
	if err != nil {
		return nil, fmt.Errorf("the shop: %w", err)
	}
	d.serve(d.places.shop, shop)
	d.serve(d.places.sandbox, d.gateway)
	if err := runCaddy(d.setting()); err != nil {
		return nil, fmt.Errorf("caddy: %w", err)
	}
	return d, nil
}

// openSandbox makes the gateway and the keys: each side has its own private key
// and the other's public one.
func (d *demo) openSandbox(log *slog.Logger) error {
	appKey, err := d.folder.keyPair(appKeyFile)
	if err != nil {
		return err
	}
	alipayKey, err := d.folder.keyPair(sandboxKeyFile)
	if err != nil {
		return err
	}
	d.gateway, err = sandbox.New(sandbox.Config{
		AppID: appID, AppPublicKey: &appKey.PublicKey, AlipayKey: alipayKey, MerchantName: "山前茶铺 Hillside Tea", Logger: log,
	})
	if err != nil {
		return err
	}
	return d.folder.write(alipayKeyFile, d.gateway.PublicKeyPEM())
}

func (d *demo) setting() setting {
	host, port, _ := net.SplitHostPort(d.places.caddy) // takePlaces made it
	return setting{
		Folder: d.folder, AppID: appID, SellerID: sandbox.DefaultSellerID, Host: host, Port: port,
		Public: d.places.URL(), Shop: d.places.shop.Addr().String(),
		SandboxGateway: "http://" + d.places.sandbox.Addr().String() + "/gateway.do", Merchant: "http://" + d.places.merchant,
	}
}

func (d *demo) serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	d.servers = append(d.servers, server)
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			d.failed <- err
		}
	}()
}

// stop closes Caddy first, which waits for the requests in flight: the notices and
// visits that it has taken still find the shop and the sandbox open.
func (d *demo) stop() error {
	err := caddy.Stop()
	if d.gateway != nil {
		d.gateway.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	for _, server := range d.servers {
		if server.Shutdown(ctx) != nil {
			err = errors.Join(err, server.Close())
		}
	}
	d.places.close()
	return err
}
