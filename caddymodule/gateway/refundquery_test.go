// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func TestRefundQuery(t *testing.T) {
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL)
	f.says(answeringTo(t, namedPair(t, "alipay"), refundQueryMethod, refundKnown))
	e, err := g.RefundQuery(context.Background(), testRefund())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 30, 0, trade.Zone)
	if e.Source != trade.SourceRefund || e.Status != trade.StatusSuccess || e.RefundAmount != 2000 || e.Refunded != 0 || e.Total != 0 ||
		e.RefundRequestNo != "R1" || e.OutTradeNo != "T-1" || e.TradeNo != testRefund().TradeNo || !e.RefundedAt.Equal(at) {
		t.Errorf("%+v", e)
	}
	const biz = `{"out_request_no":"R1","query_options":["gmt_refund_pay"],"trade_no":"2026010222001400000000000001"}`
	if asked := single(t, f.asked()); asked["biz_content"] != biz || asked["method"] != refundQueryMethod {
		t.Errorf("asked %v", asked)
	}
}

func TestRefundQueryErrors(t *testing.T) {
	alipay := namedPair(t, "alipay")
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL)
	says := func(content string) string { return answeringTo(t, alipay, refundQueryMethod, content) }
	change := func(old, changed string) string { return says(strings.Replace(refundKnown, old, changed, 1)) }
	for name, tc := range map[string]struct {
		text string
		want error
	}{
		"nothing known":            {says(`{"code":"10000","msg":"Success"}`), ErrRefundNotExist},
		"nothing of this refund":   {says(`{"code":"10000","out_trade_no":"T-1","out_request_no":"R1"}`), ErrRefundNotExist},
		"no trade":                 {says(`{"code":"40004","sub_code":"TRADE_NOT_EXIST"}`), ErrRefundNotExist},
		"no trade, ACQ":            {says(`{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST","out_trade_no":"T-1"}`), ErrRefundNotExist},
		"no trade, unsigned":       {`{"alipay_trade_fastpay_refund_query_response":{"code":"40004","sub_code":"TRADE_NOT_EXIST"}}`, ErrTradeNotExist},
		"nothing of another order": {says(`{"code":"10000","out_trade_no":"T-2"}`), ErrUnknown},
		"nothing of another":       {says(`{"code":"10000","out_request_no":"R2"}`), ErrUnknown},
		"nothing, unsigned":        {`{"alipay_trade_fastpay_refund_query_response":{"code":"10000"}}`, ErrUnknown},
		"another order":            {change("T-1", "T-2"), ErrUnknown},
		"another refund":           {change("R1", "R2"), ErrUnknown},
		"another trade":            {change("2026010222001400000000000001", "2"), ErrUnknown},
		"no number":                {change(`"out_request_no"`, `"x"`), ErrUnknown},
		"no amount":                {change(`"refund_amount"`, `"x"`), ErrUnknown},
		"amount 0":                 {change("20.00", "0.00"), ErrUnknown},
		"an old answer":            {change(`"refund_status":"REFUND_SUCCESS",`, ""), ErrUnknown},
		"a state of its own":       {change("REFUND_SUCCESS", "REFUND_FAIL"), ErrUnknown},
		"system error":             {says(`{"code":"40004","sub_code":"ACQ.SYSTEM_ERROR"}`), ErrUnknown},
		"another key":              {answeringTo(t, namedPair(t, "other"), refundQueryMethod, refundKnown), ErrUnknown},
		"a refund's answer":        {answeringTo(t, alipay, refundMethod, refundedAnswer), ErrUnknown},
		"the same under our name":  {says(refundedAnswer), ErrRefundNotExist},
		"not JSON":                 {"x", ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			f.says(tc.text)
			e, err := g.RefundQuery(context.Background(), testRefund())
			if !errors.Is(err, tc.want) || e.RefundAmount != 0 || errors.Is(tc.want, ErrUnknown) && errors.Is(err, ErrRefundNotExist) {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
	f.says(says(`{"code":"40006","sub_code":"isv.insufficient-isv-permissions"}`))
	if _, err := g.RefundQuery(context.Background(), testRefund()); errors.Is(err, ErrUnknown) || errors.Is(err, ErrRefundNotExist) {
		t.Errorf("refused: %v", err)
	}
}
