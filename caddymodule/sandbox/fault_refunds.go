// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

// refundGap is what Alipay asks to lie between two refunds of one trade.
const refundGap = 3 * time.Second

// refundOrFault is refund with the faults of refunds in its way.
func (s *Sandbox) refundOrFault(trade *bank.Trade, ask bank.Refund) (moved bool, err error) {
	plan, known, err := s.book.CheckRefund(trade, ask, s.clock.Now())
	if err != nil || known {
		return false, err
	}
	home := s.orders[trade.OutTradeNo]
	if held, ok := home.slow[plan.RequestNo]; ok {
		if held != plan.Amount {
			return false, bank.ErrDiscordantRepeat
		}
		return false, nil
	}
	if s.has("refund_seller_balance", trade) {
		return false, bank.ErrSellerBalance
	}
	if s.has("refund_unlisted", trade) {
		return false, bank.ErrRefundUnlisted
	}
	if s.has("refund_full_once", trade) {
		if home.refunds++; home.refunds > 1 {
			return false, bank.ErrRefundNotAllowed
		}
		if plan.Amount != trade.Total {
			return false, bank.ErrRefundPartForbidden
		}
	}
	if last := len(trade.Refunds) - 1; last >= 0 && s.has("refund_spacing", trade) &&
		s.clock.Now().Sub(trade.Refunds[last].At) < refundGap {
		return false, bank.ErrRefundNotAllowed
	}
	if fault, ok := s.strikes("refund_slow", trade.OutTradeNo, ""); ok {
		s.refundLater(home, trade, plan, fault.Delay.or(30*time.Second))
		return false, nil
	}
	return s.refund(trade, plan)
}

// refundLater keeps a refund unknown for a while. Until then
// fastpay.refund.query does not show it.
func (s *Sandbox) refundLater(home *order, trade *bank.Trade, plan bank.Refund, d time.Duration) {
	if home.slow == nil {
		home.slow = map[string]bank.Fen{}
	}
	home.slow[plan.RequestNo] = plan.Amount
	s.clock.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(home.slow, plan.RequestNo)
		if _, err := s.refund(trade, plan); err != nil {
			s.cfg.Logger.Warn("a slow refund failed after all", "out_trade_no", trade.OutTradeNo, "error", err)
		}
	})
}
