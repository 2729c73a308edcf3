// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/explain"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func (t *tool) orders() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "orders [--since <time>] [--status <status>] [--limit <n>] [--cursor <cursor>]",
		Short: t.lang.Say("Lists orders", "列出订单"),
		Long: t.lang.Say(`Lists the orders that were first sent to the cashier since a time, oldest first. The
last column but one says how many of an order's events the shop has accepted.
`, `按首次进入收银台的时间列出订单，最早的在前。“通知”一列表示商城已接受的事件数。
`) + "\n" + t.exitCodes(),
		Example: "  caddy alipay orders\n  caddy alipay orders --since 2026-03-14 --status TRADE_SUCCESS\n  caddy alipay orders --since all --json | jq '.orders[].total_amount'",
		Args:    cobra.NoArgs,
		RunE:    t.run((*job).listOrders),
	}
	t.serverFlags(cmd)
	t.listFlags(cmd)
	cmd.Flags().String("status", "", t.lang.Say("Only orders in this state: WAIT_BUYER_PAY, TRADE_SUCCESS, TRADE_FINISHED, TRADE_CLOSED or none",
		"只列出该状态的订单：WAIT_BUYER_PAY、TRADE_SUCCESS、TRADE_FINISHED、TRADE_CLOSED 或 none"))
	return cmd
}

func (t *tool) listFlags(cmd *cobra.Command) {
	cmd.Flags().String("since", "24h", t.lang.Say("A time (2026-03-14, 2026-03-14T10:20:00+08:00), an age (24h) or all",
		"时间（2026-03-14、2026-03-14T10:20:00+08:00）、时长（24h）或 all"))
	cmd.Flags().Int("limit", 50, t.lang.Say("How many at most, 1 to 500", "最多列出的数量，1 到 500"))
	cmd.Flags().String("cursor", "", t.lang.Say("Go on where an earlier list ended", "从上一页结束处继续"))
}

// since reads the flag of that name as RFC 3339, "" for all. A time without a zone
// is Alipay's.
func (j *job) since() (string, error) {
	text := j.flag("since")
	if text == "all" || text == "" {
		return "", nil
	}
	if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return j.now().Add(-age).UTC().Format(time.RFC3339), nil
	}
	for _, layout := range []string{time.RFC3339, trade.TimeLayout, "2006-01-02T15:04:05", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, trade.Zone); err == nil {
			return at.Format(time.RFC3339), nil
		}
	}
	return "", j.fail(exitUsage, "--since %q is neither a time nor an age nor all", "--since %q 既不是时间，也不是时长或 all", text)
}

// page is the query of one page of a listing.
func (j *job) page() (url.Values, error) {
	limit, err := strconv.Atoi(j.flag("limit"))
	if err != nil || limit < 1 || limit > 500 {
		return nil, j.fail(exitUsage, "--limit is not between 1 and 500", "--limit 应在 1 到 500 之间")
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor := j.flag("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	return query, nil
}

func (j *job) listOrders() error {
	query, err := j.page()
	if err != nil {
		return err
	}
	since, err := j.since()
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"since": since, "status": j.flag("status")} {
		if value != "" {
			query.Set(name, value)
		}
	}
	s, err := j.server()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if _, err := s.call(http.MethodGet, []string{"orders"}, query, nil, &raw); err != nil {
		return err
	}
	if !j.people() {
		return j.printJSON(raw)
	}
	var list struct {
		Orders []orderView `json:"orders"`
		Next   string      `json:"next_cursor"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	if err := j.orderTable(list.Orders); err != nil {
		return err
	}
	return j.more(list.Next)
}

func (j *job) orderTable(orders []orderView) error {
	if len(orders) == 0 {
		j.printf("No orders.\n", "没有订单。\n")
		return nil
	}
	table := table{head: []string{
		j.lang.Say("SENT AT", "进入收银台"), j.lang.Say("ORDER", "订单号"), j.lang.Say("STATUS", "状态"), j.lang.Say("AMOUNT", "金额"),
		j.lang.Say("REFUNDED", "已退款"), j.lang.Say("TOLD", "通知"), j.lang.Say("ALIPAY'S NUMBER", "支付宝交易号"),
	}, right: []bool{false, false, false, true, true, true}}
	for i := range orders {
		o := &orders[i]
		status := orNone(o.Status)
		if o.Contradicted {
			status += " !"
		}
		table.add(when(o.CreatedAt), o.OutTradeNo, status, o.TotalAmount, o.RefundedAmount, o.told(), orNone(o.TradeNo))
	}
	return table.write(j.stdout)
}

// more says how a listing goes on.
func (j *job) more(cursor string) error {
	if cursor != "" {
		j.printf("\nThere are more: --cursor %s\n", "\n还有更多：--cursor %s\n", cursor)
	}
	return nil
}

func (t *tool) show() *cobra.Command {
	return t.orderCommand("show", "Shows one order", "显示一个订单", (*job).showOrder)
}

func (t *tool) query() *cobra.Command {
	return t.orderCommand("query", "Asks Alipay about an order, and records what it says", "向支付宝查询订单并记录结果", (*job).queryOrder)
}

func (t *tool) explain() *cobra.Command {
	return t.orderCommand("explain", "Tells what has happened to an order, and what comes next", "按时间说明订单经历了什么、接下来会怎样", (*job).explainOrder)
}

// orderCommand is a command about one order.
func (t *tool) orderCommand(name, english, chinese string, do func(*job) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:     name + " <order>",
		Short:   t.lang.Say(english, chinese),
		Long:    t.lang.Say(english, chinese) + ".\n\n" + t.exitCodes(),
		Example: "  caddy alipay " + name + " 20260314-0001\n  caddy alipay " + name + " 20260314-0001 --json",
		Args:    cobra.ExactArgs(1),
		RunE:    t.run(do),
	}
	t.serverFlags(cmd)
	return cmd
}

// orderNumber is the command's argument.
func (j *job) orderNumber() (string, error) {
	if !trade.ValidOutTradeNo(j.args[0]) {
		return "", j.fail(exitUsage, "this is no order number of 1 to 64 letters, digits, _ or -", "订单号应为 1 到 64 位字母、数字、_ 或 -")
	}
	return j.args[0], nil
}

func (j *job) showOrder() error { return j.order(http.MethodGet) }

func (j *job) queryOrder() error { return j.order(http.MethodPost, "query") }

// order calls something about one order that answers with the order.
func (j *job) order(method string, call ...string) error {
	number, err := j.orderNumber()
	if err != nil {
		return err
	}
	s, err := j.server()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if _, err := s.call(method, append([]string{"orders", number}, call...), nil, nil, &raw); err != nil {
		return err
	}
	return j.printOrder(raw)
}

func (j *job) explainOrder() error {
	number, err := j.orderNumber()
	if err != nil {
		return err
	}
	s, err := j.server()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if _, err := s.call(http.MethodGet, []string{"orders", number, "timeline"}, nil, nil, &raw); err != nil {
		return err
	}
	if !j.people() {
		return j.printJSON(raw)
	}
	var report explain.Report
	if err := json.Unmarshal(raw, &report); err != nil {
		return err
	}
	j.printf("%s", "%s", report.Text(j.lang))
	return nil
}
