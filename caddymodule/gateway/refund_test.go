// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	refundMethod      = "alipay.trade.refund"
	refundQueryMethod = "alipay.trade.fastpay.refund.query"

	refundedAnswer = `{"code":"10000","msg":"Success","buyer_logon_id":"l***@x.cn","buyer_user_id":"2088000000000001",` +
		`"fund_change":"Y","gmt_refund_pay":"2026-01-02 03:04:30","out_trade_no":"T-1","refund_fee":"30.00",` +
		`"trade_no":"2026010222001400000000000001"}`
	refundKnown = `{"code":"10000","msg":"Success","out_request_no":"R1","out_trade_no":"T-1","refund_amount":"20.00",` +
		`"refund_status":"REFUND_SUCCESS","gmt_refund_pay":"2026-01-02 03:04:30","total_amount":"88.88",` +
		`"trade_no":"2026010222001400000000000001"}`
)

func testRefund() Refund {
	return Refund{OutTradeNo: "T-1", TradeNo: "2026010222001400000000000001", RequestNo: "R1", Amount: 2000, Known: 1000}
}

func TestRefund(t *testing.T) {
	alipay := namedPair(t, "alipay")
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL)
	f.says(answeringTo(t, alipay, refundMethod, refundedAnswer))
	r := testRefund()
	r.Reason = "茶 broken"
	e, err := g.Refund(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	want := trade.Evidence{
		Source: trade.SourceRefund, AppID: testApp, OutTradeNo: "T-1", TradeNo: r.TradeNo, Status: trade.StatusSuccess,
		Refunded: 3000, RefundAmount: 2000, RefundRequestNo: "R1", BuyerID: "2088000000000001", ReceivedAt: testTime,
	}
	at := time.Date(2026, 1, 2, 3, 4, 30, 0, trade.Zone)
	if e.Digest() != want.Digest() || e.Source != want.Source || e.BuyerID != want.BuyerID || !e.RefundedAt.Equal(at) || e.ReceivedAt != testTime {
		t.Errorf("got %+v, want %+v", e, want)
	}
	asked := single(t, f.asked())
	const biz = `{"out_request_no":"R1","refund_amount":"20.00","refund_reason":"茶 broken","trade_no":"2026010222001400000000000001"}`
	if asked["biz_content"] != biz || asked["method"] != refundMethod || !namedPair(t, "app").verifies(t, requestText(asked), asked["sign"]) {
		t.Errorf("asked %v", asked)
	}
	r.TradeNo, r.Reason = "", ""
	if e, err = g.Refund(context.Background(), r); err != nil || e.TradeNo != want.TradeNo {
		t.Fatalf("%+v, %v", e, err)
	}
	if got := single(t, f.asked())["biz_content"]; got != `{"out_request_no":"R1","out_trade_no":"T-1","refund_amount":"20.00"}` {
		t.Errorf("asked %s", got)
	}
}

// TestRefundRefused: every error that Alipay's document lists is a refusal of this
// call, whatever its prefix.
func TestRefundRefused(t *testing.T) {
	alipay := namedPair(t, "alipay")
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL)
	answers := map[string]string{
		"INVALID_SIGNATURE":     `{"code":"40002","sub_code":"isv.invalid-signature"}`,
		"MISSING_CONFIG":        `{"code":"40003","sub_code":"isv.missing-signature-config"}`,
		"NO_PERMISSION":         `{"code":"40006","sub_code":"isv.insufficient-isv-permissions"}`,
		"WITHOUT_PREFIX":        `{"code":"40004","sub_code":"TRADE_HAS_FINISHED","out_trade_no":"T-1"}`,
		"FUND_CHANGE_IN_ERRORS": `{"code":"40004","sub_code":"ACQ.TRADE_HAS_CLOSE","fund_change":"Y"}`,
	}
	for name := range refusals {
		answers[name] = `{"code":"40004","msg":"Business Failed","sub_code":"ACQ.` + name + `","out_trade_no":"T-1"}`
	}
	for name, content := range answers {
		f.says(answeringTo(t, alipay, refundMethod, content))
		_, err := g.Refund(context.Background(), testRefund())
		ge, ok := errors.AsType[*GatewayError](err)
		if !ok || errors.Is(err, ErrUnknown) || ge.BeforeBusiness() != (ge.Code != "40004") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(refusals) != 30 {
		t.Errorf("%d refusals; the document has 31 errors with SYSTEM_ERROR", len(refusals))
	}
}

