// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Words is the entry as one sentence, without its time where the timeline shows
// that.
func (e *Entry) Words(l lang.Lang) string {
	switch e.Kind {
	case KindCreated:
		return l.Say("the order was recorded", "订单已记录")
	case KindSent:
		return e.sent(l)
	case KindStatement:
		return e.speaker(l) + e.says(l)
	case KindEvent:
		return l.Say("event %d, %s: the shop has to be told", "事件 %d，%s：需通知商城", e.Sequence, eventWords(l, e.Event))
	case KindRefused:
		return e.refused(l)
	case KindAccepted:
		return e.accepted(l)
	case KindRefundAsked, KindRefundSucceeded, KindRefundFailed:
		return e.refund(l)
	case KindHeld, KindDecided, KindDecide, KindContradicted:
		return e.holding(l)
	}
	return e.upcoming(l)
}

func (e *Entry) sent(l lang.Lang) string {
	text := l.Say("the buyer was sent to the cashier (%s), ¥%s", "买家被送往收银台（%s），¥%s", lang.Plain(e.Channel), e.Amount)
	if e.Count > 1 {
		text += l.Say(" (%d times with these terms)", "（相同条件共 %d 次）", e.Count)
	}
	if !e.ExpiresAt.IsZero() {
		text += l.Say("; it takes the money until %s", "；付款截止 %s", moment(e.ExpiresAt))
	}
	return text
}

// speaker is by which way a statement came.
func (e *Entry) speaker(l lang.Lang) string {
	switch e.Source {
	case trade.SourceNotify:
		return l.Say("a notice of Alipay, verified: ", "支付宝通知，已验签：")
	case trade.SourceQuery:
		return l.Say("asked, Alipay answered: ", "查询支付宝，答复：")
	case trade.SourceRefund:
		return l.Say("about a refund, Alipay answered: ", "支付宝对退款的答复：")
	case trade.SourceBill:
		return l.Say("Alipay's bill says: ", "支付宝账单：")
	}
	return lang.Plain(string(e.Source)) + ": "
}

// says is what the statement states.
func (e *Entry) says(l lang.Lang) string {
	number := ""
	if e.RequestNo != "" {
		number = l.Say(" (refund %s)", "（退款号 %s）", lang.Plain(e.RequestNo))
	}
	switch {
	case e.Refund > 0:
		return l.Say("¥%s were refunded%s", "已退款 ¥%s%s", e.Refund, number)
	case e.Refunded > 0:
		return l.Say("¥%s are refunded in all%s", "累计已退款 ¥%s%s", e.Refunded, number)
	case e.Status == trade.StatusSuccess && !e.PaidAt.IsZero():
		return l.Say("¥%s paid at %s (TRADE_SUCCESS)", "¥%s 已于 %s 支付（TRADE_SUCCESS）", e.Amount, moment(e.PaidAt))
	case e.Status == trade.StatusSuccess:
		return l.Say("¥%s paid (TRADE_SUCCESS)", "¥%s 已支付（TRADE_SUCCESS）", e.Amount)
	}
	return statusWords(l, e.Status)
}

func (e *Entry) refused(l lang.Lang) string {
	if e.Count > 1 {
		return l.Say("the shop did not accept event %d, %d times from here on; the last time: %s",
			"商城未接受事件 %d，自此共 %d 次；最后一次：%s", e.Sequence, e.Count, lang.Plain(e.Reason))
	}
	return l.Say("the shop did not accept event %d: %s", "商城未接受事件 %d：%s", e.Sequence, lang.Plain(e.Reason))
}

func (e *Entry) accepted(l lang.Lang) string {
	text := l.Say("the shop accepted event %d", "商城接受了事件 %d", e.Sequence)
	if e.At.IsZero() {
		text = l.Say("the shop has accepted event %d (the time is not kept)", "商城已接受事件 %d（未保留时间）", e.Sequence)
	}
	if e.Count > 0 {
		text += l.Say(", retry %d", "，第 %d 次重试", e.Count)
	}
	return text
}

func (e *Entry) refund(l lang.Lang) string {
	number := lang.Plain(e.RequestNo)
	switch e.Kind {
	case KindRefundSucceeded:
		return l.Say("refund %s of ¥%s succeeded", "退款 %s（¥%s）成功", number, e.Amount)
	case KindRefundFailed:
		return l.Say("refund %s of ¥%s failed: %s", "退款 %s（¥%s）失败：%s", number, e.Amount, lang.Plain(e.Reason))
	}
	text := l.Say("a refund was asked for: ¥%s under %s", "申请退款 ¥%s，退款号 %s", e.Amount, number)
	if e.Reason != "" {
		text += l.Say(" (%s)", "（%s）", lang.Plain(e.Reason))
	}
	return text
}

// upcoming is an entry of what comes next.
func (e *Entry) upcoming(l lang.Lang) string {
	switch e.Kind {
	case KindTell:
		if e.Count > 0 {
			return l.Say("the shop is told of event %d, %s, again at %s (retry %d)", "将于 %[3]s 再次通知商城事件 %[1]d，%[2]s（第 %[4]d 次重试）",
				e.Sequence, eventWords(l, e.Event), moment(e.At), e.Count)
		}
		return l.Say("the shop is told of event %d, %s, at %s", "将于 %[3]s 通知商城事件 %[1]d，%[2]s", e.Sequence, eventWords(l, e.Event), moment(e.At))
	case KindDead:
		return l.Say("event %d, %s, was given up; have it told again with: caddy alipay redeliver %s",
			"事件 %d，%s，已停止重试；可用此命令重新通知：caddy alipay redeliver %s", e.Sequence, eventWords(l, e.Event), lang.Plain(e.EventID))
	case KindAsk:
		return l.Say("Alipay is asked about the order at %s", "将于 %s 向支付宝查询该订单", moment(e.At))
	case KindAskRefund:
		return l.Say("whether refund %s of ¥%s was made is not known; Alipay is asked at %s",
			"退款 %s（¥%s）是否成功尚不确定；将于 %s 查询支付宝", lang.Plain(e.RequestNo), e.Amount, moment(e.At))
	}
	return lang.Plain(string(e.Kind))
}

func eventWords(l lang.Lang, t trade.EventType) string {
	switch t {
	case trade.EventPaid:
		return l.Say("trade.paid", "trade.paid（已支付）")
	case trade.EventFinished:
		return l.Say("trade.finished", "trade.finished（交易完结）")
	case trade.EventClosed:
		return l.Say("trade.closed", "trade.closed（交易关闭）")
	case trade.EventRefund:
		return l.Say("refund.succeeded", "refund.succeeded（退款成功）")
	}
	return lang.Plain(string(t))
}
