// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"cmp"
	"context"
	"maps"
	"net/url"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-alipay/caddy-alipay/caddymodule"
)

func (x *examination) sites(ctx context.Context, c config) {
	x.subject = ""
	if len(c.sites) == 0 {
		x.warning(NoSite, x.say("no site of the configuration takes Alipay", "配置中没有站点使用支付宝"),
			"shop.example.com { alipay { public_url …  shop …  order … } }")
	}
	for _, h := range c.sites {
		x.subject = x.say("site ", "站点 ") + cmp.Or(h.PublicURL, "?")
		h.Defaults()
		x.site(ctx, c, h)
	}
}

func (x *examination) site(ctx context.Context, c config, h *caddymodule.Handler) {
	account := cmp.Or(h.Account, "default")
	if c.accounts[account] == nil && len(c.accounts) > 0 {
		x.fault(UnknownAccount, x.say("the site names the account %q; there are %v", "站点使用账户 %q；现有 %v", account, slices.Sorted(maps.Keys(c.accounts))),
			"account "+slices.Min(slices.Collect(maps.Keys(c.accounts))))
	}
	base, err := caddymodule.ParsePublicURL(h.PublicURL)
	if err != nil {
		x.fault(BadPublicURL, err.Error(), "public_url https://shop.example.com")
		return
	}
	asked := c.gateways[account]
	switch {
	case asked == nil: // that is said already
	case isInward(asked.Hostname()): // an emulator here reaches what this machine reaches
	case isInward(base.Hostname()):
		x.fault(InwardPublicURL, x.say("Alipay cannot reach %s from the internet: no notice can come", "支付宝无法从互联网访问 %s，通知无法送达", base.Host),
			"public_url https://shop.example.com")
	case base.Scheme == "http":
		x.warning(PlainPublicURL, x.say("buyers and Alipay come over plain HTTP", "买家和支付宝使用明文 HTTP 访问"), "public_url https://"+base.Host+base.Path)
	}
	if x.Offline {
		return
	}
	x.notify(ctx, base, h)
	if !h.Shadow { // else the shop's own integration goes on, and is not asked by us
		x.shop(ctx, h)
	}
}

// shop examines the shop behind a site.
func (x *examination) shop(ctx context.Context, h *caddymodule.Handler) {
	for _, dial := range upstreams(h.ShopRaw) {
		x.exposed(ctx, dial)
	}
	x.lookUp(ctx, h)
}

// nowhere is a configuration that listens nowhere and logs nothing.
var nowhere = sync.OnceValues(func() (caddy.Context, error) {
	off := false
	return caddy.ProvisionContext(&caddy.Config{
		Admin:   &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: &off}},
		Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{WriterRaw: []byte(`{"output":"stderr"}`), Level: "FATAL"}}}},
	})
})

// oneAtATime: Caddy's contexts are made to be used by one goroutine.
var oneAtATime sync.Mutex

// scratch is a context in which a site's modules can be loaded and called, until the
// function that it returns is called.
func scratch() (caddy.Context, func(), error) {
	base, err := nowhere()
	if err != nil {
		return caddy.Context{}, nil, err
	}
	oneAtATime.Lock()
	inner, cancel := caddy.NewContext(base)
	return inner, func() {
		cancel()
		oneAtATime.Unlock()
	}, nil
}

// callback is the address of one of a site's paths.
func callback(base *url.URL, path string) string { return base.String() + path }
