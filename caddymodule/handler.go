// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler stands in front of a shop and takes Alipay out of it. It owns three
// paths, strips every X-Alipay- header and trailer that a client sends, and
// passes everything else on.
//
// Placeholders, for logs and later handlers:
//
// Placeholder | Description
// ------------|-------------
// `{http.alipay.route}` | pay, return, notify or private, on the handler's own paths
// `{http.alipay.out_trade_no}` | the shop's order number, once it is verified
// `{http.alipay.trade_no}` | Alipay's trade number, once it is proved
// `{http.alipay.status}` | the trade's state in Alipay's words, as proved; empty if nothing is
// `{http.alipay.source}` | what proved it: notify, query, refund or bill; return if nothing has
type Handler struct {
	// Account is the name of the alipay app's account that is paid, unless the
	// shop's order names another. Default: default.
	Account string `json:"account,omitempty"`

	// PublicURL is the site's base as buyers and Alipay reach it, such as
	// https://shop.example.com: base of return_url and notify_url, never taken
	// from a request's Host. Without query and fragment. Required.
	PublicURL string `json:"public_url,omitempty"`

	// ShopRaw is the HTTP handler through which the sidecar itself calls the
	// shop, for order look-ups and deliveries. Required.
	ShopRaw json.RawMessage `json:"shop,omitempty" caddy:"namespace=http.handlers inline_key=handler"`

	// OrdersRaw says where orders come from, a module of the namespace
	// alipay.orders. Required.
	OrdersRaw json.RawMessage `json:"orders,omitempty" caddy:"namespace=alipay.orders inline_key=source"`

	// Pay is the path that sends a buyer to the cashier. Default: /pay.
	Pay string `json:"pay,omitempty"`
	// Return is the path to which Alipay sends the buyer back. Default:
	// /pay/return.
	Return string `json:"return,omitempty"`
	// Notify is the path to which Alipay posts its notices, and at which the
	// shop receives deliveries. Default: /pay/notify.
	Notify string `json:"notify,omitempty"`

	// Expire is how long the cashier takes an order's money if the shop sets no
	// time_expire and no timeout_express: 1m to 15d. Default: 1h.
	Expire caddy.Duration `json:"expire,omitempty"`

	// ShopTimeout bounds one call to the shop: 100ms to 1m. Default: 5s.
	ShopTimeout caddy.Duration `json:"shop_timeout,omitempty"`

	// Ack is strict if the shop has to echo an event's id in X-Alipay-Trade-Ack
	// to accept it. Default: an answer of 2xx accepts.
	Ack string `json:"ack,omitempty"`

	// Shadow lets an existing Alipay integration of the shop go on as it is: its
	// notices pass byte for byte and the shop answers them, while this module
	// verifies and records them by itself and reports where it differs. Only
	// public_url, notify and account are used; pay and return stay the shop's.
	// Default: false.
	Shadow bool `json:"shadow,omitempty"`

	// Assertion says how the verified headers are signed. Default: eddsa.
	Assertion *Assertion `json:"assertion,omitempty"`

	logger  *zap.Logger
	noise   *zap.Logger // sampled: what any client can cause
	app     *App
	account *Account // the site's own; an order may name another
	site    *shop.Shop
	source  shop.Source
	routes  routes

	diagnosed pause
}

// CaddyModule returns the module's information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.alipay", New: func() caddy.Module { return new(Handler) }}
}

// Provision fills in defaults, finds the account and loads shop and orders.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	h.noise = h.logger.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(c, time.Minute, 30, 1000)
	}))
	h.defaults()
	base, err := parsePublicURL(h.PublicURL)
	if err != nil {
		return err
	}
	if h.routes, err = newRoutes(h.Pay, h.Return, h.Notify); err != nil {
		return err
	}
	app, err := ctx.AppIfConfigured("alipay")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return errors.New("alipay: the site's directive needs an account; add the alipay option to the global options, with at least app_id, app_private_key and alipay_public_key")
	}
	if err != nil {
		return err
	}
	h.app = app.(*App)
	if h.account, err = h.app.account(h.Account); err != nil {
		return fmt.Errorf("account: %w", err)
	}
	if h.Shadow {
		h.site = &shop.Shop{PublicURL: base}
		guardErrors(ctx)
		return h.checkShadow()
	}
	if err := h.loadGuests(ctx); err != nil {
		return err
	}
	h.site.PublicURL = base
	if h.site.Signer, err = h.Assertion.signer(h.account); err != nil {
		return fmt.Errorf("assertion: %w", err)
	}
	guardErrors(ctx)
	h.app.sites = append(h.app.sites, h)
	return nil
}

