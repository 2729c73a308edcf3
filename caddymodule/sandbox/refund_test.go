// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

func refund(g *sandboxtest.Gateway, number, amount string) sandboxtest.Answer {
	return g.Call("alipay.trade.refund", sandboxtest.Biz{
		"out_trade_no": "A1", "refund_amount": amount, "out_request_no": number, "refund_reason": "测试",
	})
}

func refundQuery(g *sandboxtest.Gateway, number string) sandboxtest.Answer {
	return g.Call("alipay.trade.fastpay.refund.query", sandboxtest.Biz{"out_trade_no": "A1", "out_request_no": number})
}

func wants(t *testing.T, answer sandboxtest.Answer, fields map[string]string) {
	t.Helper()
	for name, want := range fields {
		if answer.Text(name) != want {
			t.Errorf("%s is %q, not %q, in %s", name, answer.Text(name), want, answer.Raw)
		}
	}
}

func TestRefundsThroughTheGateway(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("success"))
	g.Open(g.PayURL("A1", "100.00", m.URL, ""))
	wants(t, refund(g, "r1", "1.00"), map[string]string{"sub_code": "ACQ.TRADE_NOT_EXIST"})
	if err := g.Pay("A1", 1); err != nil {
		t.Fatal(err)
	}
	wants(t, refund(g, "r1", "30.00"), map[string]string{"code": "10000", "fund_change": "Y", "refund_fee": "30.00"})
	wants(t, refund(g, "r1", "30.00"), map[string]string{"code": "10000", "fund_change": "N", "refund_fee": "30.00"})
	wants(t, refund(g, "r1", "31.00"), map[string]string{"code": "40004", "sub_code": "ACQ.DISCORDANT_REPEAT_REQUEST"})
	wants(t, refund(g, "r2", "70.01"), map[string]string{"sub_code": "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"})
	wants(t, refundQuery(g, "r1"), map[string]string{"refund_status": "REFUND_SUCCESS", "refund_amount": "30.00", "total_amount": "100.00"})
	wants(t, refundQuery(g, "none"), map[string]string{"code": "10000", "refund_status": ""})
	wants(t, refund(g, "r2", "70.00"), map[string]string{"fund_change": "Y", "refund_fee": "100.00"})
	wants(t, g.Call("alipay.trade.query", sandboxtest.Biz{"out_trade_no": "A1"}), map[string]string{
		"trade_status": "TRADE_CLOSED", "send_pay_date": "2026-03-01 12:00:00",
	})
	wants(t, refund(g, "r3", "0.01"), map[string]string{"sub_code": "ACQ.TRADE_HAS_CLOSE"})
	g.Wait()
	forms := m.got()
	if len(forms) != 3 {
		t.Fatalf("%d notices", len(forms))
	}
	byFee := map[string]map[string]string{
		"":       {"trade_status": "TRADE_SUCCESS", "gmt_refund": "", "out_biz_no": "", "gmt_close": ""},
		"30.00":  {"trade_status": "TRADE_SUCCESS", "gmt_refund": "2026-03-01 12:00:00.000", "out_biz_no": "r1", "send_back_fee": "30.00", "gmt_close": ""},
		"100.00": {"trade_status": "TRADE_CLOSED", "gmt_refund": "2026-03-01 12:00:00.000", "out_biz_no": "r2", "send_back_fee": "70.00", "gmt_close": "2026-03-01 12:00:00"},
	}
	for _, form := range forms {
		want, ok := byFee[form.Get("refund_fee")]
		if !ok {
			t.Errorf("a notice with refund_fee %q", form.Get("refund_fee"))
		}
		delete(byFee, form.Get("refund_fee"))
		for name, value := range want {
			if form.Get(name) != value {
				t.Errorf("%s is %q in %v", name, form.Get(name), form)
			}
		}
		if err := g.VerifyForm(form); err != nil {
			t.Error(err)
		}
	}
}

func TestRefundRefusesFieldsThatItDoesNotKnow(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	g.Buy("A1", "1.00", "", "")
	wants(t, g.Call("alipay.trade.refund", sandboxtest.Biz{"out_trade_no": "A1", "refund_amount": "1.00", "amount": "1.00"}),
		map[string]string{"sub_code": "ACQ.INVALID_PARAMETER"})
	wants(t, g.Call("alipay.trade.refund", sandboxtest.Biz{"out_trade_no": "A1", "refund_amount": "0"}),
		map[string]string{"sub_code": "ACQ.INVALID_PARAMETER"})
}

