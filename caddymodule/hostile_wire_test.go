// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.String()
}

// wireRows reach the handler in another way than a form that is posted.
func wireRows() []row {
	as := func(method, target, contentType string) func(v victim) message {
		return func(v victim) message {
			return message{method, strings.Replace(target, "BODY", v.values().Encode(), 1), contentType, nil, v.values().Encode()}
		}
	}
	typed := func(contentType string) func(v victim) message { return as("POST", "/pay/notify", contentType) }
	unformed := refusedFor(gateway.ReasonContentType)
	topped := func(name, value string) func(v victim) message {
		return func(v victim) message {
			m := posted(with(v.values(), "total_amount", "0.01").Encode())
			m.header = http.Header{name: {value}}
			return m
		}
	}
	rows := []row{
		{"as JSON, by its type", typed("application/json"), unformed},
		{"as text", typed("text/plain"), unformed},
		{"as XML", typed("application/xml"), unformed},
		{"as multipart, by its type", typed("multipart/form-data; boundary=x"), unformed},
		{"without a type", typed(""), unformed},
		{"with a type and another", typed("application/json, application/x-www-form-urlencoded"), unformed},
		{"with a type that begins like it", typed("application/x-www-form-urlencoded-too"), unformed},
		{"with a type that is a parameter", typed("text/plain; application/x-www-form-urlencoded"), unformed},
		{"with a type in capitals", typed("APPLICATION/X-WWW-FORM-URLENCODED"), believed},
		{"with a type as Alipay writes it", typed("application/x-www-form-urlencoded; text/html; charset=utf-8"), believed},
		{"with another charset in its type", typed("application/x-www-form-urlencoded; charset=big5"), believed}, // the signed parameter counts
		{"multipart indeed", func(v victim) message {
			return message{"POST", "/pay/notify", "multipart/form-data; boundary=x", nil, "--x\r\nContent-Disposition: form-data; name=\"app_id\"\r\n\r\n" + v.w.Gateway.AppID + "\r\n--x--\r\n"}
		}, unformed},
		{"by GET", as("GET", "/pay/notify?BODY", ""), refusedUnread},
		{"by GET with a body", as("GET", "/pay/notify", formType), refusedUnread},
		{"by HEAD", as("HEAD", "/pay/notify?BODY", ""), refusedUnread},
		{"by PUT", as("PUT", "/pay/notify", formType), refusedUnread},
		{"by PATCH", as("PATCH", "/pay/notify", formType), refusedUnread},
		{"by DELETE", as("DELETE", "/pay/notify", formType), refusedUnread},
		{"by OPTIONS", as("OPTIONS", "/pay/notify", formType), refusedUnread},
		{"by a method in lower case", as("post", "/pay/notify", formType), refusedUnread},
		{"all of it in the query", func(v victim) message {
			return message{"POST", "/pay/notify?" + v.values().Encode(), formType, nil, ""}
		}, refusedFor(gateway.ReasonSize)},
		{"its app in the query", func(v victim) message {
			return message{"POST", "/pay/notify?app_id=" + v.w.Gateway.AppID, formType, nil, without(v.values(), "app_id").Encode()}
		}, refusedFor(gateway.ReasonAppID)},
		{"its signature in the query", func(v victim) message {
			s := v.values()
			return message{"POST", "/pay/notify?sign=" + escaped(s.Get("sign")), formType, nil, without(s, "sign").Encode()}
		}, refusedFor(gateway.ReasonSignFormat)},
		{"another one in the query", as("POST", "/pay/notify?total_amount=9.99&trade_status=TRADE_CLOSED", formType), believed},
		{"zipped", func(v victim) message {
			m := posted(zipped(v.values().Encode()))
			m.header = http.Header{"Content-Encoding": {"gzip"}}
			return m
		}, refusedFor(gateway.ReasonForm)},
		{"a return, posted", func(v victim) message { return posted(v.w.returnQuery(v.no, "1.00")) }, refusedFor(gateway.ReasonMethod)},
		{"a return, posted, made up", func(v victim) message {
			return posted(v.w.returnQuery(v.no, "1.00") + "&notify_type=trade_status_sync&notify_id=1&trade_status=TRADE_SUCCESS")
		}, refusedFor(gateway.ReasonMethod)},
		{"a return, posted without its method", func(v victim) message {
			return posted(without(must(url.ParseQuery(v.w.returnQuery(v.no, "1.00"))), "method").Encode() + "&notify_type=trade_status_sync&notify_id=1&trade_status=TRADE_SUCCESS")
		}, refusedFor(gateway.ReasonSignature)},
	}
	for name, value := range map[string]string{ // none of them makes a forged notice better
		"X-Alipay-Trade-Status": "TRADE_SUCCESS", "X_alipay_trade_status": "TRADE_SUCCESS", "X-Alipay-Trade-Event": "trade.paid",
		"X-Alipay-Trade-Assertion": "e30.e30.e30", "X-Http-Method-Override": "GET", "X-Original-Url": "/", "X-Rewrite-Url": "/shop",
		"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "Authorization": "Basic YWxpcGF5OmFsaXBheQ==", "Cookie": "admin=1",
	} {
		rows = append(rows, row{"forged, with " + name, topped(name, value), refusedFor(gateway.ReasonSignature)})
	}
	return rows
}

// routeRows: a forged notice finds no spelling of the path that dodges the route
// and reaches the shop, which would take it for verified.
func routeRows() (rows []row) {
	for _, target := range []string{
		"/pay/notify/", "/pay/notify//", "//pay/notify", "///pay///notify", "/pay/./notify", "/./pay/notify", "/pay/x/../notify",
		"/x/../pay/notify", "/PAY/NOTIFY", "/Pay/Notify", "/pay/%6eotify", "/p%61y/notify", "/pay%2fnotify", "/pay%2Fnotify",
		"/%70%61%79/%6e%6f%74%69%66%79", "/pay/%256eotify", "/pay/notify;jsessionid=1", "/pay;x/notify", "/pay/notify%3bx",
		"/pay%5cnotify", "/pay/notify%00", "/pay/notify%00.php", "/pay/%2e/notify", "/pay/x/%2e%2e/notify", "/pay/notify?", "/pay/notify?x=/pay",
	} {
		rows = append(rows, row{"forged, to " + target, func(v victim) message {
			m := posted(with(v.values(), "total_amount", "0.01").Encode())
			m.target = target
			return m
		}, refusedFor(gateway.ReasonSignature)})
	}
	return rows
}
