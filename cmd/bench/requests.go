// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
)

// requestKind is one kind of request and the answer it must get. Anything else
// counts as a failure, and a run with failures gives no figures.
type requestKind struct {
	build  func(g *generator, host string, i int) ([]byte, error)
	status int
	body   string // "" for any
}

var requestKinds = map[string]*requestKind{
	"page":   {build: buildPage, status: http.StatusOK, body: pageText},
	"pay":    {build: buildPay, status: http.StatusSeeOther},
	"notify": {build: buildNotify, status: http.StatusOK, body: "success"},
	"forged": {build: buildForged, status: http.StatusBadRequest, body: "failure"},
}

// browserHeaders are a dozen with Host, as a browser sends them.
const browserHeaders = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Language: zh-CN,zh;q=0.9,en;q=0.8\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Cookie: session=5f1c3a0e8e6b4c1d9a7b2c3d4e5f6071; theme=dark\r\n" +
	"Referer: https://shop.example.com/teas\r\n" +
	"Cache-Control: max-age=0\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"Sec-Fetch-Dest: document\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Sec-Fetch-Site: same-origin\r\n"

func buildPage(_ *generator, host string, i int) ([]byte, error) {
	return fmt.Appendf(nil, "GET /teas/%d HTTP/1.1\r\nHost: %s\r\n%s\r\n", i%100, host, browserHeaders), nil
}

func buildPay(_ *generator, host string, i int) ([]byte, error) {
	return fmt.Appendf(nil, "GET /pay?out_trade_no=%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", orderNumber(i), host, browserHeaders), nil
}

func buildNotify(g *generator, host string, i int) ([]byte, error) {
	if i >= len(g.notices) {
		return nil, fmt.Errorf("notice %d of %d is not prepared", i, len(g.notices))
	}
	return post(host, g.notices[i]), nil
}

func buildForged(g *generator, host string, i int) ([]byte, error) {
	if i >= len(g.notices) {
		return nil, fmt.Errorf("notice %d of %d is not prepared", i, len(g.notices))
	}
	body, err := forge(g.notices[i], i)
	return post(host, body), err
}

// post is a notice's request as Alipay sends it.
func post(host, body string) []byte {
	return fmt.Appendf(nil, "POST /pay/notify HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/4.0\r\nAccept: text/html\r\n"+
		"Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s", host, len(body), body)
}
