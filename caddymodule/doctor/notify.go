// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule"
)

// browser is a User-Agent that no filter turns away. Alipay's own notices come
// without anything that looks like a browser.
const browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"

// probe is a notice that everybody can see is none of Alipay's.
const probe = "notify_type=trade_status_sync&app_id=doctor&notify_id=doctor&trade_status=doctor"

// maxPage bounds what is read of a page that answers in our place, in bytes.
const maxPage = 64 << 10

// notified is how a notify path answered.
type notified struct {
	status   int
	header   http.Header
	body     string
	location *url.URL
}

// ours: only this module refuses a notice so.
func (n *notified) ours() bool {
	return n.status == http.StatusBadRequest && n.body == "failure"
}

// notify posts a bogus notice to the site, as Alipay posts real ones, and expects
// it to be refused by us.
func (x *examination) notify(ctx context.Context, base *url.URL, h *caddymodule.Handler) {
	path := h.Notify
	address := callback(base, path)
	plain, err := x.post(ctx, address, "")
	if err != nil {
		why, certificate := x.hint(err)
		if certificate {
			x.fault(PublicURLTLS, x.say("the certificate of %s is not valid, and Alipay takes no other: %s", "%s 的证书无效，而支付宝只接受有效证书：%s", base.Host, why),
				x.say("let Caddy get one: shop.example.com { … } with ports 80 and 443 open, or serve the whole chain", "让 Caddy 自动获取证书（开放 80 和 443 端口），或提供完整的证书链"))
			return
		}
		x.fault(PublicURLUnreachable, x.say("%s cannot be reached from here: %s", "从本机无法访问 %s：%s", address, why),
			x.say("check DNS, firewall and port; if it only fails from inside (no hairpin NAT), run the doctor elsewhere",
				"请检查 DNS、防火墙和端口；若仅在内网无法访问（无 NAT 回环），请在其他机器上运行"))
		return
	}
	if plain.ours() {
		x.fine(NotifyFine, x.say("%s is answered by this module, without a redirect", "%s 由本模块直接应答，没有跳转", address))
		return
	}
	if h.Shadow && plain.location == nil && !plain.challenge() {
		x.shadow(plain, address)
		return
	}
	if plain.location == nil {
		if with, err := x.post(ctx, address, browser); err == nil && with.ours() {
			x.fault(NotifyUserAgent, x.say("%s answers browsers and turns others away (status %d): Alipay's notices are no browser's",
				"%s 只应答浏览器，其他客户端被拒（状态 %d）：支付宝的通知不是浏览器发出的", address, plain.status),
				x.say("except the path %s from the User-Agent or bot filter in front", "请在前置的 User-Agent 或爬虫过滤规则中放行路径 %s", path))
			return
		}
	}
	x.elsewhere(plain, base, path)
}

// shadow judges the shop's own integration by what it says to a notice that Alipay
// has not signed.
func (x *examination) shadow(n *notified, address string) {
	if n.status == http.StatusOK && strings.TrimSpace(n.body) == "success" {
		x.fault(ShopUnverified, x.say("in shadow mode the shop answers at %s, and it took a notice that nobody has signed: anybody can make it believe a payment",
			"影子模式下由商城应答 %s，而它接受了一条没有签名的通知：任何人都能让它相信已付款", address),
			x.say("have this module answer instead: take shadow out, and give shop and order", "改由本模块应答：去掉 shadow，并配置 shop 和 order"))
		return
	}
	x.fine(NotifyFine, x.say("in shadow mode the shop answers at %s, and it refused a notice that nobody has signed", "影子模式下由商城应答 %s，它拒绝了一条没有签名的通知", address))
}

func (x *examination) post(ctx context.Context, address, agent string) (*notified, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(probe))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	req.Header.Set("User-Agent", agent) // "": none is sent
	resp, err := x.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return nil, err
	}
	n := &notified{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		if to, err := resp.Location(); err == nil {
			n.location = to
		}
	}
	return n, nil
}

// elsewhere tells what answers in our place.
func (x *examination) elsewhere(n *notified, base *url.URL, path string) {
	address := callback(base, path)
	switch {
	case n.location != nil && n.location.Path == base.Path+path+"/":
		x.fault(NotifySlash, x.say("%s is redirected to the same path with a slash, and Alipay follows no redirect", "%s 被跳转到以斜杠结尾的同一路径，而支付宝不跟随跳转", address),
			x.say("let %s reach this module as it is: no rule in front may add a slash to it", "请让 %s 原样到达本模块：前置规则不得为其补斜杠", path))
	case n.location != nil:
		cure := "public_url " + n.location.Scheme + "://" + n.location.Host + base.Path
		if n.location.Path != base.Path+path {
			cure = x.say("let %s reach this module without a redirect", "请让 %s 不经跳转到达本模块", path)
		}
		x.fault(NotifyRedirect, x.say("%s is redirected (%d) to %s://%s, and Alipay follows no redirect", "%s 被跳转（%d）到 %s://%s，而支付宝不跟随跳转",
			address, n.status, n.location.Scheme, n.location.Host), cure)
	case n.challenge():
		x.fault(NotifyChallenge, x.say("%s answers with a challenge (status %d), which only a browser can solve", "%s 返回人机验证页面（状态 %d），只有浏览器才能通过", address, n.status),
			x.say("except the path %s from the firewall's or CDN's bot check", "请在防火墙或 CDN 的人机验证中放行路径 %s", path))
	default:
		x.fault(NotifyElsewhere, x.say("%s is not answered by this module (status %d): something in front takes the path, or the site is another one",
			"%s 不是由本模块应答（状态 %d）：路径被前面的程序占用，或站点不是这一个", address, n.status),
			x.say("pass %s on to this server, without a login and without a cache", "请把 %s 转发到本服务器，不要登录验证，不要缓存", path))
	}
}

// challenge tells the pages of bot checks from others by what the usual ones hold.
func (n *notified) challenge() bool {
	if n.header.Get("Cf-Mitigated") != "" || n.header.Get("X-Amzn-Waf-Action") != "" {
		return true
	}
	if !strings.Contains(n.header.Get("Content-Type"), "html") {
		return false
	}
	page := strings.ToLower(n.body)
	for _, sign := range []string{"captcha", "challenge", "just a moment", "人机验证", "安全验证", "滑块", "访问验证", "acw_sc__v2", "security check", "checking your browser"} {
		if strings.Contains(page, sign) {
			return true
		}
	}
	return false
}
