// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-alipay/caddy-alipay/caddymodule"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// upstreams are the addresses of a shop's reverse proxies, wherever they nest.
func upstreams(data json.RawMessage) []string {
	var list []json.RawMessage
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &list) != nil && json.Unmarshal(data, &object) == nil {
		for _, name := range slices.Sorted(maps.Keys(object)) {
			list = append(list, object[name])
		}
	}
	var found []string
	var dial string
	if json.Unmarshal(object["dial"], &dial) == nil && dial != "" {
		found = append(found, dial)
	}
	for _, member := range list {
		found = append(found, upstreams(member)...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

const (
	// maxAddresses bounds how many of this machine's addresses are tried.
	maxAddresses = 16
	tryTimeout   = time.Second
)

// exposed looks whether a shop can be reached around this server: then anybody
// could send it headers that look proved.
func (x *examination) exposed(ctx context.Context, dial string) {
	address, err := caddy.ParseNetworkAddress(dial)
	if err != nil || address.IsUnixNetwork() || address.IsFdNetwork() || address.PortRangeSize() != 1 || address.Host == "" {
		return
	}
	port := strconv.Itoa(int(address.StartPort))
	open := ""
	for _, own := range x.own() {
		if ctx.Err() != nil {
			return
		}
		if pointsHere(address.Host, own) && accepts(ctx, net.JoinHostPort(own.String(), port)) {
			open = net.JoinHostPort(own.String(), port)
			break
		}
	}
	if ip, err := netip.ParseAddr(address.Host); open == "" && err == nil && isPublic(ip) {
		open = net.JoinHostPort(address.Host, port)
	}
	if open != "" {
		x.warning(ShopExposed, x.say("the shop can be reached around this server at %s: whoever can connect there can send it X-Alipay headers of his own",
			"可以绕过本服务器经 %s 直接访问商城：能连接该地址的人可以向商城发送伪造的 X-Alipay 请求头", open),
			x.say("bind the shop to 127.0.0.1, or close port %s in the firewall; better still, have the shop verify X-Alipay-Trade-Assertion",
				"让商城只监听 127.0.0.1，或在防火墙中关闭端口 %s；更稳妥的是让商城验证 X-Alipay-Trade-Assertion", port))
	}
}

// pointsHere reports whether a connection to host may end at the address own of
// this machine, if a server listens on all of its addresses.
func pointsHere(host string, own netip.Addr) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsLoopback() || ip.IsUnspecified() || ip == own)
}

// outwardAddresses are this machine's addresses that others may reach.
func outwardAddresses() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if ip := prefix.Addr(); err == nil && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && len(own) < maxAddresses {
			own = append(own, ip)
		}
	}
	return own
}

func isPublic(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate()
}

func accepts(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{Timeout: tryTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// lookUp asks the shop for an order as a visitor who is not logged in. What the
// shop answers to him, anybody can see and pay for.
func (x *examination) lookUp(ctx context.Context, h *caddymodule.Handler) {
	var orders struct {
		Source string `json:"source"`
	}
	if json.Unmarshal(h.OrdersRaw, &orders) == nil && orders.Source == "token" {
		return // the shop signs its orders and is not asked
	}
	number := cmp.Or(x.OutTradeNo, randomNumber())
	cctx, cancel, err := scratch()
	if err != nil {
		x.fault(OrderUnusable, err.Error(), "")
		return
	}
	defer cancel()
	asking, stop := context.WithTimeout(ctx, callTimeout)
	defer stop()
	answer, err := h.LookUp(asking, cctx, number)
	switch {
	case err != nil:
		x.fault(OrderUnusable, err.Error(), "")
	case answer.Offered && x.OutTradeNo != "":
		x.fault(OrderLeaks, x.say("the shop tells order %s to a visitor who is not logged in", "商城向未登录的访客透露了订单 %s", number),
			x.say("check in the look-up whose order it is, and answer 401 or 404 to others", "在查询接口中核对订单归属，对其他人返回 401 或 404"))
	case answer.Offered:
		x.fault(OrderAnyNumber, x.say("the shop names a price for an order number that was made up", "商城对一个编造的订单号给出了价格"),
			x.say("answer 404 where there is no such order", "对不存在的订单返回 404"))
	case answer.Err != nil:
		x.unanswered(answer.Err)
	default:
		x.fine(OrderFine, x.say("the shop's order look-up answered a stranger with %d, and no order", "商城的订单查询对陌生访客返回 %d，没有透露订单", answer.Status))
	}
}

func (x *examination) unanswered(err error) {
	network := is[reverseproxy.DialError](err)
	refusal, ok := errors.AsType[caddyhttp.HandlerError](err)
	text := err.Error()
	if ok && refusal.Err != nil {
		text = refusal.Err.Error() // without the trace of where it arose
	}
	if network || ok && refusal.StatusCode == http.StatusGatewayTimeout {
		x.fault(ShopUnreachable, x.say("the shop cannot be reached: %s", "无法连接商城：%s", text),
			x.say("start the shop, or mend the address after: shop", "请启动商城，或修正 shop 后的地址"))
		return
	}
	cure := x.say("see the log of the shop", "请查看商城的日志")
	if errors.Is(err, trade.ErrOffer) {
		cure = x.say("answer 401 or 404 to a visitor who may not see the order, not 200 with a page", "对无权查看订单的访客返回 401 或 404，而不是 200 和网页")
	}
	x.fault(OrderUnusable, text, cure)
}
