// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"net/http"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

// What the merchant has withdrawn cannot be refunded, until new money came.
func TestRefundsArePaidFromTheSellersBalance(t *testing.T) {
	t.Parallel()
	g := sandboxtest.New(t, sandboxtest.Options{})
	g.Buy("A1", "100.00", "", "")
	seller := func(want string) {
		t.Helper()
		got := control(t, g, "GET", "/control/accounts", "", http.StatusOK)["seller"].(map[string]any)
		if got["balance"] != want || got["seller_id"] != "2088102146225135" {
			t.Errorf("the seller has %v, not %s", got, want)
		}
	}
	seller("100.00")
	control(t, g, "POST", "/control/accounts/seller/withdraw", `{"amount":"100.01"}`, http.StatusConflict)
	for _, body := range []string{"", `{"amount":"-1"}`, `{"amount":"0"}`, `{"amount":80}`, `{"amont":"80.00"}`} {
		control(t, g, "POST", "/control/accounts/seller/withdraw", body, http.StatusBadRequest)
	}
	control(t, g, "POST", "/control/accounts/seller/withdraw", `{"amount":"80.00"}`, http.StatusOK)
	seller("20.00")
	wants(t, refund(g, "r1", "20.01"), map[string]string{"sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	wants(t, refundQuery(g, "r1"), map[string]string{"code": "10000", "refund_status": ""})
	g.Buy("A2", "0.01", "", "")
	wants(t, refund(g, "r1", "20.01"), map[string]string{"fund_change": "Y", "refund_fee": "20.01"})
	seller("0.00")
}

// The accounts say with what each buyer is named and charged.
func TestAccountsNameTheBuyers(t *testing.T) {
	t.Parallel()
	g := sandboxtest.New(t, sandboxtest.Options{})
	buyers := control(t, g, "GET", "/control/accounts", "", http.StatusOK)["buyers"].([]any)
	if len(buyers) != 5 {
		t.Fatalf("%d buyers", len(buyers))
	}
	first, second := buyers[0].(map[string]any), buyers[1].(map[string]any)
	wants(t, g.Call("alipay.trade.create", sandboxtest.Biz{
		"out_trade_no": "A1", "total_amount": "1.00", "subject": "Tea", "buyer_id": first["user_id"],
	}), map[string]string{"code": "10000"})
	wants(t, g.Call("alipay.trade.pay", sandboxtest.Biz{
		"out_trade_no": "A2", "total_amount": "1.00", "subject": "Tea", "scene": "bar_code", "auth_code": second["auth_code"],
	}), map[string]string{"code": "10003"})
	control(t, g, "POST", "/control/trades/A2/pay", `{"buyer":2}`, http.StatusOK)
	after := control(t, g, "GET", "/control/accounts", "", http.StatusOK)["buyers"].([]any)[1].(map[string]any)
	if second["balance"] != "5000.00" || after["balance"] != "4999.00" {
		t.Errorf("the buyer had %v and has %v", second["balance"], after["balance"])
	}
}
