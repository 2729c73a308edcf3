// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Text is the report in words, in Alipay's zone, so that its times are those of
// Alipay's console. It ends with a line break.
func (r *Report) Text(l lang.Lang) string {
	var b strings.Builder
	b.WriteString(l.Say("Order %s: ¥%s, %s\n", "订单 %s：¥%s，%s\n", r.OutTradeNo, r.TotalAmount, r.state(l)))
	if r.TradeNo != "" {
		b.WriteString(l.Say("Alipay's number: %s\n", "支付宝交易号：%s\n", r.TradeNo))
	}
	if r.PublicURL != "" {
		b.WriteString(l.Say("Site: %s\n", "站点：%s\n", r.PublicURL))
	}
	day := ""
	for i := range r.Timeline {
		e := &r.Timeline[i]
		if d := e.moment().In(trade.Zone).Format("2006-01-02 -07:00"); d != day {
			day = d
			b.WriteString("\n" + day + "\n")
		}
		b.WriteString("  " + clock(e.At) + "  " + e.Words(l) + "\n")
	}
	b.WriteString(r.nextText(l))
	return b.String()
}

func (r *Report) nextText(l lang.Lang) string {
	if len(r.Next) == 0 {
		return l.Say("\nNothing is left to be done.\n", "\n没有待办事项。\n")
	}
	var b strings.Builder
	b.WriteString(l.Say("\nNext:\n", "\n接下来：\n"))
	for i := range r.Next {
		b.WriteString("  - " + r.Next[i].Words(l) + "\n")
	}
	return b.String()
}

// clock is a time of the day, or as many spaces.
func clock(at time.Time) string {
	if at.IsZero() {
		return strings.Repeat(" ", len(time.TimeOnly))
	}
	return at.In(trade.Zone).Format(time.TimeOnly)
}

// moment is a time with its day.
func moment(at time.Time) string { return at.In(trade.Zone).Format(trade.TimeLayout) }

func (r *Report) state(l lang.Lang) string {
	switch {
	case r.Status == trade.StatusClosed && r.RefundedAmount > 0:
		return l.Say("refunded in full (TRADE_CLOSED)", "已全额退款（TRADE_CLOSED）")
	case r.RefundedAmount > 0:
		return l.Say("paid, ¥%s of it refunded (%s)", "已支付，其中已退款 ¥%s（%s）", r.RefundedAmount, r.Status)
	}
	return statusWords(l, r.Status)
}

func statusWords(l lang.Lang, s trade.Status) string {
	switch s {
	case trade.StatusNone:
		return l.Say("nothing is proved yet", "尚无任何凭据")
	case trade.StatusWait:
		return l.Say("waiting for the buyer (WAIT_BUYER_PAY)", "等待买家付款（WAIT_BUYER_PAY）")
	case trade.StatusSuccess:
		return l.Say("paid (TRADE_SUCCESS)", "已支付（TRADE_SUCCESS）")
	case trade.StatusFinished:
		return l.Say("paid and no longer refundable (TRADE_FINISHED)", "已支付且不可再退款（TRADE_FINISHED）")
	case trade.StatusClosed:
		return l.Say("closed unpaid (TRADE_CLOSED)", "未付款交易关闭（TRADE_CLOSED）")
	}
	return lang.Plain(string(s))
}
