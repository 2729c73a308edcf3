// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"slices"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func TestHeld(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.held("U1", "12.34")
	a := o.call("GET", "/held", "").want(200, "")
	if items := a.list("held"); len(items) != 1 || items[0]["id"] != id || items[0]["out_trade_no"] != "U1" || items[0]["reason"] != "unknown_order" ||
		items[0]["total_amount"] != "12.34" || a.text("next_cursor") != "" {
		t.Errorf("%s", a.Body)
	}
	if a := o.call("GET", "/held/"+id, "").want(200, ""); a.text("status") != "TRADE_SUCCESS" || a.text("decision", "decision") != "" {
		t.Errorf("%s", a.Body)
	}
	o.call("GET", "/held/nothing", "").want(404, "held-not-found")
	for _, word := range []string{"accept", "refund", "dismiss"} {
		o.call("POST", "/held/nothing/"+word, "").want(404, "held-not-found")
		o.call("POST", "/held/"+id+"/"+word, `{"x":1}`).want(400, "malformed-body")
		o.call("POST", "/held/"+id+"/"+word+"?x=1", "").want(400, "invalid-parameter")
	}
	for _, query := range []string{"decided=yes", "limit=0", "cursor=nonsense", "status=x"} {
		o.call("GET", "/held?"+query, "").want(400, "invalid-parameter")
	}
	if a := o.call("GET", "/held", "").want(200, ""); len(a.list("held")) != 1 {
		t.Errorf("refused calls have decided: %s", a.Body)
	}
}

func TestAcceptHeld(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.held("U1", "12.34")
	o.call("POST", "/held/"+id+"/accept", "").want(422, "held-needs-site")
	o.call("POST", "/held/"+id+"/accept", `{"public_url":"https://elsewhere.example"}`).want(422, "unknown-site")
	o.call("POST", "/held/"+id+"/accept", `{"public_url":1}`).want(422, "invalid-member")
	for range 2 {
		if a := o.call("POST", "/held/"+id+"/accept", `{"public_url":"`+siteURL+`/"}`).want(200, ""); a.text("decision", "decision") != "accept" {
			t.Errorf("%s", a.Body)
		}
	}
	o.until("the shop is told once", func() bool { return slices.Equal(o.heard(), []string{"trade.paid U1 1"}) })
	if a := o.call("GET", "/orders/U1", "").want(200, ""); a.text("status") != "TRADE_SUCCESS" || a.text("public_url") != siteURL {
		t.Errorf("%s", a.Body)
	}
	o.call("POST", "/held/"+id+"/refund", "").want(409, "held-decided")
	o.call("POST", "/held/"+id+"/dismiss", "").want(409, "held-decided")
	if a := o.call("GET", "/held", "").want(200, ""); len(a.list("held")) != 0 {
		t.Errorf("%s", a.Body)
	}
	if a := o.call("GET", "/held?decided=true", "").want(200, ""); len(a.list("held")) != 1 {
		t.Errorf("%s", a.Body)
	}
	// a payment with another amount, for an order that is sent to the cashier
	o.sent("A1", "1.00")
	o.Buy("A1", "2.00", "", "")
	other := o.call("POST", "/orders/A1/query", "").want(200, "").text("held", "id")
	o.call("POST", "/held/"+other+"/accept", "{}").want(200, "")
	if a := o.call("GET", "/orders/A1", "").want(200, ""); a.text("status") != "TRADE_SUCCESS" || a.text("total_amount") != "2.00" {
		t.Errorf("%s", a.Body)
	}
}

func TestRefundHeld(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.held("U1", "12.34")
	o.faults(sandbox.Fault{Name: "refund_seller_balance"})
	if a := o.call("POST", "/held/"+id+"/refund", "").want(422, "refund-refused"); a.text("sub_code") != "ACQ.SELLER_BALANCE_NOT_ENOUGH" ||
		a.text("refund", "out_request_no") != "held-"+id {
		t.Errorf("%s", a.Body)
	}
	o.faults()
	o.breaks(func(string) error { return errGone })
	if a := o.call("POST", "/held/"+id+"/refund", "").want(202, ""); a.text("decision", "outcome") != "unknown" {
		t.Errorf("%s", a.Body)
	}
	o.breaks(nil)
	if a := o.call("POST", "/held/"+id+"/refund", "").want(200, ""); a.text("decision", "outcome") != "succeeded" {
		t.Errorf("%s", a.Body)
	}
	o.call("POST", "/held/"+id+"/dismiss", "").want(409, "held-decided")
	if tr, err := o.Trade("U1"); err != nil || tr.RefundedAmount != "12.34" || len(tr.Refunds) != 1 {
		t.Errorf("%+v, %v", tr, err)
	}
}

// TestHeldOfAPaidOrder: what contradicts a paid order cannot be accepted, and its
// own trade is not refunded behind its back.
func TestHeldOfAPaidOrder(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.paid("A1", "88.88")
	o.until("the shop is told", func() bool { return len(o.heard()) == 1 })
	order := o.order("A1")
	hold := func(tradeNo string, total trade.Amount, status trade.Status) string {
		out, err := o.api.Courier.Record(t.Context(), trade.Evidence{
			Source: trade.SourceNotify, AppID: o.AppID, OutTradeNo: "A1", TradeNo: tradeNo, Status: status, Total: total, ReceivedAt: time.Now(),
		})
		if err != nil || out.Held == nil {
			t.Fatalf("%+v, %v", out, err)
		}
		return out.Held.ID
	}
	own := hold(order.TradeNo, 8889, trade.StatusSuccess)
	o.call("POST", "/held/"+own+"/refund", "").want(409, "held-own-trade")
	o.call("POST", "/held/"+own+"/accept", "").want(422, "held-not-acceptable")
	o.call("POST", "/held/"+own+"/dismiss", "").want(200, "")
	second := hold("SECOND", 8888, trade.StatusSuccess)
	if a := o.call("GET", "/orders/A1", "").want(200, ""); a.fields["contradicted"] != true {
		t.Errorf("%s", a.Body)
	}
	closed := hold(order.TradeNo, 8888, trade.StatusClosed)
	o.call("POST", "/held/"+closed+"/refund", "").want(422, "held-no-payment")
	o.call("POST", "/held/"+closed+"/dismiss", "").want(200, "")
	o.call("POST", "/held/"+second+"/dismiss", "").want(200, "")
	if a := o.call("GET", "/orders/A1", "").want(200, ""); a.fields["contradicted"] != false || a.text("status") != "TRADE_SUCCESS" {
		t.Errorf("%s", a.Body)
	}
}
