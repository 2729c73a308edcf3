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

func TestQuery(t *testing.T) {
	alipay := namedPair(t, "alipay")
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL+"/gateway.do")
	paidAt := time.Date(2026, 1, 2, 3, 4, 9, 0, trade.Zone)
	for name, tc := range map[string]struct {
		content string
		want    trade.Evidence
	}{
		"paid": {paidAnswer, trade.Evidence{
			Status: trade.StatusSuccess, Total: 8888, BuyerID: "2088000000000001", PaidAt: paidAt,
		}},
		"waiting, with an open id": {
			strings.NewReplacer("TRADE_SUCCESS", "WAIT_BUYER_PAY", "buyer_user_id", "buyer_open_id", "send_pay_date", "x").
				Replace(paidAnswer),
			trade.Evidence{Status: trade.StatusWait, Total: 8888, BuyerID: "2088000000000001"},
		},
		"closed unpaid": {
			strings.NewReplacer("TRADE_SUCCESS", "TRADE_CLOSED", "send_pay_date", "x").Replace(paidAnswer),
			trade.Evidence{Status: trade.StatusClosed, Total: 8888, BuyerID: "2088000000000001"},
		},
		"refunded in full": {
			strings.Replace(paidAnswer, "TRADE_SUCCESS", "TRADE_CLOSED", 1),
			trade.Evidence{Status: trade.StatusClosed, Total: 8888, Refunded: 8888, BuyerID: "2088000000000001", PaidAt: paidAt},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f.says(answering(t, alipay, tc.content))
			got, err := g.Query(context.Background(), "T-1")
			if err != nil {
				t.Fatal(err)
			}
			tc.want.Source, tc.want.AppID, tc.want.OutTradeNo = trade.SourceQuery, testApp, "T-1"
			tc.want.TradeNo, tc.want.ReceivedAt = "2026010222001400000000000001", testTime
			if !got.PaidAt.Equal(tc.want.PaidAt) {
				t.Errorf("PaidAt is %s, want %s", got.PaidAt, tc.want.PaidAt)
			}
			got.PaidAt, tc.want.PaidAt = time.Time{}, time.Time{}
			if got.Digest() != tc.want.Digest() || got.BuyerID != tc.want.BuyerID || got.ReceivedAt != tc.want.ReceivedAt {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
	asked := single(t, f.asked())
	if asked["biz_content"] != `{"out_trade_no":"T-1"}` || !namedPair(t, "app").verifies(t, requestText(asked), asked["sign"]) {
		t.Errorf("the question was %v", asked)
	}
}

func TestQueryErrors(t *testing.T) {
	alipay := namedPair(t, "alipay")
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL)
	missing := `{"code":"40004","msg":"Business Failed","sub_code":"ACQ.TRADE_NOT_EXIST","out_trade_no":"T-1"}`
	for name, tc := range map[string]struct {
		answer   string
		want     error
		signed   bool
		contains string
	}{
		"not there":           {answering(t, alipay, missing), ErrTradeNotExist, true, "ACQ.TRADE_NOT_EXIST"},
		"not there, no ACQ":   {answering(t, alipay, strings.Replace(missing, "ACQ.", "", 1)), ErrTradeNotExist, true, "TRADE_NOT_EXIST"},
		"20000":               {answering(t, alipay, `{"code":"20000","msg":"x","sub_code":"isp.unknow-error"}`), ErrUnknown, true, "20000"},
		"system error":        {answering(t, alipay, `{"code":"40004","sub_code":"ACQ.SYSTEM_ERROR"}`), ErrUnknown, true, "SYSTEM_ERROR"},
		"wrong app, unsigned": {`{"alipay_trade_query_response":{"code":"40002","sub_code":"isv.invalid-app-id"}}`, nil, false, "production or sandbox"},
		"error_response":      {`{"error_response":{"code":"40001","sub_code":"isv.missing-method"}}`, nil, false, "40001"},
	} {
		t.Run(name, func(t *testing.T) {
			f.says(tc.answer)
			_, err := g.Query(context.Background(), "T-1")
			var ge *GatewayError
			if !errors.As(err, &ge) || ge.Signed != tc.signed || !strings.Contains(err.Error(), tc.contains) {
				t.Fatalf("error is %v (%+v)", err, ge)
			}
			for _, target := range []error{ErrTradeNotExist, ErrUnknown} {
				if errors.Is(err, target) != errors.Is(tc.want, target) {
					t.Errorf("errors.Is(%v, %v) is %t", err, target, errors.Is(err, target))
				}
			}
		})
	}
}
