// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-alipay/caddy-alipay/caddymodule"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

// config is what a configuration says about Alipay.
type config struct {
	accounts map[string]*caddymodule.Account
	sites    []*caddymodule.Handler
	gateways map[string]*url.URL // by account, where they can be read
}

// handlerModules tells our handlers from those of others within Caddy's routes.
const handlerModule = "alipay"

func readConfig(data []byte) (config, error) {
	var whole struct {
		Apps struct {
			Alipay caddymodule.App `json:"alipay"`
			HTTP   struct {
				Servers json.RawMessage `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(data, &whole); err != nil {
		return config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	c := config{accounts: whole.Apps.Alipay.Accounts, gateways: make(map[string]*url.URL)}
	maps.DeleteFunc(c.accounts, func(_ string, a *caddymodule.Account) bool { return a == nil })
	return c, c.findSites(whole.Apps.HTTP.Servers)
}

// findSites looks for our handlers wherever routes may nest them.
func (c *config) findSites(data json.RawMessage) error {
	var list []json.RawMessage
	var object map[string]json.RawMessage
	switch {
	case json.Unmarshal(data, &list) == nil:
	case json.Unmarshal(data, &object) == nil:
		if string(object["handler"]) == `"`+handlerModule+`"` {
			delete(object, "handler")
			plain, err := json.Marshal(object)
			if err != nil {
				return err
			}
			h := new(caddymodule.Handler)
			if err := json.Unmarshal(plain, h); err != nil {
				return fmt.Errorf("reading a site's alipay: %w", err)
			}
			c.sites = append(c.sites, h)
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			list = append(list, object[name])
		}
	}
	for _, member := range list {
		if err := c.findSites(member); err != nil {
			return err
		}
	}
	return nil
}

func (x *examination) accounts(ctx context.Context, c config) {
	if len(c.accounts) == 0 {
		x.fault(NoAccount,
			x.say("the configuration has no account at Alipay", "配置中没有支付宝账户"),
			"{ alipay { app_id …  app_private_key …  alipay_public_key … } }")
	}
	for _, name := range slices.Sorted(maps.Keys(c.accounts)) {
		x.subject = x.say("account ", "账户 ") + name
		x.account(ctx, c, name)
	}
}

var (
	appIDForm    = regexp.MustCompile(`^[0-9A-Za-z]{1,32}$`)
	sellerIDForm = regexp.MustCompile(`^[0-9A-Za-z]{1,28}$`)
)

func (x *examination) account(ctx context.Context, c config, name string) {
	a := c.accounts[name]
	if !x.resolve(a) {
		return
	}
	before := len(x.found)
	if !appIDForm.MatchString(a.AppID) {
		x.fault(BadAppID, x.say("app_id is missing, or not 1 to 32 letters and digits", "app_id 缺失，或不是 1 到 32 位字母和数字"),
			"app_id 2021000000000001")
	}
	switch {
	case a.SellerID == "":
		x.warning(NoSellerID, x.say("no seller_id is configured: whoever was paid is recorded, not checked", "未配置 seller_id：收款方只记录，不核对"),
			"seller_id 2088…")
	case !sellerIDForm.MatchString(a.SellerID):
		x.fault(BadSellerID, x.say("seller_id is not 1 to 28 letters and digits", "seller_id 不是 1 到 28 位字母和数字"), "seller_id 2088…")
	}
	address := x.gatewayOption(c, name, a)
	keys := x.keys(a)
	if keys == nil || address == "" || x.worstSince(before) == Fault || x.Offline {
		return
	}
	keys.AppID, keys.URL = a.AppID, address
	x.gateway(ctx, *keys)
}

func (x *examination) worstSince(n int) Severity { return Worst(x.found[n:]) }

// resolve fills in placeholders, and reports false if one cannot be.
func (x *examination) resolve(a *caddymodule.Account) bool {
	options := map[string]*string{
		"app_id": &a.AppID, "app_private_key": &a.AppPrivateKey, "alipay_public_key": &a.AlipayPublicKey, "app_cert": &a.AppCert,
		"alipay_root_cert": &a.AlipayRootCert, "seller_id": &a.SellerID, "gateway": &a.Gateway,
		"encrypt_key": &a.EncryptKey,
	}
	for i := range a.AlipayCerts {
		options[fmt.Sprintf("alipay_cert %d", i+1)] = &a.AlipayCerts[i]
	}
	for i := range a.OlderAlipayPublicKeys {
		options[fmt.Sprintf("alipay_public_key %d", i+2)] = &a.OlderAlipayPublicKeys[i]
	}
	good := true
	for _, name := range slices.Sorted(maps.Keys(options)) {
		value, err := caddy.NewReplacer().ReplaceOrErr(*options[name], true, true)
		if err != nil {
			good = false
			x.fault(OptionUnset, x.say("%s is %s, which is not set here", "%s 为 %s，此处未设置", name, *options[name]),
				x.say("run the doctor with the environment that the server has, or set the variable", "请在与服务器相同的环境变量下运行，或设置该变量"))
		}
		*options[name] = value
	}
	return good
}

func (x *examination) gatewayOption(c config, name string, a *caddymodule.Account) string {
	address, err := gateway.GatewayURL(a.Gateway)
	if err != nil {
		x.fault(BadGateway, err.Error(), "gateway production")
		return ""
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	c.gateways[name] = u
	if u.Scheme == "http" && !isInward(u.Hostname()) {
		x.warning(PlainGateway, x.say("the gateway is asked over plain HTTP: others can read which orders are asked about",
			"网关使用明文 HTTP：他人可以看到所查询的订单"), "gateway https://"+u.Host+u.Path)
	}
	return address
}

// isInward reports whether a host can be meant only for this machine or network.
func isInward(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified()
	}
	for _, suffix := range []string{"localhost", ".localhost", ".local", ".internal", ".lan", ".test"} {
		if host == strings.TrimPrefix(suffix, ".") || strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return !strings.Contains(host, ".") && net.ParseIP(host) == nil
}
