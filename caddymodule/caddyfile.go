// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("alipay", parseGlobal)
	httpcaddyfile.RegisterDirective("alipay", parseSite)
	// before all that could take /pay away (redir, rewrite, try_files) or shut
	// Alipay's notices out (basic_auth, forward_auth)
	httpcaddyfile.RegisterDirectiveOrder("alipay", httpcaddyfile.Before, "redir")
}

// parseGlobal reads the global option, once per account:
//
//	alipay [<name>] {
//	    app_id            <id>
//	    app_private_key   <file>
//	    alipay_public_key <file> [<older_file>...]
//	    app_cert          <file>
//	    alipay_cert       <file>   # repeatable
//	    alipay_root_cert  <file>
//	    encrypt_key       <base64>
//	    seller_id         <id>
//	    gateway           production|sandbox|<url>
//	    ledger            <kind> [...]
//	    assertion_rotate  <duration>
//	    assertion_key     <file>   # repeatable
//	}
func parseGlobal(d *caddyfile.Dispenser, existing any) (any, error) {
	app := &App{Accounts: make(map[string]*Account)}
	if earlier, ok := existing.(httpcaddyfile.App); ok {
		if err := caddy.StrictUnmarshalJSON(earlier.Value, app); err != nil {
			return nil, d.WrapErr(err)
		}
	}
	d.Next() // the option's name
	name := defaultAccount
	if d.NextArg() {
		name = d.Val()
	}
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	if app.Accounts[name] != nil {
		return nil, d.Errf("the account %q is configured twice", name)
	}
	app.Accounts[name] = new(Account)
	if err := app.Accounts[name].unmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "alipay", Value: caddyconfig.JSON(app, nil)}, nil
}

func (a *Account) unmarshalCaddyfile(d *caddyfile.Dispenser) error {
	texts := map[string]*string{
		"app_id": &a.AppID, "app_private_key": &a.AppPrivateKey, "encrypt_key": &a.EncryptKey,
		"app_cert": &a.AppCert, "alipay_root_cert": &a.AlipayRootCert, "seller_id": &a.SellerID, "gateway": &a.Gateway,
	}
	lists := map[string]*[]string{"alipay_cert": &a.AlipayCerts, "assertion_key": &a.AssertionKeys}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if into := texts[option]; into != nil {
			if err := once(d, into); err != nil {
				return err
			}
			continue
		}
		if into := lists[option]; into != nil {
			var file string
			if err := once(d, &file); err != nil {
				return err
			}
			*into = append(*into, file)
			continue
		}
		switch option {
		case "alipay_public_key":
			if err := a.unmarshalPublicKeys(d); err != nil {
				return err
			}
		case "assertion_rotate":
			if err := duration(d, &a.AssertionRotate); err != nil {
				return err
			}
		case "ledger":
			if a.LedgerRaw != nil {
				return d.Errf("ledger is given twice")
			}
			var err error
			if a.LedgerRaw, err = guest(d, "alipay.ledger", "kind"); err != nil {
				return err
			}
		default:
			return d.Errf("unknown option %q of alipay", option)
		}
	}
	return nil
}

func (a *Account) unmarshalPublicKeys(d *caddyfile.Dispenser) error {
	if a.AlipayPublicKey != "" {
		return d.Errf("alipay_public_key is given twice; older keys that still count follow on the same line")
	}
	files := d.RemainingArgs()
	switch {
	case len(files) == 0:
		return d.ArgErr()
	case slices.Contains(files, ""):
		return d.Errf("alipay_public_key is empty")
	}
	a.AlipayPublicKey, a.OlderAlipayPublicKeys = files[0], files[1:]
	return nil
}

// once reads the one argument of an option that may be given once.
func once(d *caddyfile.Dispenser, into *string) error {
	option := d.Val()
	if *into != "" {
		return d.Errf("%s is given twice", option)
	}
	if !d.AllArgs(into) { // the dispenser's own error would show the value, which may be a secret
		return d.Errf("%s takes one value", option)
	}
	if *into == "" {
		return d.Errf("%s is empty", option)
	}
	return nil
}

// guest reads an option whose first argument names a guest module.
func guest(d *caddyfile.Dispenser, namespace, inlineKey string) ([]byte, error) {
	option := d.Val()
	if !d.NextArg() {
		return nil, d.ArgErr()
	}
	name := d.Val()
	if _, err := caddy.GetModule(namespace + "." + name); err != nil {
		return nil, d.Errf("unknown %s %q; this binary has: %s", option+" "+inlineKey, name, strings.Join(guests(namespace), ", "))
	}
	mod, err := caddyfile.UnmarshalModule(d, namespace+"."+name)
	if err != nil {
		return nil, err
	}
	return caddyconfig.JSONModuleObject(mod, inlineKey, name, nil), nil
}

func guests(namespace string) []string {
	var names []string
	for _, m := range caddy.GetModules(namespace) {
		names = append(names, m.ID.Name())
	}
	return names
}

// parseSite takes no matcher: requests that it left out would reach the shop with
// whatever headers a client made up.
func parseSite(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	handler := new(Handler)
	if err := handler.unmarshalCaddyfile(h); err != nil {
		return nil, err
	}
	return h.NewRoute(nil, handler), nil
}

