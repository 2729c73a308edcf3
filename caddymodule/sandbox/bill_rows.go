// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"strconv"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

var tradeHeader = []string{
	"支付宝交易号", "商户订单号", "业务类型", "商品名称", "创建时间", "完成时间", "门店编号", "门店名称", "操作员", "终端号",
	"对方账户", "订单金额（元）", "商家实收（元）", "支付宝红包（元）", "集分宝（元）", "支付宝优惠（元）", "商家优惠（元）",
	"券核销金额（元）", "券名称", "商家红包消费金额（元）", "卡消费金额（元）", "退款批次号/请求号", "服务费（元）", "分润（元）", "备注",
}

// tradeDetail is the bill of type trade. A refund is a row with negative
// amounts. Fees are not charged here.
func (s *Sandbox) tradeDetail(asked bill, lines []billLine, now time.Time) string {
	rows := make([][]string, 0, len(lines))
	for _, line := range lines {
		kind, requestNo, note := "交易", "", line.trade.Body
		if line.refund != nil {
			kind, requestNo, note = "退款", line.refund.RequestNo, line.refund.Reason
		}
		amount := line.amount().String()
		rows = append(rows, []string{
			line.trade.TradeNo, line.trade.OutTradeNo, kind, line.trade.Subject, alipayTime(line.trade.Created),
			alipayTime(line.at), "", "", "", "", line.trade.Buyer.LogonID, amount, amount, "0.00", "0.00", "0.00", "0.00",
			"0.00", "", "0.00", "0.00", requestNo, "0.00", "0.00", note,
		})
	}
	return s.billText(asked, "业务明细", tradeHeader, rows, totals(lines, now))
}

func totals(lines []billLine, now time.Time) []string {
	var paid, back bank.Fen
	var payments, refunds int
	for _, line := range lines {
		if line.refund == nil {
			payments++
			paid += line.amount()
		} else {
			refunds++
			back += line.amount()
		}
	}
	return []string{
		fmt.Sprintf("交易合计：%d笔，商家实收共%s元，商家优惠共0.00元", payments, paid),
		fmt.Sprintf("退款合计：%d笔，商家实收退款共%s元，商家优惠退款共0.00元", refunds, back),
		"导出时间：[" + now.In(zone).Format("2006年01月02日 15:04:05") + "]",
	}
}

var accountHeader = []string{
	"账务流水号", "业务流水号", "商户订单号", "商品名称", "发生时间", "对方账号", "收入金额（+元）", "支出金额（-元）",
	"账户余额（元）", "交易渠道", "业务类型", "备注",
}

// accountDetail is the bill of type signcustomer: the account's movements.
func (s *Sandbox) accountDetail(asked bill, lines []billLine, now time.Time) string {
	rows := make([][]string, 0, len(lines))
	var balance bank.Fen
	for i, line := range lines {
		income, spending, kind, note := line.amount().String(), "", "在线支付", line.trade.Body
		if line.refund != nil {
			income, spending, kind, note = "", line.amount().String(), "交易退款", line.refund.Reason
		}
		balance += line.amount()
		rows = append(rows, []string{
			line.trade.TradeNo + fmt.Sprintf("%04d", i+1), line.trade.TradeNo, line.trade.OutTradeNo, line.trade.Subject,
			alipayTime(line.at), line.trade.Buyer.LogonID, income, spending, balance.String(), "支付宝", kind, note,
		})
	}
	return s.billText(asked, "账务明细", accountHeader, rows, totals(lines, now))
}

var summaryHeader = []string{
	"门店编号", "门店名称", "交易订单总笔数", "退款订单总笔数", "订单金额（元）", "商家实收（元）", "支付宝优惠（元）",
	"商家优惠（元）", "卡消费金额（元）", "服务费（元）", "分润（元）", "实收净额（元）",
}

// billSummary is the second file of every bill.
func (s *Sandbox) billSummary(asked bill, label string, lines []billLine, now time.Time) string {
	var payments, refunds int
	var sum bank.Fen
	for _, line := range lines {
		sum += line.amount()
		if line.refund == nil {
			payments++
		} else {
			refunds++
		}
	}
	net := sum.String()
	rows := [][]string{{"合计", "", strconv.Itoa(payments), strconv.Itoa(refunds), net, net, "0.00", "0.00", "0.00", "0.00", "0.00", net}}
	return s.billText(asked, label+"汇总", summaryHeader, rows, totals(lines, now)[2:])
}
