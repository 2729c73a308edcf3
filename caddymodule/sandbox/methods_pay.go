// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

// codedBuyer is the number of the buyer whose bar code needs a confirmation:
// alipay.trade.pay answers 10003 then.
const codedBuyer = 2

// newOrder reads and remembers an order that comes without a cashier.
func (s *Sandbox) newOrder(req *request, way product) (bank.Order, error) {
	outTradeNo, _ := req.biz.text("out_trade_no")
	first := s.clock.Now()
	if known := s.orders[outTradeNo]; known != nil {
		first = known.first
	}
	asked, err := s.readOrder(req, way, first)
	if err != nil {
		return asked, err
	}
	req.outTradeNo = asked.OutTradeNo
	if err := s.usable(asked); err != nil {
		return asked, err
	}
	if s.orders[asked.OutTradeNo] == nil {
		_, err = s.addOrder(asked.OutTradeNo, req.charset)
	}
	return asked, err
}

// tradePrecreate is alipay.trade.precreate: the address in qr_code is what the
// buyer scans. Opening it leads to the cashier; the trade begins there. The
// same address with /page behind it shows the code.
func (s *Sandbox) tradePrecreate(req *request) (object, error) {
	asked, err := s.newOrder(req, precreate)
	if err != nil {
		return nil, err
	}
	visit, err := s.openSession(session{product: precreate, asked: asked, charset: req.charset})
	if err != nil {
		return nil, err
	}
	return succeeded(member{"out_trade_no", asked.OutTradeNo}, member{"qr_code", req.base + "/qr/" + visit.token}), nil
}

// tradeCreate is alipay.trade.create: the buyer is named, so the trade begins
// at once and waits for payment.
func (s *Sandbox) tradeCreate(req *request) (object, error) {
	userID, _ := req.biz.text("buyer_id")
	openID, _ := req.biz.text("buyer_open_id")
	buyer := s.namedBuyer(func(b *bank.Buyer) bool {
		return userID != "" && b.UserID == userID || openID != "" && b.OpenID == openID
	})
	if buyer == nil {
		return nil, bank.Invalid("buyer_id 或 buyer_open_id 不是沙箱买家")
	}
	asked, err := s.newOrder(req, create)
	if err != nil {
		return nil, err
	}
	trade, err := s.openTrade(asked, buyer)
	if err != nil {
		return nil, err
	}
	return succeeded(member{"out_trade_no", trade.OutTradeNo}, member{"trade_no", trade.TradeNo}), nil
}

// tradePay is alipay.trade.pay: the shop scans the buyer's code. The second
// buyer has to confirm, which is code 10003; Pay does it for him.
func (s *Sandbox) tradePay(req *request) (object, error) {
	if scene, _ := req.biz.text("scene"); scene != "bar_code" {
		return nil, bank.Invalid("scene 应为 bar_code")
	}
	code, _ := req.biz.text("auth_code")
	buyer := s.namedBuyer(func(b *bank.Buyer) bool { return b.AuthNo == code })
	if buyer == nil {
		return nil, bank.ErrPaymentAuthCode
	}
	asked, err := s.newOrder(req, barCode)
	if err != nil {
		return nil, err
	}
	trade, err := s.openTrade(asked, buyer)
	if err != nil {
		return nil, err
	}
	reply := []member{{"out_trade_no", trade.OutTradeNo}, {"trade_no", trade.TradeNo},
		{"total_amount", trade.Total.String()}}
	reply = append(reply, buyerMembers(trade)...)
	if buyer == s.book.Buyers[codedBuyer-1] {
		return append(object{{"code", "10003"}, {"msg", "order success pay inprocess"}}, reply...), nil
	}
	if err := s.pay(trade, buyer); err != nil {
		return nil, err
	}
	return succeeded(append(reply, member{"receipt_amount", trade.Total.String()},
		member{"gmt_payment", alipayTime(trade.Paid)},
		member{"fund_bill_list", []object{{{"amount", trade.Total.String()}, {"fund_channel", "ALIPAYACCOUNT"}}}})...), nil
}

func (s *Sandbox) namedBuyer(is func(*bank.Buyer) bool) *bank.Buyer {
	for _, buyer := range s.book.Buyers {
		if is(buyer) {
			return buyer
		}
	}
	return nil
}