// TestRefundUnknown: whatever is not plainly one or the other leaves a refund
// unknown, and never moves the order.
func TestRefundUnknown(t *testing.T) {
	alipay := namedPair(t, "alipay")
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL)
	change := func(old, changed string) string {
		if !strings.Contains(refundedAnswer, old) {
			t.Fatalf("%s is not in the answer", old)
		}
		return answeringTo(t, alipay, refundMethod, strings.Replace(refundedAnswer, old, changed, 1))
	}
	failure := func(code, sub string) string {
		return answeringTo(t, alipay, refundMethod, `{"code":"`+code+`","sub_code":"`+sub+`"}`)
	}
	for name, text := range map[string]string{
		"empty":                     "",
		"HTML":                      "<html>502</html>",
		"null":                      `{"alipay_trade_refund_response":null}`,
		"unsigned":                  `{"alipay_trade_refund_response":` + refundedAnswer + `}`,
		"signed by another":         answeringTo(t, namedPair(t, "other"), refundMethod, refundedAnswer),
		"a query's answer":          answering(t, alipay, paidAnswer),
		"a refund query's answer":   answeringTo(t, alipay, refundQueryMethod, refundKnown),
		"the same under our name":   answeringTo(t, alipay, refundMethod, refundKnown),
		"fund_change N":             change(`"fund_change":"Y"`, `"fund_change":"N"`),
		"no fund_change":            change(`"fund_change":"Y",`, ``),
		"fund_change true":          change(`"fund_change":"Y"`, `"fund_change":true`),
		"no refund_fee":             change(`"refund_fee":"30.00",`, ``),
		"refund_fee 0":              change("30.00", "0.00"),
		"refund_fee negative":       change("30.00", "-30.00"),
		"refund_fee in exponents":   change("30.00", "3e1"),
		"less than this refund":     change("30.00", "19.99"),
		"less than both":            change("30.00", "29.99"),
		"another order":             change("T-1", "T-2"),
		"no order":                  change(`"out_trade_no"`, `"x"`),
		"another trade":             change("2026010222001400000000000001", "2026010222001400000000000002"),
		"system error":              failure("40004", "ACQ.SYSTEM_ERROR"),
		"20000":                     failure("20000", "isp.unknow-error"),
		"20000, AQC":                failure("20000", "aop.ACQ.SYSTEM_ERROR"),
		"limited":                   failure("40005", "isv.app-call-limited"),
		"no document names it":      failure("40004", "ACQ.SOMETHING_NEW"),
		"no sub_code":               failure("40004", ""),
		"10003":                     failure("10003", ""),
		"unsigned refusal":          `{"alipay_trade_refund_response":{"code":"40004","sub_code":"ACQ.TRADE_HAS_FINISHED"}}`,
		"unsigned wrong app":        `{"alipay_trade_refund_response":{"code":"40002","sub_code":"isv.invalid-app-id"}}`,
		"error_response":            `{"error_response":{"code":"40002","sub_code":"isv.invalid-app-id"}}`,
		"refusal for another order": answeringTo(t, alipay, refundMethod, `{"code":"40004","sub_code":"ACQ.TRADE_HAS_FINISHED","out_trade_no":"T-2"}`),
		"20001 and a system error":  failure("20001", "aop.ACQ.SYSTEM_ERROR"),
	} {
		t.Run(name, func(t *testing.T) {
			f.says(text)
			e, err := g.Refund(context.Background(), testRefund())
			if !errors.Is(err, ErrUnknown) || e.OutTradeNo != "" || e.Refunded != 0 {
				t.Errorf("%+v, %v", e, err)
			}
			if err != nil && (len(err.Error()) > 400 || strings.Contains(err.Error(), "sign=")) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	f.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	if _, err := g.Refund(context.Background(), testRefund()); !errors.Is(err, ErrUnknown) {
		t.Errorf("a 502: %v", err)
	}
	f.does(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := g.Refund(context.Background(), testRefund()); !errors.Is(err, ErrUnknown) {
		t.Errorf("a closed connection: %v", err)
	}
}
