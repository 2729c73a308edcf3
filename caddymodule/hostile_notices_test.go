// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func escaped(s string) string { return url.QueryEscape(s) }

// resigned replaces a notice's signature.
func resigned(signature func(text string) string) func(v victim) message {
	return func(v victim) message {
		s := v.w.notice(v.no, "1.00")
		value := signature(canonical(s))
		return posted(with(with(s, "sign", value), "sign_type", "RSA2").Encode())
	}
}

// respelt changes how a genuine signature is written.
func respelt(spell func(sign string) string) func(v victim) message {
	return func(v victim) message {
		s := v.values()
		return posted(with(s, "sign", spell(s.Get("sign"))).Encode())
	}
}

func inBase64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// signatureRows: whatever is not Alipay's signature of this very text, written
// in the one way there is.
func signatureRows() []row {
	sum := func(text string) []byte { d := sha256.Sum256([]byte(text)); return d[:] }
	signature, format := refusedFor(gateway.ReasonSignature), refusedFor(gateway.ReasonSignFormat)
	return []row{
		{"signed by the app", resigned(func(s string) string { return inBase64(must(rsa.SignPKCS1v15(nil, appKey(), crypto.SHA256, sum(s)))) }), signature},
		{"signed by anybody", resigned(func(s string) string { return inBase64(must(rsa.SignPKCS1v15(nil, newKey(), crypto.SHA256, sum(s)))) }), signature},
		{"signed with SHA-1", resigned(func(s string) string {
			d := sha1.Sum([]byte(s))
			return inBase64(must(rsa.SignPKCS1v15(nil, alipayKey(), crypto.SHA1, d[:])))
		}), signature},
		{"signed with PSS", resigned(func(s string) string {
			return inBase64(must(rsa.SignPSS(rand.Reader, alipayKey(), crypto.SHA256, sum(s), nil)))
		}), signature},
		{"the padding without its hash's name", resigned(func(s string) string { return inBase64(must(rsa.SignPKCS1v15(nil, alipayKey(), 0, sum(s)))) }), signature},
		{"an MD5 with a key that everybody knows", resigned(func(s string) string { d := md5.Sum([]byte(s)); return hex.EncodeToString(d[:]) }), format},
		{"an HMAC with Alipay's public key", resigned(func(s string) string {
			mac := hmac.New(sha256.New, alipayKey().N.Bytes())
			mac.Write([]byte(s))
			return inBase64(mac.Sum(nil))
		}), format},
		{"zeros", resigned(func(string) string { return inBase64(make([]byte, 256)) }), signature},
		{"ones", resigned(func(string) string { return inBase64(bytes.Repeat([]byte{0xff}, 256)) }), signature},
		{"the number one", resigned(func(string) string { return inBase64(append(make([]byte, 255), 1)) }), signature},
		{"the modulus", resigned(func(string) string { return inBase64(alipayKey().N.Bytes()) }), signature},
		{"the padding as plain text", resigned(func(s string) string {
			return inBase64(append(append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, 221)...), append([]byte{0}, sum(s)...)...))
		}), signature},
		{"another notice's signature", func(v victim) message {
			return posted(with(v.values(), "sign", v.values("total_amount", "2.00").Get("sign")).Encode())
		}, signature},
		{"the signature of the text with sign_type", resigned(func(s string) string {
			return inBase64(must(rsa.SignPKCS1v15(nil, alipayKey(), crypto.SHA256, sum(strings.Replace(s, "&subject=", "&sign_type=RSA2&subject=", 1)))))
		}), signature},
		{"the signature of the encoded text", func(v victim) message {
			s := v.w.notice(v.no, "1.00")
			value := inBase64(must(rsa.SignPKCS1v15(nil, alipayKey(), crypto.SHA256, sum(s.Encode()))))
			return posted(with(with(s, "sign", value), "sign_type", "RSA2").Encode())
		}, signature},
		{"not signed at all", func(v victim) message { return posted(v.w.notice(v.no, "1.00", "sign_type", "RSA2").Encode()) }, format},
		{"in lower case", respelt(func(s string) string { return strings.ToLower(s[:300]) + s[300:] }), signature},
		{"without its padding", respelt(func(s string) string { return strings.TrimRight(s, "=") }), format},
		{"for URLs", respelt(strings.NewReplacer("+", "-", "/", "_").Replace), format},
		{"with a line break", respelt(func(s string) string { return s[:76] + "\r\n" + s[76:] }), format},
		{"with a line break in place of its end", respelt(func(s string) string { return s[:342] + "\r\n" }), format},
		{"a signature with a space in front", respelt(func(s string) string { return " " + s }), format},
		{"with bits to spare", respelt(func(s string) string { return s[:341] + next(s[341:342]) + s[342:] }), format},
		{"twice in one value", respelt(func(s string) string { return s + s }), format},
		{"two, with a comma", respelt(func(s string) string { return s + "," + s }), format},
		{"in hexadecimal", respelt(func(s string) string { return hex.EncodeToString(must(base64.StdEncoding.DecodeString(s))) }), format},
		{"a byte short", respelt(func(s string) string { return inBase64(must(base64.StdEncoding.DecodeString(s))[1:]) }), format},
		{"a byte long", respelt(func(s string) string { return inBase64(append([]byte{0}, must(base64.StdEncoding.DecodeString(s))...)) }), format},
		{"one bit flipped", respelt(func(s string) string { b := must(base64.StdEncoding.DecodeString(s)); b[100] ^= 1; return inBase64(b) }), signature},
		{"with its plus signs as they are", func(v victim) message {
			s := v.values()
			for i := 0; !strings.Contains(s.Get("sign"), "+"); i++ { // one in a hundred has none
				s = v.values("notify_id", strings.Repeat("n", i+1))
			}
			return posted(strings.ReplaceAll(s.Encode(), "%2B", "+"))
		}, format},
		{"sign_type RSA", func(v victim) message { return posted(with(v.values(), "sign_type", "RSA").Encode()) }, refusedFor(gateway.ReasonSignType)},
		{"sign_type MD5", func(v victim) message { return posted(with(v.values(), "sign_type", "MD5").Encode()) }, refusedFor(gateway.ReasonSignType)},
		{"sign_type none", func(v victim) message { return posted(with(v.values(), "sign_type", "none").Encode()) }, refusedFor(gateway.ReasonSignType)},
		{"sign_type in lower case", func(v victim) message { return posted(with(v.values(), "sign_type", "rsa2").Encode()) }, refusedFor(gateway.ReasonSignType)},
		{"an unknown certificate, put in later", func(v victim) message {
			return posted(with(v.values(), "alipay_cert_sn", strings.Repeat("0a", 16)).Encode())
		}, believed}, // whether Alipay signs this parameter, no document says: it chooses nothing
		{"a certificate that is a word of an SDK", func(v victim) message {
			return posted(with(with(v.values(), "alipay_cert_sn", "alipay-public-key"), "total_amount", "0.01").Encode())
		}, signature},
		{"an empty parameter, put in later", func(v victim) message { return posted(v.values().Encode() + "&extra=") }, believed},
		{"a parameter, put in later", func(v victim) message { return posted(v.values().Encode() + "&extra=1") }, signature},
		{"the route of a framework, put in later", func(v victim) message { return posted("s=" + escaped("/pay/notify") + "&" + v.values().Encode()) }, signature},
	}
}

