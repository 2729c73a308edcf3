// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"slices"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

// find looks up the trade that a request names by trade_no or out_trade_no.
func (s *Sandbox) find(req *request) (*bank.Trade, object, error) {
	tradeNo, err := req.scalar("trade_no", 64)
	if err != nil {
		return nil, nil, err
	}
	outTradeNo, err := req.scalar("out_trade_no", maxOutTradeNo)
	if err != nil {
		return nil, nil, err
	}
	if tradeNo == "" && outTradeNo == "" {
		return nil, nil, bank.Invalid("trade_no 与 out_trade_no 不能同时为空")
	}
	trade, err := s.book.Find(tradeNo, outTradeNo, s.clock.Now())
	if err != nil {
		req.outTradeNo = outTradeNo
		return nil, object{{"out_trade_no", outTradeNo}}, err
	}
	req.outTradeNo = trade.OutTradeNo
	return trade, nil, nil
}

// tradeQuery is alipay.trade.query (document 02ekfq).
func (s *Sandbox) tradeQuery(req *request) (object, error) {
	trade, extra, err := s.find(req)
	if err != nil {
		for _, name := range []string{"buyer_pay_amount", "invoice_amount", "point_amount", "receipt_amount"} {
			extra = append(extra, member{name, "0.00"})
		}
		return extra, err
	}
	reply := append(succeeded(buyerMembers(trade)...), member{"out_trade_no", trade.OutTradeNo},
		member{"trade_no", trade.TradeNo}, member{"trade_status", string(trade.Status)},
		member{"total_amount", trade.Total.String()}, member{"point_amount", "0.00"})
	paid := bank.Fen(0)
	if !trade.Paid.IsZero() {
		paid = trade.Total
		reply = append(reply, member{"send_pay_date", alipayTime(trade.Paid)})
		if slices.Contains(req.biz.list("query_options"), "fund_bill_list") {
			reply = append(reply, member{"fund_bill_list",
				[]object{{{"amount", paid.String()}, {"fund_channel", "ALIPAYACCOUNT"}}}})
		}
	}
	for _, name := range []string{"receipt_amount", "buyer_pay_amount", "invoice_amount"} {
		reply = append(reply, member{name, paid.String()})
	}
	return reply, nil
}

// buyerMembers names the buyer as answers do: by user id, or by open id where
// the buyer has one.
func buyerMembers(trade *bank.Trade) []member {
	buyer := trade.Buyer
	if buyer.OpenID != "" {
		return []member{{"buyer_logon_id", buyer.LogonID}, {"buyer_open_id", buyer.OpenID}}
	}
	return []member{{"buyer_logon_id", buyer.LogonID}, {"buyer_user_id", buyer.UserID}}
}

// tradeClose is alipay.trade.close (document 02o6e8): for unpaid trades only.
func (s *Sandbox) tradeClose(req *request) (object, error) {
	if _, err := req.scalar("operator_id", 28); err != nil {
		return nil, err
	}
	trade, extra, err := s.find(req)
	if err != nil {
		return extra, err
	}
	if err := s.closeTrade(trade); err != nil {
		return nil, err
	}
	return succeeded(member{"out_trade_no", trade.OutTradeNo}, member{"trade_no", trade.TradeNo}), nil
}

// tradeCancel is alipay.trade.cancel: it closes an unpaid trade and refunds a
// paid one in full.
func (s *Sandbox) tradeCancel(req *request) (object, error) {
	trade, extra, err := s.find(req)
	if err != nil {
		return extra, err
	}
	action := ""
	switch {
	case trade.Status == bank.WaitBuyerPay:
		if err := s.closeTrade(trade); err != nil {
			return nil, err
		}
		action = "close"
	case trade.Status == bank.Success:
		rest := bank.Refund{RequestNo: "cancel_" + trade.TradeNo, Amount: trade.Total - trade.Refunded}
		if _, err := s.refund(trade, rest); err != nil {
			return nil, err
		}
		action = "refund"
	case trade.Status == bank.Finished:
		return nil, bank.ErrHasFinished
	}
	reply := succeeded(member{"out_trade_no", trade.OutTradeNo}, member{"trade_no", trade.TradeNo},
		member{"retry_flag", "N"})
	if action != "" {
		reply = append(reply, member{"action", action})
	}
	return reply, nil
}