func TestCloseAndCancel(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	call := func(method, number string) sandboxtest.Answer {
		return g.Call(method, sandboxtest.Biz{"out_trade_no": number})
	}
	for _, number := range []string{"unpaid", "cancelled"} {
		g.Open(g.PayURL(number, "1.00", "", ""))
		wants(t, call("alipay.trade.close", number), map[string]string{"sub_code": "ACQ.TRADE_NOT_EXIST"})
		if err := g.Pay(number, 3); err == nil { // logs in, and cannot pay
			t.Fatal("paid with nothing")
		}
	}
	wants(t, call("alipay.trade.close", "unpaid"), map[string]string{"code": "10000", "out_trade_no": "unpaid"})
	wants(t, call("alipay.trade.close", "unpaid"), map[string]string{"sub_code": "ACQ.TRADE_STATUS_ERROR"})
	wants(t, call("alipay.trade.cancel", "cancelled"), map[string]string{"action": "close", "retry_flag": "N"})
	g.Buy("paid", "1.00", "", "")
	wants(t, call("alipay.trade.close", "paid"), map[string]string{"sub_code": "ACQ.TRADE_STATUS_ERROR"})
	wants(t, call("alipay.trade.cancel", "paid"), map[string]string{"action": "refund"})
	wants(t, call("alipay.trade.query", "paid"), map[string]string{"trade_status": "TRADE_CLOSED"})
}

func TestQueryPrefersTradeNo(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	one := g.Buy("A1", "1.00", "", "")
	g.Buy("A2", "2.00", "", "")
	wants(t, g.Call("alipay.trade.query", sandboxtest.Biz{"trade_no": one.TradeNo, "out_trade_no": "A2"}),
		map[string]string{"out_trade_no": "A1", "total_amount": "1.00"})
	wants(t, g.Call("alipay.trade.query", sandboxtest.Biz{}), map[string]string{"sub_code": "ACQ.INVALID_PARAMETER"})
}

func TestRefundFaults(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	set := func(names ...string) {
		t.Helper()
		var faults sandbox.Faults
		faults.Switches = sandbox.DefaultSwitches()
		for _, name := range names {
			faults.Global = append(faults.Global, sandbox.Fault{Name: name})
		}
		if err := g.SetFaults(faults); err != nil {
			t.Fatal(err)
		}
	}
	g.Buy("A1", "100.00", "", "")
	set("refund_slow")
	wants(t, refund(g, "r1", "10.00"), map[string]string{"code": "10000", "fund_change": "N", "refund_fee": "0.00"})
	wants(t, refundQuery(g, "r1"), map[string]string{"code": "10000", "refund_status": ""})
	wants(t, refund(g, "r1", "10.00"), map[string]string{"fund_change": "N"})
	wants(t, refund(g, "r1", "11.00"), map[string]string{"sub_code": "ACQ.DISCORDANT_REPEAT_REQUEST"})
	g.Move(30 * time.Second)
	wants(t, refundQuery(g, "r1"), map[string]string{"refund_status": "REFUND_SUCCESS", "refund_amount": "10.00"})
	set("refund_seller_balance")
	wants(t, refund(g, "r2", "10.00"), map[string]string{"sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	set("refund_spacing")
	g.Move(3 * time.Second)
	wants(t, refund(g, "r2", "10.00"), map[string]string{"fund_change": "Y"})
	wants(t, refund(g, "r3", "10.00"), map[string]string{"sub_code": "ACQ.TRADE_NOT_ALLOW_REFUND"})
	g.Move(3 * time.Second)
	wants(t, refund(g, "r3", "10.00"), map[string]string{"fund_change": "Y"})
	set("refund_full_once")
	wants(t, refund(g, "r4", "10.00"), map[string]string{"sub_code": "ACQ.NOT_ALLOW_PARTIAL_REFUND"})
	wants(t, refund(g, "r5", "70.00"), map[string]string{"sub_code": "ACQ.TRADE_NOT_ALLOW_REFUND"})
}
