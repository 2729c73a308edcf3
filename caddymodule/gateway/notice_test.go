// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto"
	"crypto/rsa"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func TestNotifyContentTypes(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	body := []byte(encode(p.signed(t, payment())))
	for contentType, ok := range map[string]bool{
		"application/x-www-form-urlencoded":               true,
		"application/x-www-form-urlencoded;charset=utf-8": true,
		"Application/X-WWW-Form-Urlencoded ; charset=GBK": true,
		"":                                false,
		"application/json":                false,
		"multipart/form-data; boundary=x": false,
		"application/x-www-form-urlencoded-and-more":          false,
		"text/plain; application/x-www-form-urlencoded":       false,
		"application/json, application/x-www-form-urlencoded": false,
	} {
		e, err := v.Notify(contentType, body, testTime)
		if ok && err != nil {
			t.Errorf("%q: %v", contentType, err)
		}
		if ok && e.ContentType != "application/x-www-form-urlencoded; charset=utf-8" {
			t.Errorf("%q is kept as %q: the charset is the signed one's", contentType, e.ContentType)
		}
		if !ok {
			wantReason(t, err, ReasonContentType)
		}
	}
}

// TestNotifyRefusals has a notice per reason, each signed so that nothing but
// the one mistake can be what it is refused for.
func TestNotifyRefusals(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	form := func(changes ...string) string { return encode(p.signed(t, with(payment(), changes...))) }
	good := form()
	for name, tc := range map[string]struct {
		body string
		want Reason
	}{
		"empty":                     {"", ReasonSize},
		"over 64 KiB":               {good + "&x=" + strings.Repeat("y", MaxNotifyBody), ReasonSize},
		"no key":                    {good + "&=x", ReasonForm},
		"no value":                  {good + "&x", ReasonForm},
		"trailing &":                {good + "&", ReasonForm},
		"leading &":                 {"&" + good, ReasonForm},
		"doubled &":                 {strings.Replace(good, "&", "&&", 1), ReasonForm},
		"upper-case key":            {good + "&X=y", ReasonForm},
		"key with a point":          {good + "&out.trade.no=y", ReasonForm},
		"escaped key":               {strings.Replace(good, "out_trade_no", "out%5Ftrade_no", 1), ReasonForm},
		"array key":                 {good + "&x[]=y", ReasonForm},
		"half an escape":            {good + "&x=%4", ReasonForm},
		"escape without digits":     {good + "&x=%zz", ReasonForm},
		"raw semicolon":             {good + "&x=a;out_trade_no=b", ReasonForm},
		"raw space":                 {good + "&x=a b", ReasonForm},
		"raw UTF-8":                 {good + "&x=茶", ReasonForm},
		"raw NUL":                   {good + "&x=\x00", ReasonForm},
		"a line break":              {good + "\n", ReasonForm},
		"257 parameters":            {good + strings.Repeat("&x=y", 257), ReasonForm},
		"a JSON body":               {`{"app_id":"` + testApp + `"}`, ReasonForm},
		"doubled key":               {good + "&total_amount=0.01", ReasonDuplicateKey},
		"doubled key, same value":   {good + "&total_amount=88.88", ReasonDuplicateKey},
		"doubled sign":              {good + "&sign=x", ReasonDuplicateKey},
		"a return":                  {encode(p.signed(t, comeback())), ReasonMethod},
		"an empty method":           {form("method", ""), ReasonMethod},
		"no notify_type":            {form("notify_type", "-"), ReasonNotifyType},
		"another notify_type":       {form("notify_type", "servicemarket_order_notify"), ReasonNotifyType},
		"no notify_id":              {form("notify_id", "-"), ReasonMissing},
		"empty notify_id":           {form("notify_id", ""), ReasonMissing},
		"no trade_status":           {form("trade_status", "-"), ReasonMissing},
		"no out_trade_no":           {form("out_trade_no", "-"), ReasonMissing},
		"another app":               {form("app_id", "9021000199990002"), ReasonAppID},
		"no app":                    {form("app_id", "-"), ReasonAppID},
		"RSA":                       {form("sign_type", "RSA"), ReasonSignType},
		"no sign_type":              {form("sign_type", "-"), ReasonSignType},
		"another charset":           {form("charset", "utf-7"), ReasonCharset},
		"no sign":                   {encode(payment()), ReasonSignFormat},
		"empty sign":                {encode(with(payment(), "sign", "")), ReasonSignFormat},
		"sign of another length":    {encode(with(payment(), "sign", strings.Repeat("A", 340))), ReasonSignFormat},
		"sign that is no base64":    {encode(with(payment(), "sign", strings.Repeat("?", 344))), ReasonSignFormat},
		"sign of zeros":             {encode(with(payment(), "sign", strings.Repeat("A", 342)+"==")), ReasonSignature},
		"another key":               {encode(namedPair(t, "other").signed(t, payment())), ReasonSignature},
		"a changed amount":          {strings.Replace(good, "total_amount=88.88", "total_amount=0.01", 1), ReasonSignature},
		"an added parameter":        {good + "&x=y", ReasonSignature},
		"a parameter less":          {encode(with(p.signed(t, payment()), "buyer_id", "-")), ReasonSignature},
		"an identifier in no UTF-8": {form("out_trade_no", "T-\xff"), ReasonEncoding},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Notify(formType, []byte(tc.body), testTime)
			wantReason(t, err, tc.want)
			if tc.body != "" && len(err.Error()) > 200 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestNotifyRejectionsTellNothing: what a stranger posts must not come back in
// the log, least of all a buyer's data.
func TestNotifyRejectionsTellNothing(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	const marker = "m4rk3r"
	for _, key := range []string{"app_id", "notify_type", "sign_type", "charset", "sign", "buyer_id", "out_trade_no", marker} {
		form := p.signed(t, payment())
		form[key] = marker
		_, err := v.Notify(formType, []byte(encode(form)), testTime)
		if err == nil || strings.Contains(err.Error(), marker) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestNotifyStatements(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	at := func(clock string) time.Time {
		u, err := time.Parse(time.RFC3339Nano, clock)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	base := trade.Evidence{
		Status: trade.StatusSuccess, Total: 8888, BuyerID: "2088000000000001", PaidAt: at("2026-01-02T03:04:09+08:00"),
	}
	for name, tc := range map[string]struct {
		changes []string
		want    func(e *trade.Evidence)
	}{
		"payment":            {nil, func(*trade.Evidence) {}},
		"refund_fee=0.00":    {[]string{"refund_fee", "0.00"}, func(*trade.Evidence) {}},
		"empty gmt_refund":   {[]string{"gmt_refund", ""}, func(*trade.Evidence) {}},
		"finished":           {[]string{"trade_status", "TRADE_FINISHED"}, func(e *trade.Evidence) { e.Status = trade.StatusFinished }},
		"an unheard status":  {[]string{"trade_status", "TRADE_PENDING"}, func(e *trade.Evidence) { e.Status = "TRADE_PENDING" }},
		"no amount":          {[]string{"total_amount", "-"}, func(e *trade.Evidence) { e.Total = 0 }},
		"amount of no sense": {[]string{"total_amount", "8.888e1"}, func(e *trade.Evidence) { e.Total = 0 }},
		"an open id":         {[]string{"buyer_id", "-", "buyer_open_id", "abc"}, func(e *trade.Evidence) { e.BuyerID = "abc" }},
		"a time of no sense": {[]string{"gmt_payment", "yesterday"}, func(e *trade.Evidence) { e.PaidAt = time.Time{} }},
		"part refund": {
			[]string{"gmt_refund", "2026-02-02 00:00:00.320", "refund_fee", "10.00", "out_biz_no", "R-1"},
			func(e *trade.Evidence) {
				e.Refunded, e.RefundRequestNo, e.RefundedAt = 1000, "R-1", at("2026-02-02T00:00:00.32+08:00")
			},
		},
		"refund told by its sum alone": {[]string{"refund_fee", "10.00"}, func(e *trade.Evidence) { e.Refunded = 1000 }},
		"full refund": {
			[]string{"trade_status", "TRADE_CLOSED", "gmt_refund", "2026-02-02 00:00:00", "refund_fee", "88.88", "gmt_close", "2026-02-02 00:00:01"},
			func(e *trade.Evidence) {
				e.Status, e.Refunded = trade.StatusClosed, 8888
				e.RefundedAt, e.ClosedAt = at("2026-02-02T00:00:00+08:00"), at("2026-02-02T00:00:01+08:00")
			},
		},
		"full refund without a sum": {
			[]string{"trade_status", "TRADE_CLOSED", "gmt_refund", "2026-02-02 00:00:00"},
			func(e *trade.Evidence) {
				e.Status, e.Refunded, e.RefundedAt = trade.StatusClosed, 8888, at("2026-02-02T00:00:00+08:00")
			},
		},
		"part refund without a sum": {
			[]string{"gmt_refund", "2026-02-02 00:00:00"},
			func(e *trade.Evidence) { e.RefundAmountMissing, e.RefundedAt = true, at("2026-02-02T00:00:00+08:00") },
		},
		"a refund sum of no sense": {[]string{"refund_fee", "-1"}, func(e *trade.Evidence) { e.RefundAmountMissing = true }},
		"closed unpaid": {
			[]string{"trade_status", "TRADE_CLOSED", "gmt_payment", "-", "gmt_close", "2026-02-02 00:00:01"},
			func(e *trade.Evidence) {
				e.Status, e.PaidAt, e.ClosedAt = trade.StatusClosed, time.Time{}, at("2026-02-02T00:00:01+08:00")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := base
			tc.want(&want)
			body := encode(p.signed(t, with(payment(), tc.changes...)))
			e, err := v.Notify(formType, []byte(body), testTime)
			if err != nil {
				t.Fatal(err)
			}
			want.Source, want.AppID, want.OutTradeNo = trade.SourceNotify, testApp, "T-1"
			want.TradeNo, want.SellerID = "2026010222001400000000000001", "2088000000000002"
			want.NotifyID, want.ReceivedAt = "2026010200222030409000000001", testTime
			want.Raw, want.ContentType = []byte(body), formType+"; charset=utf-8"
			if got, want := evidenceText(e), evidenceText(want); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// evidenceText prints evidence with its times in one zone.
func evidenceText(e trade.Evidence) string {
	for _, t := range []*time.Time{&e.PaidAt, &e.RefundedAt, &e.ClosedAt, &e.ReceivedAt} {
		*t = t.UTC()
	}
	return fmt.Sprintf("%+v", e)
}

// TestNotifyCopiesTheBody: the caller's buffer may be used again.
func TestNotifyCopiesTheBody(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	body := []byte(encode(p.signed(t, payment())))
	e, err := v.Notify(formType, body, testTime)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	if again, err := v.Notify(e.ContentType, e.Raw, testTime); err != nil || again.OutTradeNo != e.OutTradeNo || e.OutTradeNo != "T-1" {
		t.Errorf("the kept original: %+v, %v", again, err)
	}
}

// countChecks makes v count its RSA operations.
func countChecks(v *Verifier) *int {
	n := new(int)
	v.check = func(key *rsa.PublicKey, hash crypto.Hash, sum, sign []byte) error {
		*n++
		return rsa.VerifyPKCS1v15(key, hash, sum, sign)
	}
	return n
}

// TestNotifyCost: a forged message costs four RSA operations at most, whatever
// it holds, and none if it has not every mark of a notice.
func TestNotifyCost(t *testing.T) {
	keys := []AlipayKey{}
	for i, name := range []string{"alipay", "other", "app"} {
		keys = append(keys, namedPair(t, name).alipayKey(t, strings.Repeat(fmt.Sprint(i), 32)))
	}
	forged := with(payment(), "sign", strings.Repeat("A", 342)+"==")
	for name, tc := range map[string]struct {
		keys []AlipayKey
		form map[string]string
		want int
	}{
		"one key":                   {keys[:1], forged, 1},
		"one key, empties":          {keys[:1], with(forged, "body", ""), 2},
		"one key, all doubts":       {keys[:1], with(forged, "body", "", "alipay_cert_sn", "x"), 4},
		"three keys":                {keys, forged, 3},
		"three keys, all doubts":    {keys, with(forged, "body", "", "alipay_cert_sn", "x"), 4},
		"three keys, one named":     {keys, with(forged, "alipay_cert_sn", strings.Repeat("1", 32)), 2},
		"a return's method":         {keys, with(forged, "method", "x"), 0},
		"another app":               {keys, with(forged, "app_id", "1"), 0},
		"a sign of the wrong shape": {keys, with(forged, "sign", "AAAA"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			v := newTestVerifier(t, tc.keys...)
			n := countChecks(v)
			if _, err := v.Notify(formType, []byte(encode(tc.form)), testTime); err == nil {
				t.Fatal("accepted")
			}
			if *n != tc.want {
				t.Errorf("%d RSA operations, want %d", *n, tc.want)
			}
		})
	}
}

// TestNotifyGBK: the signature is over the bytes, and only then do they mean
// anything.
func TestNotifyGBK(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	form := with(payment(), "charset", "GBK", "subject", "\xb2\xe8", "out_trade_no", "T-\xb2\xe8")
	e, err := v.Notify(formType, []byte(encode(p.signed(t, form))), testTime)
	if err != nil || e.OutTradeNo != "T-茶" || e.ContentType != formType+"; charset=gbk" {
		t.Errorf("out_trade_no %q, content type %q, %v", e.OutTradeNo, e.ContentType, err)
	}
	form["out_trade_no"] = "T-\xff\xff"
	_, err = v.Notify(formType, []byte(encode(p.signed(t, form))), testTime)
	wantReason(t, err, ReasonEncoding)

	// A subject that was cut in the middle of a character is no reason to lose a
	// payment: nothing is decided by it.
	form = with(payment(), "subject", "\xe8\x8c")
	if _, err := v.Notify(formType, []byte(encode(p.signed(t, form))), testTime); err != nil {
		t.Error(err)
	}
}

// TestNotifyAnyOrder: the order of the parameters in the body is of no account.
func TestNotifyAnyOrder(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	form := p.signed(t, payment())
	body := ""
	for key, value := range form { // in the map's random order
		body += "&" + key + "=" + url.QueryEscape(value)
	}
	if _, err := v.Notify(formType, []byte(body[1:]), testTime); err != nil {
		t.Error(err)
	}
}
