// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"slices"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

const (
	maxRequestNo    = 64
	maxRefundReason = 256
)

// refundFields are the members that alipay.trade.refund documents (02ekfs).
// It warns that others may make a refund fail or happen twice; here they are
// refused.
var refundFields = []string{
	"trade_no", "out_trade_no", "refund_amount", "refund_currency", "refund_reason", "out_request_no",
	"operator_id", "store_id", "terminal_id", "goods_detail", "refund_royalty_parameters",
	"refund_goods_detail", "query_options", "org_pid", "related_settle_confirm_no",
}

// tradeRefund is alipay.trade.refund.
func (s *Sandbox) tradeRefund(req *request) (object, error) {
	ask, err := readRefund(req)
	if err != nil {
		return nil, err
	}
	trade, extra, err := s.find(req)
	if err != nil {
		return extra, err
	}
	moved, err := s.refundOrFault(trade, ask)
	if err != nil {
		return nil, err
	}
	change := "N"
	if moved {
		change = "Y"
	}
	reply := append(succeeded(buyerMembers(trade)...), member{"out_trade_no", trade.OutTradeNo},
		member{"trade_no", trade.TradeNo}, member{"fund_change", change},
		member{"refund_fee", trade.Refunded.String()})
	if count := len(trade.Refunds); count > 0 {
		reply = append(reply, member{"gmt_refund_pay", alipayTime(trade.Refunds[count-1].At)})
	}
	if slices.Contains(req.biz.list("query_options"), "refund_detail_item_list") {
		reply = append(reply, member{"send_back_fee", ask.Amount.String()},
			member{"refund_detail_item_list",
				[]object{{{"amount", ask.Amount.String()}, {"fund_channel", "ALIPAYACCOUNT"}}}})
	}
	return reply, nil
}

func readRefund(req *request) (ask bank.Refund, err error) {
	for name := range req.biz {
		if !slices.Contains(refundFields, name) {
			return ask, bank.Invalid("退款接口没有字段 " + name)
		}
	}
	amount, _ := req.biz.text("refund_amount")
	if ask.Amount, err = bank.ParseFen(amount); err != nil {
		return ask, bank.Invalid("refund_amount 应大于 0，最多两位小数")
	}
	if ask.RequestNo, err = req.scalar("out_request_no", maxRequestNo); err != nil {
		return ask, err
	}
	ask.Reason, err = req.scalar("refund_reason", maxRefundReason)
	return ask, err
}

// refund moves the money and tells the merchant.
func (s *Sandbox) refund(trade *bank.Trade, ask bank.Refund) (moved bool, err error) {
	done, moved, err := s.book.Refund(trade, ask, s.clock.Now())
	if err == nil && moved {
		s.notifyRefund(trade, done)
	}
	return moved, err
}

// refundQuery is alipay.trade.fastpay.refund.query (document 02ekft). A number
// that names no refund is answered 10000 without refund_status: the trap that
// its page warns of.
func (s *Sandbox) refundQuery(req *request) (object, error) {
	requestNo, err := req.scalar("out_request_no", maxRequestNo)
	if err != nil {
		return nil, err
	}
	if requestNo == "" {
		return nil, bank.Invalid("out_request_no 不能为空")
	}
	trade, extra, err := s.find(req)
	if err != nil {
		// Seen without its prefix in this method's own error table.
		return extra, &bank.Error{Code: "TRADE_NOT_EXIST", Text: bank.ErrNotExist.Text}
	}
	refund, ok := trade.FindRefund(requestNo)
	if !ok {
		return succeeded(), nil
	}
	reply := succeeded(member{"out_request_no", refund.RequestNo}, member{"out_trade_no", trade.OutTradeNo},
		member{"trade_no", trade.TradeNo}, member{"total_amount", trade.Total.String()},
		member{"refund_amount", refund.Amount.String()}, member{"refund_status", "REFUND_SUCCESS"})
	if slices.Contains(req.biz.list("query_options"), "gmt_refund_pay") {
		reply = append(reply, member{"gmt_refund_pay", alipayTime(refund.At)})
	}
	return reply, nil
}
