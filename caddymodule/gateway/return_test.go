// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"testing"
	"time"
)

func TestReturn(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	want := Return{
		OutTradeNo: "T-1", TradeNo: "2026010222001400000000000001", SellerID: "2088000000000002",
		Method: "alipay.trade.page.pay.return", Total: 8888, At: time.Date(2026, 1, 1, 19, 4, 12, 0, time.UTC),
	}
	good := encode(p.signed(t, comeback()))
	for name, query := range map[string]string{
		"as documented":          good,
		"the shop's own beside":  "page=2&" + good + "&utm_source=a%20b&x&q=%zz&name=%E8%8C%B6",
		"not UTF-8, not read":    good + "&x=%ff",
		"GBK":                    encode(p.signed(t, with(comeback(), "charset", "GBK"))),
		"alipay_cert_sn signed":  encode(p.signed(t, with(comeback(), "alipay_cert_sn", "x"))),
		"alipay_cert_sn beside":  good + "&alipay_cert_sn=x",
		"an empty one, unsigned": encode(with(p.signed(t, with(comeback(), "auth_app_id", "-")), "auth_app_id", "")),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := v.Return(query)
			if err != nil {
				t.Fatal(err)
			}
			got.At = got.At.UTC()
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	wap := encode(p.signed(t, with(comeback(), "method", "alipay.trade.wap.pay.return", "seller_id", "-")))
	if r, err := v.Return(wap); err != nil || r.Method != "alipay.trade.wap.pay.return" || r.SellerID != "" {
		t.Errorf("wap: %+v, %v", r, err)
	}
}

func TestReturnRefusals(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	query := func(changes ...string) string { return encode(p.signed(t, with(comeback(), changes...))) }
	good := query()
	for name, tc := range map[string]struct {
		query string
		want  Reason
	}{
		"empty":                     {"", ReasonSize},
		"over 8 KiB":                {good + "&x=" + strings.Repeat("y", MaxReturnQuery), ReasonSize},
		"257 parameters":            {good + strings.Repeat("&x", 257), ReasonForm},
		"half an escape":            {strings.Replace(good, "T-1", "T-1%4", 1), ReasonForm},
		"a key with half an escape": {good + "&x%4=1", ReasonForm},
		"a semicolon":               {good + "&x=1;out_trade_no=T-2", ReasonForm},
		"an escaped & in a value":   {strings.Replace(good, "out_trade_no=T-1&seller_id", "out_trade_no=T-1%26seller_id", 1), ReasonForm},
		"doubled":                   {good + "&out_trade_no=T-2", ReasonDuplicateKey},
		"doubled, escaped key":      {good + "&out%5Ftrade%5Fno=T-2", ReasonDuplicateKey},
		"doubled, PHP's spelling":   {good + "&out.trade_no=T-2", ReasonDuplicateKey},
		"doubled, PHP's array":      {good + "&out[trade_no=T-2", ReasonDuplicateKey},
		"doubled, a space":          {good + "&out+trade%20no=T-2", ReasonDuplicateKey},
		"doubled, a leading space":  {good + "&+out_trade_no=T-2", ReasonDuplicateKey},
		"doubled, behind a NUL":     {good + "&out_trade_no%00x=T-2", ReasonDuplicateKey},
		"doubled, in upper case":    {good + "&OUT_TRADE_NO=T-2", ReasonDuplicateKey},
		"doubled as an array":       {good + "&out_trade_no[]=T-2", ReasonDuplicateKey},
		"no method":                 {query("method", "-"), ReasonMethod},
		"another method":            {query("method", "alipay.trade.app.pay.return"), ReasonMethod},
		"a notice":                  {encode(p.signed(t, payment())), ReasonMethod},
		"no out_trade_no":           {query("out_trade_no", "-"), ReasonMissing},
		"no trade_no":               {query("trade_no", "-"), ReasonMissing},
		"no amount":                 {query("total_amount", "-"), ReasonMissing},
		"another app":               {query("app_id", "9021000199990002"), ReasonAppID},
		"RSA":                       {query("sign_type", "RSA"), ReasonSignType},
		"another charset":           {query("charset", "big5"), ReasonCharset},
		"an amount of no sense":     {query("total_amount", "8e1"), ReasonAmount},
		"an amount of zero":         {query("total_amount", "0.00"), ReasonAmount},
		"no sign":                   {encode(comeback()), ReasonSignFormat},
		"another key":               {encode(namedPair(t, "other").signed(t, comeback())), ReasonSignature},
		"a changed amount":          {strings.Replace(good, "88.88", "0.01", 1), ReasonSignature},
		"an identifier in no UTF-8": {query("out_trade_no", "T-\xff"), ReasonEncoding},
		"method hidden in a value":  {strings.Replace(good, "charset=utf-8&method=", "charset=utf-8%26method=", 1), ReasonForm},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Return(tc.query)
			wantReason(t, err, tc.want)
		})
	}
}

// TestReturnCost: one RSA operation for a forged return, two if it names a
// certificate.
func TestReturnCost(t *testing.T) {
	v := newTestVerifier(t, namedPair(t, "alipay").alipayKey(t, ""))
	n := countChecks(v)
	forged := with(comeback(), "sign", strings.Repeat("A", 342)+"==")
	for _, query := range []string{encode(forged), encode(with(forged, "alipay_cert_sn", "x"))} {
		_, err := v.Return(query)
		wantReason(t, err, ReasonSignature)
	}
	if *n != 3 {
		t.Errorf("%d RSA operations, want 3", *n)
	}
}