// unmarshalCaddyfile reads the site's directive:
//
//	alipay {
//	    account      <name>
//	    public_url   <url>
//	    shop         <upstreams...> [{ <reverse_proxy options> }] | { <handler directives> }
//	    order        <path with {out_trade_no}>
//	    orders       <source> [...]
//	    pay          <path>
//	    return       <path>
//	    notify       <path>
//	    expire       <duration>
//	    shop_timeout <duration>
//	    ack          strict
//	    shadow
//	    assertion    eddsa|off|hs256 <secret>
//	}
func (h *Handler) unmarshalCaddyfile(helper httpcaddyfile.Helper) error {
	texts := map[string]*string{
		"account": &h.Account, "public_url": &h.PublicURL, "pay": &h.Pay, "return": &h.Return, "notify": &h.Notify, "ack": &h.Ack,
	}
	durations := map[string]*caddy.Duration{"expire": &h.Expire, "shop_timeout": &h.ShopTimeout}
	helper.Next() // the directive's name
	if helper.NextArg() {
		return helper.Errf("alipay takes no matcher or argument, not %q: it has to see every request of its site", helper.Val())
	}
	for nesting := helper.Nesting(); helper.NextBlock(nesting); {
		option := helper.Val()
		var err error
		switch {
		case texts[option] != nil:
			err = once(helper.Dispenser, texts[option])
		case durations[option] != nil:
			err = duration(helper.Dispenser, durations[option])
		default:
			err = h.unmarshalGuest(helper, option)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func duration(d *caddyfile.Dispenser, into *caddy.Duration) error {
	option := d.Val()
	var text string
	if *into != 0 {
		return d.Errf("%s is given twice", option)
	}
	if err := once(d, &text); err != nil {
		return err
	}
	v, err := caddy.ParseDuration(text)
	if err != nil || v <= 0 {
		return d.Errf("%s %q is not a duration such as 90m", option, text)
	}
	*into = caddy.Duration(v)
	return nil
}

func (h *Handler) unmarshalGuest(helper httpcaddyfile.Helper, option string) (err error) {
	switch option {
	case "shadow":
		if h.Shadow {
			return helper.Errf("shadow is given twice")
		}
		if helper.NextArg() {
			return helper.ArgErr()
		}
		h.Shadow = true
	case "shop":
		if h.ShopRaw != nil {
			return helper.Errf("shop is given twice")
		}
		h.ShopRaw, err = parseShop(helper.WithDispenser(helper.NewFromNextSegment()))
	case "order":
		if h.OrdersRaw != nil {
			return helper.Errf("order or orders is given twice")
		}
		mod, err := caddyfile.UnmarshalModule(helper.Dispenser, "alipay.orders.lookup")
		if err != nil {
			return err
		}
		h.OrdersRaw = caddyconfig.JSONModuleObject(mod, "source", "lookup", nil)
	case "orders":
		raw, err := guest(helper.Dispenser, "alipay.orders", "source")
		if err != nil {
			return err
		}
		if h.OrdersRaw != nil {
			return helper.Errf("order or orders is given twice")
		}
		h.OrdersRaw = raw
	case "assertion":
		if h.Assertion != nil {
			return helper.Errf("assertion is given twice")
		}
		h.Assertion = new(Assertion)
		err = h.Assertion.unmarshalCaddyfile(helper.Dispenser)
	default:
		return helper.Errf("unknown option %q of alipay", option)
	}
	return err
}

// parseShop reads the shop option: upstreams and block as reverse_proxy takes
// them, or only a block of handler directives.
func parseShop(h httpcaddyfile.Helper) ([]byte, error) {
	h.Next() // the option's name
	if !h.NextArg() && !blockBeginsWith(h, "to", "dynamic") {
		h.Reset()
		return parseShopBlock(h)
	}
	h.Reset()
	proxy := new(reverseproxy.Handler)
	if err := proxy.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, fmt.Errorf("shop: %w", err)
	}
	if err := proxy.FinalizeUnmarshalCaddyfile(h); err != nil {
		return nil, fmt.Errorf("shop: %w", err)
	}
	if proxy.TransportRaw == nil {
		proxy.TransportRaw = caddyconfig.JSONModuleObject(shopTransport, "protocol", "http", nil)
	}
	return caddyconfig.JSONModuleObject(proxy, "handler", "reverse_proxy", nil), nil
}

// shopTransport keeps more connections to the shop than the 32 that
// reverse_proxy keeps by itself: Alipay's notices come in bursts, and above that
// number each delivery would make a connection and leave a port in TIME_WAIT.
var shopTransport = &reverseproxy.HTTPTransport{KeepAlive: &reverseproxy.KeepAlive{MaxIdleConnsPerHost: 256}}

func parseShopBlock(h httpcaddyfile.Helper) ([]byte, error) {
	handler, err := httpcaddyfile.ParseSegmentAsSubroute(h)
	if err != nil {
		return nil, fmt.Errorf("shop: %w", err)
	}
	routes, ok := handler.(*caddyhttp.Subroute)
	if !ok || len(routes.Routes) == 0 {
		return nil, h.Err("shop is empty; it is where the sidecar reaches the shop, such as: shop localhost:8080")
	}
	return caddyconfig.JSONModuleObject(routes, "handler", "subroute", nil), nil
}

// blockBeginsWith looks at the first word of the block that comes next.
func blockBeginsWith(h httpcaddyfile.Helper, words ...string) bool {
	nesting := h.Nesting()
	if !h.NextBlock(nesting) {
		return false
	}
	for _, w := range words {
		if h.Val() == w {
			return true
		}
	}
	return false
}
