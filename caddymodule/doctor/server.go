// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Health is how an account's ledger is, as a running server tells it.
type Health struct {
	Totals ledger.Totals
	Err    string // why there are no totals; "" if there are
}

// healthTimeout bounds the question to the running server.
const healthTimeout = 30 * time.Second

func (x *examination) server(ctx context.Context, c config) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	all, err := x.Health(ctx)
	if err != nil {
		x.subject = x.say("server", "服务器")
		x.find(ServerDown, Note, x.say("no running server was asked about its ledger: %s", "未能向运行中的服务器询问账本：%s", err.Error()), "caddy run")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if len(c.accounts) > 0 && c.accounts[name] == nil {
			continue // of another configuration
		}
		x.subject = x.say("ledger of account ", "账户的账本 ") + name
		x.ledger(all[name])
	}
}

func (x *examination) ledger(h Health) {
	if h.Err != "" {
		x.fault(LedgerFailing, x.say("the ledger cannot be read: %s", "无法读取账本：%s", h.Err),
			x.say("look at the disk (df -h) or at the database; no payment is acknowledged meanwhile", "请检查磁盘（df -h）或数据库；在此期间不会确认任何付款"))
		return
	}
	before, t := len(x.found), h.Totals
	if lost := t.Paid - t.Accepted - t.Undelivered; lost != 0 {
		x.fault(BooksDiffer, x.say("paid ¥%s, but told and accepted ¥%s and waiting ¥%s: ¥%s are missing", "已支付 ¥%s，但商城已接受 ¥%s、待通知 ¥%s：相差 ¥%s",
			t.Paid, t.Accepted, t.Undelivered, lost), "caddy alipay ledger check")
	}
	if lost := t.Refunded - t.RefundedTold; lost != 0 {
		x.fault(BooksDiffer, x.say("refunded ¥%s, but ¥%s by the events about refunds", "已退款 ¥%s，但按退款事件为 ¥%s", t.Refunded, t.RefundedTold), "caddy alipay ledger check")
	}
	if t.DeadEvents > 0 {
		x.fault(EventsDead, x.say("%d events were given up: the shop has not accepted them in 72 hours", "%d 个事件已停止重试：商城在 72 小时内未接受", t.DeadEvents),
			"caddy alipay events --state dead; caddy alipay redeliver ID")
	}
	if alive := t.UndeliveredEvents - t.DeadEvents; alive > 0 {
		x.warning(EventsUndelivered, x.say("%d events wait for the shop, the oldest since %s", "%d 个事件等待商城接受，最早的始于 %s", alive, x.since(t.UndeliveredSince)),
			x.say("see what the shop answers: caddy alipay explain ORDER", "查看商城的应答：caddy alipay explain ORDER"))
	}
	if t.HeldItems > 0 {
		x.warning(HeldWaiting, x.say("%d statements wait for a person, with ¥%s paid, the oldest since %s", "%d 项等待人工处理，涉及已付款 ¥%s，最早的始于 %s",
			t.HeldItems, t.HeldPaid, x.since(t.HeldSince)), "caddy alipay held")
	}
	if t.Unknown > 0 {
		x.warning(RefundsUnknown, x.say("the outcome of %d refunds is not known yet", "%d 笔退款的结果尚不确定", t.Unknown),
			x.say("wait: Alipay is asked until it is known; never refund under another number meanwhile", "请等待：将持续查询支付宝直到得知结果；在此期间切勿换退款号重试"))
	}
	if len(x.found) == before {
		x.fine(LedgerFine, x.say("the books agree, and nothing waits", "账目一致，没有等待处理的事项"))
	}
}

func (x *examination) since(at time.Time) string {
	if at.IsZero() {
		return "?"
	}
	return at.In(trade.Zone).Format("2006-01-02 15:04 -07:00")
}
