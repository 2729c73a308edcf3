// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/explain"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// printOrder prints one order as the server has told it.
func (j *job) printOrder(raw json.RawMessage) error {
	if !j.people() {
		return j.printJSON(raw)
	}
	var o orderView
	if err := json.Unmarshal(raw, &o); err != nil {
		return err
	}
	facts := table{}
	for _, fact := range []struct{ english, chinese, value string }{
		{"Order", "订单号", o.OutTradeNo},
		{"Status", "状态", orNone(o.Status)},
		{"Amount", "金额", "¥" + o.TotalAmount},
		{"Refunded", "已退款", "¥" + o.RefundedAmount},
		{"Alipay's number", "支付宝交易号", orNone(o.TradeNo)},
		{"Proved by", "凭据来源", orNone(o.Source)},
		{"Buyer", "买家", orNone(o.BuyerID)},
		{"Seller", "卖家", orNone(o.SellerID)},
		{"Sent to the cashier", "进入收银台", when(o.CreatedAt)},
		{"Can be paid until", "付款截止", when(o.ExpiresAt)},
		{"Paid", "支付时间", when(o.PaidAt)},
		{"Closed", "关闭时间", when(o.ClosedAt)},
		{"Events accepted", "商城已接受事件", o.told()},
		{"Site", "站点", orNone(o.PublicURL)},
	} {
		if fact.value != "-" {
			facts.add(j.lang.Say(fact.english, fact.chinese), fact.value)
		}
	}
	if err := facts.write(j.stdout); err != nil {
		return err
	}
	if err := j.refundTable(o.Refunds); err != nil {
		return err
	}
	if o.Contradicted {
		j.printf("\nStatements about this order contradict each other, and a person has to decide: caddy alipay held\n",
			"\n该订单存在相互矛盾的凭据，需人工处理：caddy alipay held\n")
	}
	if o.Held != nil {
		j.printf("\nAlipay's answer does not fit the order and is held (%s): %s\n", "\n支付宝的答复与订单不符，已挂起（%s）：%s\n",
			explain.ReasonWords(j.lang, trade.Reason(o.Held.Reason)), o.Held.ID)
	}
	return nil
}

func (j *job) refundTable(refunds []refundView) error {
	if len(refunds) == 0 {
		return nil
	}
	j.printf("\nRefunds:\n", "\n退款：\n")
	t := table{right: []bool{false, true}}
	for _, r := range refunds {
		at := r.SettledAt
		if at.IsZero() {
			at = r.RequestedAt
		}
		t.add("  "+orNone(r.OutRequestNo), "¥"+r.RefundAmount, j.outcome(&r), when(at), r.RefundReason)
	}
	return t.write(j.stdout)
}

func (j *job) outcome(r *refundView) string {
	word := explain.OutcomeWords(j.lang, r.Outcome)
	if r.SubCode != "" {
		word += " (" + r.SubCode + ")"
	}
	return word
}