func (h *Handler) defaults() {
	for _, d := range []struct {
		option *string
		value  string
	}{{&h.Pay, "/pay"}, {&h.Return, "/pay/return"}, {&h.Notify, "/pay/notify"}} {
		if *d.option == "" {
			*d.option = d.value
		}
	}
	if h.Expire == 0 {
		h.Expire = caddy.Duration(time.Hour)
	}
	if h.ShopTimeout == 0 {
		h.ShopTimeout = caddy.Duration(5 * time.Second)
	}
}

// checkShadow refuses what a site in shadow mode would not use.
func (h *Handler) checkShadow() error {
	if h.ShopRaw != nil || h.OrdersRaw != nil || h.Ack != "" || h.Assertion != nil {
		return errors.New("shadow leaves paying and telling to the shop: it takes no shop, order, orders, ack or assertion; remove shadow to switch over")
	}
	return nil
}

func (h *Handler) loadGuests(ctx caddy.Context) error {
	if h.ShopRaw == nil {
		return errors.New("shop is missing; it is where the sidecar reaches the shop, such as: shop localhost:8080")
	}
	mod, err := ctx.LoadModule(h, "ShopRaw")
	if err != nil {
		return fmt.Errorf("shop: %w", err)
	}
	handler, ok := mod.(caddyhttp.MiddlewareHandler)
	if !ok {
		return fmt.Errorf("shop: module %T is no HTTP handler", mod)
	}
	if h.OrdersRaw == nil {
		return errors.New("order is missing; it is the path at which the shop tells what an order costs, such as: order /alipay/orders/{out_trade_no}")
	}
	if mod, err = ctx.LoadModule(h, "OrdersRaw"); err != nil {
		return err
	}
	if h.source, ok = mod.(shop.Source); !ok {
		return fmt.Errorf("orders: module %T does not implement shop.Source", mod)
	}
	h.site = &shop.Shop{
		Handler: handler, NotifyPath: h.Notify, Timeout: time.Duration(h.ShopTimeout), Strict: h.Ack == "strict",
	}
	return nil
}

// Validate checks the values that have no default to fall back to.
func (h *Handler) Validate() error {
	switch {
	case time.Duration(h.Expire) < time.Minute || time.Duration(h.Expire) > 15*24*time.Hour:
		return fmt.Errorf("expire %s is outside Alipay's bounds, 1m to 15d", time.Duration(h.Expire))
	case time.Duration(h.ShopTimeout) < 100*time.Millisecond || time.Duration(h.ShopTimeout) > time.Minute:
		return fmt.Errorf("shop_timeout %s is outside 100ms to 1m", time.Duration(h.ShopTimeout))
	case h.Ack != "" && h.Ack != "strict":
		return fmt.Errorf("ack %q is unknown; the only word is strict", h.Ack)
	}
	return nil
}

// maxCallbackURL is how long Alipay lets return_url and notify_url be.
const maxCallbackURL = 256

// parsePublicURL reads public_url. What it returns has no trailing slash.
func parsePublicURL(s string) (*url.URL, error) {
	s, err := caddy.NewReplacer().ReplaceOrErr(s, true, true)
	if err != nil {
		return nil, fmt.Errorf("public_url: %w; set the variable, or write the URL itself", err)
	}
	if s == "" {
		return nil, errors.New("public_url is missing; it is the site's address for buyers and Alipay, such as https://shop.example.com")
	}
	u, err := url.Parse(strings.TrimRight(s, "/"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("public_url %q is no URL", s)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("public_url %q has to begin with https:// (or http://) and name a host", s)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(s, "#"):
		return nil, fmt.Errorf("public_url %q may have neither a query nor a fragment: Alipay moves a query into the body, and its signature fails", s)
	case u.User != nil:
		return nil, errors.New("public_url may not hold a user or a password")
	case len(s) > maxCallbackURL-64:
		return nil, fmt.Errorf("public_url is %d characters long; Alipay takes 256 with the path", len(s))
	}
	return u, nil
}

// callback is the address of one of the handler's paths, as Alipay calls it.
func (h *Handler) callback(path string) string { return h.site.PublicURL.String() + path }

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
