// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

func gbk(s string) string { return must(simplifiedchinese.GBK.NewEncoder().String(s)) }

// respeltBody changes how a genuine notice's body is written.
func respeltBody(spell func(body string) string) func(v victim) message {
	return func(v victim) message { return posted(spell(v.values().Encode())) }
}

var hexEscape = regexp.MustCompile("%[0-9A-F]{2}")

// textRows are in the wrong charset, encoding or size.
func textRows() []row {
	form, charset, encoding := refusedFor(gateway.ReasonForm), refusedFor(gateway.ReasonCharset), refusedFor(gateway.ReasonEncoding)
	signed := func(change ...string) func(v victim) message {
		return func(v victim) message { return posted(v.values(change...).Encode()) }
	}
	rows := []row{
		{"GBK as said", signed("charset", "gbk", "subject", gbk("龙井茶")), believed},
		{"GBK in capitals", signed("charset", "GBK", "subject", gbk("龙井茶")), believed},
		{"GB 18030", signed("charset", "gb18030", "subject", gbk("龙井茶")), believed},
		{"GBK, and UTF-8 is said", signed("subject", gbk("龙井茶")), believed}, // passed on as it came; nothing is read from it
		{"UTF-8, and GBK is said", signed("charset", "gbk"), believed},
		{"an order number in GBK, and UTF-8 is said", signed("out_trade_no", gbk("订单")), encoding},
		{"a trade number in GBK, and UTF-8 is said", signed("trade_no", gbk("交易")), encoding},
		{"a buyer in GBK, and UTF-8 is said", signed("buyer_id", gbk("买家")), encoding},
		{"a trade number that is no GBK", signed("charset", "gbk", "trade_no", "T\xff\xff"), encoding},
		{"an order number in overlong UTF-8", signed("out_trade_no", "VICTIM\xc0\xae"), encoding},
		{"an order number with half a pair", signed("out_trade_no", "VICTIM\xed\xa0\x80"), encoding},
		{"an order number that ends in half a rune", signed("out_trade_no", "VICTIM\xe8\x8c"), encoding},
		{"a charset of two", signed("charset", "utf-8,gbk"), charset},
		{"a charset with a space", signed("charset", " utf-8"), charset},
		{"a charset in quotes", signed("charset", `"utf-8"`), charset},
		{"escapes in lower case", respeltBody(func(s string) string { return hexEscape.ReplaceAllStringFunc(s, strings.ToLower) }), believed},
		{"spaces as %20", respeltBody(func(s string) string { return strings.ReplaceAll(s, "+", "%20") }), believed},
		{"letters escaped that need not be", respeltBody(func(s string) string { return strings.Replace(s, "=TRADE", "=%54RADE", 1) }), believed},
		{"in another order", respeltBody(func(s string) string { p := pieces(s); slices.Reverse(p); return strings.Join(p, "&") }), believed},
		{"a key with an escape", respeltBody(func(s string) string { return strings.Replace(s, "out_trade_no", "%6fut_trade_no", 1) }), form},
		{"a key with an escaped line", respeltBody(func(s string) string { return strings.Replace(s, "out_trade_no", "out%5Ftrade_no", 1) }), form},
		{"values escaped twice", func(v victim) message {
			s := v.values("subject", "tea")
			for name := range s {
				s.Set(name, escaped(s.Get(name)))
			}
			return posted(s.Encode())
		}, refusedFor(gateway.ReasonSignFormat)},
		{"quotes as HTML has them", respeltBody(func(s string) string { return strings.ReplaceAll(s, "%22", "%26quot%3B") }), refusedFor(gateway.ReasonSignature)},
		{"ampersands as HTML has them", respeltBody(func(s string) string { return strings.ReplaceAll(s, "&", "&amp;") }), form},
		{"as JSON", func(v victim) message {
			return posted(`{"out_trade_no":"` + v.no + `","trade_status":"TRADE_SUCCESS"}`)
		}, form},
		{"as XML, by its text", func(v victim) message { return posted("<xml><out_trade_no>" + v.no + "</out_trade_no></xml>") }, form},
		{"in base64", respeltBody(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }), form},
		{"in UTF-16", respeltBody(func(s string) string {
			var b []byte
			for _, u := range utf16.Encode([]rune(s)) {
				b = append(b, byte(u), byte(u>>8))
			}
			return string(b)
		}), form},
		{"nothing", respeltBody(func(string) string { return "" }), refusedFor(gateway.ReasonSize)},
		{"64 KiB, signed", func(v victim) message { return posted(padded(v, gateway.MaxNotifyBody)) }, believed},
		{"a byte more, signed", func(v victim) message { return posted(padded(v, gateway.MaxNotifyBody+1)) }, refusedFor(gateway.ReasonSize)},
		{"a megabyte", func(v victim) message { return posted(padded(v, 1<<20)) }, refusedFor(gateway.ReasonSize)},
		{"256 parameters", func(v victim) message { return posted(many(v, 256)) }, refusedFor(gateway.ReasonSignature)},
		{"257 parameters", func(v victim) message { return posted(many(v, 257)) }, form},
		{"10000 parameters", func(v victim) message { return posted(many(v, 10000)) }, refusedFor(gateway.ReasonSize)},
		{"a key of 5 KB", respeltBody(func(s string) string { return s + "&" + strings.Repeat("k", 5000) + "=1" }), refusedFor(gateway.ReasonSignature)},
	}
	for name, tail := range map[string]string{
		"an & behind it": "&", "two & behind it": "&&x=1", "a key without a value": "&extra", "a value without a key": "&=1",
		"a key with brackets": "&extra[]=1", "a key with escaped brackets": "&extra%5B%5D=1", "a key with a point": "&total.amount=1.00",
		"a key with a hyphen": "&total-amount=1.00", "a key with a space": "&total+amount=1.00", "a key in Chinese": "&金额=1.00",
		"half an escape": "&extra=%4", "a lone percent sign": "&extra=%", "an escape that is none": "&extra=%zz", "an escape of JavaScript": "&extra=%u8336",
		"a semicolon": "&extra=1;total_amount=9.99", "raw UTF-8": "&extra=茶", "raw GBK": "&extra=" + gbk("茶"), "a raw space": "&extra=a b",
		"a raw tab": "&extra=a\tb", "a raw NUL": "&extra=a\x00b", "a raw DEL": "&extra=\x7f", "a line break behind it": "\n", "CR LF behind it": "\r\n",
		"a NUL behind it": "\x00", "a # behind it": "#", "a second notice behind it": "\r\n\r\ntrade_status=TRADE_SUCCESS",
	} {
		want := form
		if tail == "#" { // a letter like others: it belongs to version
			want = refusedFor(gateway.ReasonSignature)
		}
		rows = append(rows, row{"with " + name, respeltBody(func(s string) string { return s + tail }), want})
	}
	for name, head := range map[string]string{"an &": "&", "a ?": "?", "a byte order mark": "\ufeff", "a space": " ", "a line break": "\n", "a =": "="} {
		rows = append(rows, row{"with " + name + " in front", respeltBody(func(s string) string { return head + s }), form})
	}
	for _, name := range []string{"big5", "iso-8859-1", "utf-16", "utf-7", "ascii", "hz-gb-2312", "windows-936", "euc-jp", "none", "\xff", strings.Repeat("utf-8", 1000)} {
		rows = append(rows, row{fmt.Sprintf("charset %.20q", name), signed("charset", name), charset})
	}
	return rows
}

