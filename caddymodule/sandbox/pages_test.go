// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

// The gateway's page about an error is GBK even to a request in UTF-8 (seen of
// Alipay's own), and loses no character that GBK lacks.
func TestErrorPageOfTheGatewayIsGBK(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	form := g.Form("alipay.trade.page.pay", sandboxtest.Biz{"out_trade_no": "A1", "subject": "茶🍵"}, nil)
	form.Set("total_amount", "1.00") // and so the signature is another text's
	response, err := http.Get(g.GatewayURL() + "?" + form.Encode())
	if err != nil {
		t.Fatal(err)
	}
	raw := readAll(t, response)
	if kind := response.Header.Get("Content-Type"); kind != "text/html;charset=GBK" || response.StatusCode != http.StatusOK {
		t.Errorf("%d, %s", response.StatusCode, kind)
	}
	page, err := simplifiedchinese.GBK.NewDecoder().String(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{
		`<meta charset="GBK">`, "调试错误，请回到请求来源地，重新发起请求。", `id="error-code">isv.invalid-signature<`,
		"茶&#127861;", "SANDBOX",
	} {
		if !strings.Contains(page, mark) {
			t.Errorf("no %s in:\n%s", mark, page)
		}
	}
}
