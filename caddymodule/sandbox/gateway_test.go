// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

func TestTradeBeginsWithTheLogin(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	query := func() sandboxtest.Answer {
		return g.Call("alipay.trade.query", sandboxtest.Biz{"out_trade_no": "A1"})
	}
	page := g.Open(g.PayURL("A1", "88.88", "", ""))
	if !strings.Contains(page, "88.88") || !strings.Contains(page, "SANDBOX") {
		t.Fatalf("the cashier shows no order:\n%s", page)
	}
	answer := query()
	if answer.Text("sub_code") != "ACQ.TRADE_NOT_EXIST" || answer.Text("code") != "40004" {
		t.Errorf("opened, nobody logged in: %v", answer.Fields)
	}
	if answer.Sign == "" {
		t.Error("a business error is signed")
	}
	if err := g.Pay("A1", 1); err != nil {
		t.Fatal(err)
	}
	answer = query()
	if answer.Text("trade_status") != "TRADE_SUCCESS" || answer.Text("total_amount") != "88.88" ||
		answer.Text("send_pay_date") != "2026-03-01 12:00:00" {
		t.Errorf("paid: %v", answer.Fields)
	}
}

func TestGatewayChecksInItsOrder(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	biz := sandboxtest.Biz{"out_trade_no": "A1"}
	good := func() url.Values { return g.Form("alipay.trade.query", biz, nil) }
	for _, test := range []struct {
		name   string
		change func(url.Values)
		sub    string
		node   string
	}{
		{"no app", func(f url.Values) { f.Del("app_id") }, "isv.missing-app-id", ""},
		{"another app, bad signature", func(f url.Values) { f.Set("app_id", "1") }, "isv.invalid-app-id", ""},
		{"no method", func(f url.Values) { f.Del("method") }, "isv.missing-method", "error_response"},
		{"no sign", func(f url.Values) { f.Del("sign") }, "isv.missing-signature", ""},
		{"no sign type", func(f url.Values) { f.Del("sign_type") }, "isv.missing-signature-type", ""},
		{"RSA", func(f url.Values) { f.Set("sign_type", "RSA") }, "isv.invalid-signature-type", ""},
		{"charset", func(f url.Values) { f.Set("charset", "big5") }, "isv.invalid-charset", ""},
		{"timestamp", func(f url.Values) { f.Set("timestamp", "2026-03-01T12:00:00Z") }, "isv.invalid-timestamp", ""},
		{"version", func(f url.Values) { f.Set("version", "2.0") }, "isv.invalid-version", ""},
		{"changed after signing", func(f url.Values) { f.Set("biz_content", "{}") }, "isv.invalid-signature", ""},
		{"bad JSON", func(f url.Values) { f.Set("biz_content", "{"); g.Sign(f) }, "isv.illegal-json", ""},
		{"name twice", func(f url.Values) {
			f.Set("biz_content", `{"out_trade_no":"a","out_trade_no":"b"}`)
			g.Sign(f)
		}, "isv.illegal-json", ""},
		{"unknown method", func(f url.Values) { f.Set("method", "alipay.no.such"); g.Sign(f) }, "isv.invalid-method", "error_response"},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := good()
			test.change(form)
			answer := g.Post(form)
			node := test.node
			if node == "" {
				node = "alipay_trade_query_response"
			}
			if answer.Text("sub_code") != test.sub || answer.Name != node || answer.Sign != "" {
				t.Errorf("%s, signed %t: %v", answer.Name, answer.Sign != "", answer.Fields)
			}
		})
	}
}

func TestInvalidSignatureEchoesTheGatewaysString(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	form := g.Form("alipay.trade.query", sandboxtest.Biz{"out_trade_no": "A1"}, nil)
	form.Set("biz_content", `{"out_trade_no":"B2"}`)
	answer := g.Post(form)
	want := "网关生成的验签字符串为：app_id=" + g.AppID + `&amp;biz_content={"out_trade_no":"B2"}&amp;charset=utf-8`
	if !strings.Contains(answer.Text("sub_msg"), want) {
		t.Errorf("sub_msg is %q", answer.Text("sub_msg"))
	}
}

