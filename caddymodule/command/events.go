// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func (t *tool) events() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events [--after <id>] [--limit <n>]",
		Short: t.lang.Say("Lists the journal of events", "列出事件流水"),
		Long: t.lang.Say(`Lists the events that shops are told, in the order in which they were caused. A state
is accepted, undelivered, or dead: given up, and told again only by redeliver.
`, `按发生顺序列出通知商城的事件。状态为 accepted（已接受）、undelivered（未送达）或 dead（已停止
重试，只能用 redeliver 重新通知）。
`) + "\n" + t.exitCodes(),
		Example: "  caddy alipay events\n  caddy alipay events --after ID --limit 500 --json",
		Args:    cobra.NoArgs,
		RunE:    t.run((*job).listEvents),
	}
	t.serverFlags(cmd)
	cmd.Flags().String("after", "", t.lang.Say("Go on after this event", "从此事件之后开始"))
	cmd.Flags().Int("limit", 50, t.lang.Say("How many at most, 1 to 500", "最多列出的数量，1 到 500"))
	return cmd
}

func (j *job) listEvents() error {
	query, err := j.page()
	if err != nil {
		return err
	}
	if after := j.flag("after"); after != "" {
		query.Set("after", after)
	}
	s, err := j.server()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if _, err := s.call(http.MethodGet, []string{"events"}, query, nil, &raw); err != nil {
		return err
	}
	if !j.people() {
		return j.printJSON(raw)
	}
	var list struct {
		Events []eventView `json:"events"`
		Next   string      `json:"next_cursor"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	if len(list.Events) == 0 {
		j.printf("No events.\n", "没有事件。\n")
		return nil
	}
	if err := j.eventTable(list.Events); err != nil {
		return err
	}
	if list.Next != "" {
		j.printf("\nThere are more: --after %s\n", "\n还有更多：--after %s\n", list.Next)
	}
	return nil
}

func (j *job) eventTable(events []eventView) error {
	table := table{head: []string{
		j.lang.Say("CAUSED AT", "发生时间"), "ID", j.lang.Say("EVENT", "事件"), j.lang.Say("ORDER", "订单号"), j.lang.Say("NO", "序号"),
		j.lang.Say("REFUNDED", "已退款"), j.lang.Say("STATE", "状态"),
	}, right: []bool{false, false, false, false, true, true}}
	for i := range events {
		e := &events[i]
		table.add(when(e.At), e.ID, e.Type, e.OutTradeNo, strconv.Itoa(e.Sequence), e.RefundedAmount, e.State)
	}
	return table.write(j.stdout)
}

func (t *tool) closeOrder() *cobra.Command {
	cmd := t.orderCommand("close", "Has Alipay close an order that is not paid", "请支付宝关闭未付款的订单", (*job).closeTrade)
	t.yesFlag(cmd)
	return cmd
}

func (j *job) closeTrade() error {
	number, err := j.orderNumber()
	if err != nil {
		return err
	}
	if err := j.confirm("Close order %s at Alipay, so that it can no longer be paid?", "在支付宝关闭订单 %s，使其不能再付款？", number); err != nil {
		return err
	}
	return j.order(http.MethodPost, "close")
}

func (t *tool) redeliver() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "redeliver <event id> | [--state <state>] [--type <type>] [--order <number>] [--since <time>] [--dry-run]",
		Short: t.lang.Say("Tells the shop of events once more", "再次通知商城"),
		Long: t.lang.Say(`Tells the shop of one event once more, whatever has become of it, or of all events that
a filter selects, oldest first. --dry-run counts them first. The shop gets the same
event id as before, so that it can tell a repeat.
`, `再次通知商城某个事件（无论其状态），或按条件选出的全部事件，最早的在前。--dry-run 只计数。商城收到的
事件 id 与之前相同，因此可以识别重复。
`) + "\n" + t.exitCodes(),
		Example: "  caddy alipay redeliver EVENT\n  caddy alipay redeliver --state dead --dry-run\n  caddy alipay redeliver --order 20260314-0001 --type trade.paid --yes",
		Args:    cobra.MaximumNArgs(1),
		RunE:    t.run((*job).redeliverEvents),
	}
	t.serverFlags(cmd)
	t.yesFlag(cmd)
	cmd.Flags().String("state", "", t.lang.Say("Only events in this state: accepted, undelivered or dead", "只选该状态的事件：accepted、undelivered 或 dead"))
	cmd.Flags().String("type", "", t.lang.Say("Only events of this type, such as trade.paid", "只选该类型的事件，如 trade.paid"))
	cmd.Flags().String("order", "", t.lang.Say("Only events of this order", "只选该订单的事件"))
	cmd.Flags().String("since", "", t.lang.Say("Only events since this time, or of this age", "只选该时间之后的事件，或给出时长"))
	cmd.Flags().Bool("dry-run", false, t.lang.Say("Only count them", "只计数"))
	return cmd
}

// redelivered is what became of one event.
type redelivered struct {
	Event    eventView `json:"event"`
	Accepted bool      `json:"accepted"`
	Reason   string    `json:"reason"`
}

func (j *job) redeliverEvents() error {
	if len(j.args) == 0 {
		return j.redeliverMany()
	}
	for _, name := range []string{"state", "type", "order", "since", "dry-run"} {
		if j.cmd.Flags().Changed(name) {
			return j.fail(exitUsage, "give either an event or a filter", "事件 id 与筛选条件只能给出一种")
		}
	}
	s, err := j.server()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if _, err := s.call(http.MethodPost, []string{"events", j.args[0], "redeliver"}, nil, nil, &raw); err != nil {
		return err
	}
	var r redelivered
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	if !j.people() {
		if err := j.printJSON(raw); err != nil {
			return err
		}
	}
	if !r.Accepted {
		return j.fail(exitRefused, "%s", "%s", r.Reason)
	}
	if j.people() {
		j.printf("The shop accepted %s of order %s.\n", "商城接受了订单 %[2]s 的 %[1]s。\n", r.Event.Type, r.Event.OutTradeNo)
	}
	return nil
}

// filter is the selection that the flags make.
func (j *job) filter() (map[string]any, error) {
	filter := map[string]any{}
	for flag, name := range map[string]string{"state": "state", "type": "type", "order": "out_trade_no"} {
		if value := j.flag(flag); value != "" {
			filter[name] = value
		}
	}
	since, err := j.since()
	if err != nil {
		return nil, err
	}
	if since != "" {
		filter["since"] = since
	}
	if len(filter) == 0 {
		return nil, j.fail(exitUsage, "name an event, or select some: --state dead", "请给出事件 id，或筛选条件，如 --state dead")
	}
	if number := j.flag("order"); number != "" && !trade.ValidOutTradeNo(number) {
		return nil, j.fail(exitUsage, "--order: not an order number of 1 to 64 letters, digits, _ or -", "--order：订单号应为 1 到 64 位字母、数字、_ 或 -")
	}
	return filter, nil
}
