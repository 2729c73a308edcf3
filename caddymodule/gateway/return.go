// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// MaxReturnQuery bounds the query string of a return, in bytes. Alipay's have
// about 800.
const MaxReturnQuery = 8 << 10

// Return is what the buyer's browser brought back, signed by Alipay. It names
// an order and proves nothing about its payment.
type Return struct {
	OutTradeNo string
	TradeNo    string
	SellerID   string // "" if the return has none
	Method     string // alipay.trade.page.pay.return or alipay.trade.wap.pay.return
	Total      trade.Amount
	At         time.Time // timestamp; zero if unreadable
}

// returnParams are the twelve documented parameters, and alipay_cert_sn, which
// production is said to add in certificate mode. Sorted. Whatever else the
// return_url carried is not signed.
var returnParams = []string{
	"alipay_cert_sn", "app_id", "auth_app_id", "charset", "method", "out_trade_no", "seller_id", "sign", "sign_type",
	"timestamp", "total_amount", "trade_no", "version",
}

// Return verifies the query string of a return (document 00dn7k). Parameters
// that are not Alipay's are ignored, unless a shop could take one of them for
// Alipay's. The error is a *Rejection.
func (v *Verifier) Return(rawQuery string) (Return, error) {
	ps, rejection := readReturn(rawQuery)
	if rejection != nil {
		return Return{}, rejection
	}
	method := ps.get("method")
	if method != "alipay.trade.page.pay.return" && method != "alipay.trade.wap.pay.return" {
		return Return{}, reject(ReasonMethod, "method is not that of a return")
	}
	for _, key := range [...]string{"out_trade_no", "trade_no", "total_amount"} {
		if ps.get(key) == "" {
			return Return{}, reject(ReasonMissing, "the return has no "+key)
		}
	}
	c, rejection := v.checkCommon(ps)
	if rejection != nil {
		return Return{}, rejection
	}
	total, err := trade.ParseAmount(ps.get("total_amount"))
	if err != nil {
		return Return{}, reject(ReasonAmount, "total_amount is not an amount in yuan")
	}
	if _, rejection := v.verify(ps); rejection != nil {
		return Return{}, rejection
	}
	f := fields{ps: ps, charset: c, ok: true}
	r := Return{
		OutTradeNo: f.text("out_trade_no"),
		TradeNo:    f.text("trade_no"),
		SellerID:   f.text("seller_id"),
		Method:     method,
		Total:      total,
		At:         parseTime(ps.get("timestamp")),
	}
	if !f.ok {
		return Return{}, reject(ReasonEncoding, "an identifier is not text in the message's charset")
	}
	return r, nil
}

// readReturn picks Alipay's parameters out of a query string.
func readReturn(rawQuery string) (params, *Rejection) {
	if rawQuery == "" || len(rawQuery) > MaxReturnQuery {
		return nil, reject(ReasonSize, "the query is empty or over 8 KiB")
	}
	if strings.Count(rawQuery, "&") >= maxParams {
		return nil, reject(ReasonForm, "more than 256 parameters")
	}
	ps := make(params, 0, len(returnParams))
	for piece := range strings.SplitSeq(rawQuery, "&") {
		rawKey, rawValue, _ := strings.Cut(piece, "=")
		key, err := url.QueryUnescape(rawKey)
		if err != nil || strings.Contains(piece, ";") {
			return nil, reject(ReasonForm, "a key that is not percent-encoded, or a semicolon, which some parsers take for &")
		}
		alias := aliasOf(key)
		if _, listed := slices.BinarySearch(returnParams, alias); !listed {
			continue
		}
		if key != rawKey || key != alias || ps.has(key) {
			return nil, reject(ReasonDuplicateKey, "a parameter of Alipay's occurs twice, or in disguise")
		}
		value, rest, ok := appendValue(nil, []byte(rawValue))
		if !ok || len(rest) > 0 || strings.IndexByte(string(value), '&') >= 0 {
			return nil, reject(ReasonForm, "a value that is not percent-encoded, or that holds an &")
		}
		ps = append(ps, param{key: key, value: string(value)})
	}
	ps.sort()
	return ps, nil
}

// aliasOf is the name under which a shop's language may show a parameter: PHP
// turns points, spaces and lone brackets into underscores, makes a list of
// name[], and cuts at a NUL; ASP.NET ignores case.
func aliasOf(key string) string {
	key, _, _ = strings.Cut(strings.TrimLeft(key, " "), "\x00")
	if i := strings.IndexByte(key, '['); i >= 0 && strings.IndexByte(key[i:], ']') > 0 {
		key = key[:i]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '.' || r == ' ' || r == '[':
			return '_'
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, key)
}

func (ps params) has(key string) bool {
	return slices.ContainsFunc(ps, func(p param) bool { return p.key == key })
}