// next is the next letter of base64's alphabet: another spelling of the same
// bytes, if the bits are to spare.
func next(letter string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	return alphabet[strings.Index(alphabet, letter)+1:][:1]
}

// statementRows are signed by Alipay's key, and say what this app and this order
// cannot take as it is.
func statementRows() []row {
	says := func(change ...string) func(v victim) message {
		return func(v victim) message { return posted(v.values(change...).Encode()) }
	}
	amount, incomplete, sum := heldFor(trade.ReasonAmount), heldFor(trade.ReasonIncomplete), heldFor(trade.ReasonRefundSum)
	return []row{
		{"a notice for another app", says("app_id", "2021000000000002"), refusedFor(gateway.ReasonAppID)},
		{"a notice for two apps", says("app_id", "9021000100000001,2021000000000002"), refusedFor(gateway.ReasonAppID)},
		{"the app with a zero in front", says("app_id", "09021000100000001"), refusedFor(gateway.ReasonAppID)},
		{"the app with a space", says("app_id", "9021000100000001 "), refusedFor(gateway.ReasonAppID)},
		{"a service market's notice", says("notify_type", "servicemarket_order_notify"), refusedFor(gateway.ReasonNotifyType)},
		{"a contract's notice", says("notify_type", "dut_user_sign"), refusedFor(gateway.ReasonNotifyType)},
		{"a return's method in a notice", says("method", "alipay.trade.page.pay.return"), refusedFor(gateway.ReasonMethod)},
		{"an empty method in a notice", func(v victim) message { return posted(v.values().Encode() + "&method=") }, refusedFor(gateway.ReasonMethod)},
		{"an order that was never sent to the cashier", says("out_trade_no", "NOBODY"), heldFor(trade.ReasonUnknownOrder)},
		{"an order number of 5 KB", says("out_trade_no", strings.Repeat("N", 5000)), unrecorded},
		{"a trade number of 5 KB", says("trade_no", strings.Repeat("N", 5000)), unrecorded},
		{"an order number of 256 bytes", says("out_trade_no", strings.Repeat("N", 256)), heldFor(trade.ReasonUnknownOrder)},
		{"a trade number of 256 bytes", says("trade_no", strings.Repeat("N", 256)), believed},
		{"an order number with a path", says("out_trade_no", "../../etc/passwd"), heldFor(trade.ReasonUnknownOrder)},
		{"an order number with line breaks", says("out_trade_no", "A\r\nX-Alipay-Trade-Status: TRADE_SUCCESS"), heldFor(trade.ReasonUnknownOrder)},
		{"an order number with a NUL", says("out_trade_no", "VICTIM\x00"), heldFor(trade.ReasonUnknownOrder)},
		{"an order number in Chinese", says("out_trade_no", "订单一"), heldFor(trade.ReasonUnknownOrder)},
		{"another order's number in lower case", says("out_trade_no", "victim"), heldFor(trade.ReasonUnknownOrder)},
		{"one fen less", says("total_amount", "0.99"), amount},
		{"one fen more", says("total_amount", "1.01"), amount},
		{"an amount of nothing", says("total_amount", "0.00"), amount},
		{"an amount below nothing", says("total_amount", "-1.00"), amount},
		{"an amount with a plus", says("total_amount", "+1.00"), amount},
		{"an amount with an exponent", says("total_amount", "1e0"), amount},
		{"an amount with three decimals", says("total_amount", "1.000"), amount},
		{"an amount with a comma", says("total_amount", "1,00"), amount},
		{"an amount in full-width digits", says("total_amount", "１.００"), amount},
		{"an amount in hexadecimal", says("total_amount", "0x1"), amount},
		{"an amount with a space", says("total_amount", " 1.00"), amount},
		{"an amount that is no number", says("total_amount", "NaN"), amount},
		{"an amount beyond all bounds", says("total_amount", strings.Repeat("9", 400)), amount},
		{"an amount of 2^64 fen more", says("total_amount", "184467440737095517.16"), amount},
		{"an amount without its decimals", says("total_amount", "1"), believed},
		{"an amount with one decimal", says("total_amount", "1.0"), believed},
		{"another seller", says("seller_id", "2088000000000000"), heldFor(trade.ReasonSeller)},
		{"a seller by e-mail", says("seller_id", "seller@example.com"), heldFor(trade.ReasonSeller)},
		{"a state that is none", says("trade_status", "TRADE_PENDING"), incomplete},
		{"a state in lower case", says("trade_status", "trade_success"), incomplete},
		{"a state with a space", says("trade_status", "TRADE_SUCCESS "), incomplete},
		{"a state of 5 KB", says("trade_status", strings.Repeat("S", 5000)), incomplete},
		{"a refund of more than was paid", says("gmt_refund", "2026-03-15 09:00:00", "refund_fee", "1.01"), sum},
		{"a refund of no sum", says("gmt_refund", "2026-03-15 09:00:00"), incomplete},
		{"a refund of a sum that is none", says("gmt_refund", "2026-03-15 09:00:00", "refund_fee", "all"), incomplete},
		{"a refund below nothing", says("gmt_refund", "2026-03-15 09:00:00", "refund_fee", "-1.00"), incomplete},
		{"waiting, and yet refunded", says("trade_status", "WAIT_BUYER_PAY", "gmt_refund", "2026-03-15 09:00:00", "refund_fee", "0.50"), incomplete},
		{"closed by a refund of a part", says("trade_status", "TRADE_CLOSED", "gmt_refund", "2026-03-15 09:00:00", "refund_fee", "0.50"), sum},
		{"times that are none", says("gmt_payment", "yesterday", "notify_time", "0000-00-00 00:00:00"), believed},
		{"a time of the year 9999", says("gmt_payment", "9999-12-31 23:59:59"), believed},
		{"another auth_app_id", says("auth_app_id", "2021000000000002"), believed}, // app_id is what counts
	}
}
