// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // reverse_proxy

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"

	_ "github.com/caddy-alipay/caddy-alipay"
)

// roles are what a worker can be. Each starts serving and says where.
var roles = map[string]func(o *operations) (address map[string]string, stop func(), err error){
	"shop":     startShop,
	"merchant": startMerchant,
	"proxy":    startProxy,
	"sidecar":  startSidecar,
	"load":     startLoad,
}

func startLoad(o *operations) (map[string]string, func(), error) {
	if o.setup.Notices > 0 {
		var err error
		if o.generator.notices, err = loadNotices(o.setup.Dir, o.setup.Notices); err != nil {
			return nil, nil, err
		}
	}
	return nil, func() {}, nil
}

// startProxy is Caddy's plain reverse_proxy, what a merchant has today.
func startProxy(o *operations) (map[string]string, func(), error) {
	site, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	stop, err := runCaddy(fmt.Sprintf("{\n%s}\nhttp://%s {\nreverse_proxy %s\n}\n", globals, site, o.setup.Shop))
	return map[string]string{"site": site}, stop, err
}

// startSidecar is Caddy with three sites, so that what is compared runs in one
// process: the module in front of reverse_proxy, reverse_proxy alone, and the
// handler that only parses and verifies.
func startSidecar(o *operations) (map[string]string, func(), error) {
	address := make(map[string]string)
	for _, name := range []string{"site", "plain", "verify"} {
		var err error
		if address[name], err = freeAddress(); err != nil {
			return nil, nil, err
		}
	}
	db := filepath.Join(o.setup.Scratch, "alipay.db")
	if err := seedLedger(db, "http://"+address["site"], o.setup.Orders); err != nil {
		return nil, nil, err
	}
	key := func(name string) string { return filepath.Join(o.setup.Dir, name) }
	stop, err := runCaddy(strings.NewReplacer(
		"GLOBALS", globals, "APP_ID", appID, "SELLER", sellerID, "LEDGER", db, "SHOP", o.setup.Shop,
		"PRIVATE", key(appKeyFile), "PUBLIC", key(publicKeyFile),
		"SITE", address["site"], "PLAIN", address["plain"], "VERIFY", address["verify"],
	).Replace(sidecarConfig))
	return address, stop, err
}

const globals = `	admin off
	persist_config off
	auto_https off
`

// The sidecar's own configuration, as a merchant would write it.
const sidecarConfig = `{
	GLOBALS
	alipay {
		app_id APP_ID
		app_private_key PRIVATE
		alipay_public_key PUBLIC
		seller_id SELLER
		ledger bolt LEDGER
	}
}
http://SITE {
	alipay {
		public_url http://SITE
		shop SHOP
		order /alipay/orders/{out_trade_no}
	}
	reverse_proxy SHOP
}
http://PLAIN {
	reverse_proxy SHOP
}
http://VERIFY {
	route {
		bench_verify APP_ID PUBLIC
	}
}
`

func runCaddy(caddyfile string) (stop func(), err error) {
	cfg, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		return nil, err
	}
	if err := caddy.Load(cfg, true); err != nil {
		return nil, err
	}
	return func() {
		// the load generator's connections are open still, and nobody uses them
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			if err := caddy.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
		select {
		case <-stopped:
		case <-time.After(5 * time.Second):
		}
	}, nil
}

// seedLedger makes a ledger in which n orders have been sent to the cashier.
func seedLedger(path, publicURL string, n int) error {
	l, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var failed error
	var once sync.Once
	const workers = 512
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				now := time.Now()
				_, err := l.Attempt(context.Background(), trade.Key{AppID: appID, OutTradeNo: orderNumber(i)}, trade.Attempt{
					Total: fen, SellerID: sellerID, PublicURL: publicURL, Channel: "page", At: now, ExpiresAt: now.Add(time.Hour),
				})
				if err != nil {
					once.Do(func() { failed = err })
					return
				}
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		return err
	}
	return failed
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
