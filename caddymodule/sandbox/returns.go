// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"net/url"
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

// returnParams are the parameters of the synchronous return before signing:
// twelve with the signature, and no trade_status among them (document 00dn7k).
func (s *Sandbox) returnParams(trade *bank.Trade, way product, charset string) wire.Params {
	return wire.Params{
		{Key: "charset", Value: charset},
		{Key: "out_trade_no", Value: trade.OutTradeNo},
		{Key: "method", Value: way.method + ".return"},
		{Key: "total_amount", Value: trade.Total.String()},
		{Key: "trade_no", Value: trade.TradeNo},
		{Key: "auth_app_id", Value: s.cfg.AppID},
		{Key: "version", Value: "1.0"},
		{Key: "app_id", Value: s.cfg.AppID},
		{Key: "sign_type", Value: "RSA2"},
		{Key: "seller_id", Value: trade.SellerID},
		{Key: "timestamp", Value: alipayTime(s.clock.Now())},
	}
}

// spoiledReturnURL is where the paid page leads: the return, or what a fault
// makes of it. It runs under s.mu.
func (s *Sandbox) spoiledReturnURL(visit *session, trade *bank.Trade) (string, error) {
	if s.has("return_never", trade) {
		return "", nil
	}
	charset := visit.charset
	if s.has("return_gbk", trade) {
		charset = wire.GBK
	}
	return s.returnURL(visit, trade, charset, s.has("return_wrong_signature", trade))
}

// returnURL is where the browser goes after payment, "" when the merchant gave
// no return_url. The merchant's own query stays, unsigned. It runs under s.mu.
func (s *Sandbox) returnURL(visit *session, trade *bank.Trade, charset string, forged bool) (string, error) {
	if visit == nil || visit.returnURL == "" || trade == nil || trade.Paid.IsZero() {
		return "", nil
	}
	params, err := sign(s.cfg.AlipayKey, s.returnParams(trade, visit.product, charset), charset)
	if err != nil {
		return "", err
	}
	if forged {
		params = params.Set("sign", s.alienSignature())
	}
	target, err := url.Parse(visit.returnURL)
	if err != nil {
		return "", err
	}
	target.RawQuery = strings.TrimPrefix(target.RawQuery+"&"+params.Encode(), "&")
	return target.String(), nil
}
