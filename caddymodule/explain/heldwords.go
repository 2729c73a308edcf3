// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// holding is an entry about a held statement.
func (e *Entry) holding(l lang.Lang) string {
	id := lang.Plain(e.HeldID)
	switch e.Kind {
	case KindHeld:
		return l.Say("held for a person as %s, because %s: %s%s", "已挂起待人工处理（%s），因为%s：%s%s",
			id, ReasonWords(l, trade.Reason(e.Reason)), e.speaker(l), e.says(l))
	case KindDecided:
		return e.decided(l)
	case KindContradicted:
		return l.Say("the shop is told nothing more until a person has decided about what contradicts the order",
			"在人工处理相互矛盾的凭据之前，不再通知商城")
	}
	if e.Decision == trade.DecideRefund {
		return l.Say("held %s: its refund %s has not succeeded yet; decide again with: caddy alipay held refund %s",
			"挂起项 %s：退款 %s 尚未成功；可再次执行：caddy alipay held refund %s", id, lang.Plain(e.RequestNo), id)
	}
	return l.Say("held %s waits for a person (%s); decide with: caddy alipay held accept|refund|dismiss %s",
		"挂起项 %s 等待人工处理（%s）；请执行：caddy alipay held accept|refund|dismiss %s", id, ReasonWords(l, trade.Reason(e.Reason)), id)
}

func (e *Entry) decided(l lang.Lang) string {
	id := lang.Plain(e.HeldID)
	switch e.Decision {
	case trade.DecideAccept:
		return l.Say("a person accepted held %s", "人工决定：接受挂起项 %s", id)
	case trade.DecideDismiss:
		return l.Say("a person dismissed held %s", "人工决定：忽略挂起项 %s", id)
	case trade.DecideRefund:
		return l.Say("a person had held %s refunded under %s: %s", "人工决定：退款挂起项 %s，退款号 %s：%s",
			id, lang.Plain(e.RequestNo), OutcomeWords(l, e.Reason))
	}
	return lang.Plain(string(e.Decision)) + " " + id
}

// OutcomeWords is how a refund has ended; a word that is no outcome is Alipay's
// sub_code of one that failed.
func OutcomeWords(l lang.Lang, outcome string) string {
	switch trade.RefundOutcome(outcome) {
	case trade.RefundSucceeded:
		return l.Say("succeeded", "成功")
	case trade.RefundFailed:
		return l.Say("failed", "失败")
	case trade.RefundUnknown:
		return l.Say("not known yet", "结果未知")
	}
	return l.Say("failed, ", "失败，") + lang.Plain(outcome)
}

// ReasonWords says why a statement is held.
func ReasonWords(l lang.Lang, r trade.Reason) string {
	switch r {
	case trade.ReasonUnknownOrder:
		return l.Say("the order was never sent to the cashier", "该订单从未送往收银台")
	case trade.ReasonSeller:
		return l.Say("another seller was paid", "收款方不一致")
	case trade.ReasonAmount:
		return l.Say("the amount differs", "金额不一致")
	case trade.ReasonOlderPrice:
		return l.Say("an older price was paid", "按旧价格付款")
	case trade.ReasonPaidAfterClose:
		return l.Say("it was paid after it was closed", "关闭之后又付款")
	case trade.ReasonClosedAfterPay:
		return l.Say("it was closed unpaid although it is paid", "已付款却被报告为未付款关闭")
	case trade.ReasonSecondTrade:
		return l.Say("a second trade was paid", "重复付款（第二笔交易）")
	case trade.ReasonRefundSum:
		return l.Say("the sum of its refunds cannot be right", "退款金额不合理")
	case trade.ReasonContradicted:
		return l.Say("the order is contradicted already", "该订单已有相互矛盾的凭据")
	case trade.ReasonIncomplete:
		return l.Say("the statement lacks what it should say", "凭据内容不完整")
	case trade.ReasonForeignTrade:
		return l.Say("its trade belongs to another order", "该交易属于另一笔订单")
	}
	return lang.Plain(string(r))
}