func TestSameParameterTwiceIsAnAttack(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	form := g.Form("alipay.trade.query", sandboxtest.Biz{"out_trade_no": "A1"}, nil)
	for name, test := range map[string]struct{ query, body, sub string }{
		"equal in query and body": {"charset=utf-8", form.Encode(), "ACQ.TRADE_NOT_EXIST"},
		"differs":                 {"charset=gbk", form.Encode(), "isv.suspected-attack"},
		"twice in the body":       {"", form.Encode() + "&charset=utf-8", "isv.suspected-attack"},
	} {
		response, err := http.Post(g.GatewayURL()+"?"+test.query, "application/x-www-form-urlencoded", strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		body := readAll(t, response)
		if !strings.Contains(body, test.sub) {
			t.Errorf("%s: %s", name, body)
		}
		if got := response.Header.Get("Content-Type"); got != "text/html;charset=utf-8" {
			t.Errorf("%s: content type %q", name, got)
		}
	}
}

func TestPagePayChecksItsFields(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	for _, test := range []struct {
		name string
		set  sandboxtest.Biz
		sub  string
	}{
		{"amount of zero", sandboxtest.Biz{"total_amount": "0.00"}, "ACQ.INVALID_PARAMETER"},
		{"three decimals", sandboxtest.Biz{"total_amount": "1.001"}, "ACQ.INVALID_PARAMETER"},
		{"exponent", sandboxtest.Biz{"total_amount": "1e2"}, "ACQ.INVALID_PARAMETER"},
		{"over the most", sandboxtest.Biz{"total_amount": "100000000.01"}, "ACQ.INVALID_PARAMETER"},
		{"slash", sandboxtest.Biz{"subject": "a/b"}, "ACQ.INVALID_PARAMETER"},
		{"equals", sandboxtest.Biz{"subject": "a=b"}, "ACQ.INVALID_PARAMETER"},
		{"ampersand", sandboxtest.Biz{"subject": "a&b"}, "ACQ.INVALID_PARAMETER"},
		{"no subject", sandboxtest.Biz{"subject": ""}, "ACQ.INVALID_PARAMETER"},
		{"long subject", sandboxtest.Biz{"subject": strings.Repeat("长", 257)}, "ACQ.INVALID_PARAMETER"},
		{"dot in the number", sandboxtest.Biz{"out_trade_no": "A.1"}, "ACQ.INVALID_PARAMETER"},
		{"long number", sandboxtest.Biz{"out_trade_no": strings.Repeat("1", 65)}, "ACQ.INVALID_PARAMETER"},
		{"product", sandboxtest.Biz{"product_code": "QUICK_WAP_PAY"}, "ACQ.INVALID_PARAMETER"},
		{"seller", sandboxtest.Biz{"seller_id": "2088000000000000"}, "ACQ.INVALID_RECEIVE_ACCOUNT"},
		{"16 days", sandboxtest.Biz{"timeout_express": "16d"}, "ACQ.INVALID_PARAMETER"},
		{"half an hour", sandboxtest.Biz{"timeout_express": "0.5h"}, "ACQ.INVALID_PARAMETER"},
		{"expires in 16 days", sandboxtest.Biz{"time_expire": "2026-03-17 12:00:00"}, "ACQ.INVALID_PARAMETER"},
		{"expired", sandboxtest.Biz{"time_expire": "2026-03-01 11:59:59"}, "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR"},
	} {
		t.Run(test.name, func(t *testing.T) {
			biz := sandboxtest.Biz{"out_trade_no": "A1", "total_amount": "1", "subject": "s", "product_code": "FAST_INSTANT_TRADE_PAY"}
			maps.Copy(biz, test.set)
			form := g.Form("alipay.trade.page.pay", biz, nil)
			page := g.Open(g.GatewayURL() + "?" + form.Encode())
			if !strings.Contains(page, `id="error-code">`+test.sub+"<") {
				t.Errorf("no %s in:\n%s", test.sub, page)
			}
		})
	}
	page := g.Open(g.PayURL("A1", "1.00", "", "https://shop.example/return?method=alipay"))
	if !strings.Contains(page, `id="error-code">isv.suspected-attack<`) {
		t.Errorf("a method in return_url: %s", page)
	}
	if list := g.Trades(); len(list) != 0 {
		t.Errorf("refused orders are known: %v", list)
	}
}

func TestSameNumberAgain(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	open := func(amount string) string { return g.Open(g.PayURL("A1", amount, "", "")) }
	open("1.00")
	if page := open("2.00"); strings.Contains(page, "CONTEXT_INCONSISTENT") {
		t.Error("before the first login nothing is created, so the price may change")
	}
	if err := g.Pay("A1", 3); err == nil || !strings.Contains(err.Error(), "BUYER_BALANCE_NOT_ENOUGH") {
		t.Fatalf("the buyer without money: %v", err)
	}
	if page := open("1.00"); !strings.Contains(page, "ACQ.CONTEXT_INCONSISTENT") {
		t.Error("after the login another price is refused")
	}
	open("2.00")
	if err := g.Pay("A1", 1); err != nil {
		t.Fatal(err)
	}
	if page := open("2.00"); !strings.Contains(page, "ACQ.TRADE_HAS_SUCCESS") {
		t.Error("a paid order's page still opens")
	}
}

func TestUnpaidTradeExpires(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	biz := sandboxtest.Biz{
		"out_trade_no": "A1", "total_amount": "1", "subject": "s",
		"product_code": "FAST_INSTANT_TRADE_PAY", "timeout_express": "90m",
	}
	pay := g.GatewayURL() + "?" + g.Form("alipay.trade.page.pay", biz, nil).Encode()
	g.Open(pay)
	if err := g.Pay("A1", 3); err == nil {
		t.Fatal("paid with nothing")
	}
	g.Move(90*time.Minute - time.Second)
	if trade, _ := g.Trade("A1"); trade.TradeStatus != "WAIT_BUYER_PAY" {
		t.Errorf("a second before: %s", trade.TradeStatus)
	}
	g.Move(time.Second)
	if trade, _ := g.Trade("A1"); trade.TradeStatus != "TRADE_CLOSED" || trade.GmtPayment != "" {
		t.Errorf("expired: %+v", trade)
	}
	if page := g.Open(pay); !strings.Contains(page, "ACQ.TRADE_HAS_CLOSE") {
		t.Error("a closed order's page still opens")
	}
	if err := g.Pay("A1", 1); err == nil || !strings.Contains(err.Error(), "TRADE_HAS_CLOSE") {
		t.Errorf("paying a closed order: %v", err)
	}
}