// padded is a notice of size bytes that Alipay has signed.
func padded(v victim, size int) string {
	for i, pad := 0, size; ; i++ { // the signature's + and / take three bytes each
		s := v.values("notify_id", fmt.Sprintf("N%09d", i), "body", strings.Repeat("x", max(pad, 1))).Encode()
		if len(s) == size {
			return s
		}
		pad += size - len(s)
	}
}

// many is a notice of n parameters.
func many(v victim, n int) string {
	s := v.values().Encode()
	for i := len(pieces(s)); i < n; i++ {
		s += fmt.Sprint("&p", i, "=") + "1"
	}
	return s
}

// resplitRows use that nothing in the signed text is escaped: where one
// parameter ends and the next begins is not signed.
func resplitRows(w *world) (rows []row) {
	ambiguous := refusedFor(gateway.ReasonAmbiguous)
	rows = []row{
		{"a buyer's body with a whole notice in it", func(v victim) message { return posted(stuffed(v).Encode()) }, ambiguous},
		{"the notice out of that body", func(v victim) message {
			genuine, evil := stuffed(v), v.w.notice(v.no, "0.01", "body", "x")
			_, rest, _ := strings.Cut(canonical(genuine), "&zz=")
			evil.Set("zz", rest)
			if canonical(evil) != canonical(genuine) {
				panic("the forgery has another signed text: the test is wrong")
			}
			return posted(with(with(evil, "sign", genuine.Get("sign")), "sign_type", "RSA2").Encode())
		}, ambiguous},
		{"an order number in passback_params", func(v victim) message { return posted(v.values("passback_params", "a=1&out_trade_no=OTHER").Encode()) }, believed},
		{"an amount in the subject", func(v victim) message { return posted(v.values("subject", "tea&total_amount=9.99").Encode()) }, believed},
		{"a state in the body", func(v victim) message { return posted(v.values("body", "tea&trade_status=TRADE_CLOSED").Encode()) }, believed},
		{"a signature in the subject", func(v victim) message { return posted(v.values("subject", "tea&sign=x&sign_type=RSA").Encode()) }, believed},
		{"an amount out of the subject", func(v victim) message {
			s := v.values("subject", "tea&total_amount=9.99")
			return posted(with(with(s, "subject", "tea"), "total_amount", "9.99&total_amount=1.00").Encode())
		}, ambiguous},
	}
	names := slices.Sorted(keysOf(w.notice("X", "1.00")))
	for i := range len(names) - 1 {
		first, second := names[i], names[i+1]
		rows = append(rows, row{second + " as a part of " + first, func(v victim) message {
			s := v.values()
			return posted(without(with(s, first, s.Get(first)+"&"+second+"="+s.Get(second)), second).Encode())
		}, joined(first, second)})
	}
	return rows
}

// joined is the outcome of a notice whose signature holds, and two of whose
// parameters have become one.
func joined(first, second string) outcome {
	switch {
	case first == "notify_time" || first == "notify_type":
		return refusedFor(gateway.ReasonNotifyType)
	case second == "notify_id" || second == "out_trade_no" || second == "trade_status":
		return refusedFor(gateway.ReasonMissing)
	case first == "app_id":
		return refusedFor(gateway.ReasonAppID)
	case first == "charset":
		return refusedFor(gateway.ReasonCharset)
	case first == "fund_bill_list":
		return believed // a list may hold an &, and nothing is read from gmt_create
	}
	return refusedFor(gateway.ReasonAmbiguous)
}

// stuffed is a genuine notice whose body, which its buyer wrote, holds another
// notice, of another amount.
func stuffed(v victim) url.Values {
	_, inner, _ := strings.Cut(canonical(v.w.notice(v.no, "0.01", "body", "x")), "&body=")
	return v.values("body", inner+"&zz=")
}
