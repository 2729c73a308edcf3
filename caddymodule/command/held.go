// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/explain"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func (t *tool) held() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "held [--decided] | accept <id> | refund <id> | dismiss <id>",
		Short: t.lang.Say("Lists what waits for a person, and decides about it", "列出等待人工处理的挂起项并作出决定"),
		Long: t.lang.Say(`Lists statements that Alipay has signed and that do not fit their orders: another
amount or seller, an unknown order, paid twice, paid after it was closed. The shop is
never told of them as paid until a person decides:

  accept    it is taken as it is, and the shop is told
  refund    what its buyer has paid is given back in full
  dismiss   nothing is done about it
`, `列出支付宝已签名但与订单不符的内容：金额或收款方不同、未知订单、重复付款、关闭后付款。在人工作出
决定之前，商城不会收到“已支付”通知：

  accept    按其内容接受，并通知商城
  refund    将买家所付款项全额退回
  dismiss   忽略
`) + "\n" + t.exitCodes(),
		Example: "  caddy alipay held\n  caddy alipay held accept 50c203d6250c4664ec5db2b34287319b\n  caddy alipay held refund 50c203d6250c4664ec5db2b34287319b --yes",
		Args:    cobra.NoArgs,
		RunE:    t.run((*job).listHeld),
	}
	t.serverFlags(cmd)
	cmd.Flags().Bool("decided", false, t.lang.Say("Also those that were decided", "包括已作出决定的"))
	cmd.Flags().Int("limit", 50, t.lang.Say("How many at most, 1 to 500", "最多列出的数量，1 到 500"))
	cmd.Flags().String("cursor", "", t.lang.Say("Go on where an earlier list ended", "从上一页结束处继续"))
	cmd.AddCommand(
		t.decision(trade.DecideAccept, "Takes a held statement as it is, and has the shop told", "接受挂起项并通知商城"),
		t.decision(trade.DecideRefund, "Gives back in full what the buyer has paid", "将买家所付款项全额退回"),
		t.decision(trade.DecideDismiss, "Does nothing about a held statement", "忽略挂起项"),
	)
	return cmd
}

func (t *tool) decision(word trade.Decide, english, chinese string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     string(word) + " <id> [--yes]",
		Short:   t.lang.Say(english, chinese),
		Long:    t.lang.Say(english, chinese) + ".\n\n" + t.exitCodes(),
		Example: "  caddy alipay held " + string(word) + " 50c203d6250c4664ec5db2b34287319b",
		Args:    cobra.ExactArgs(1),
		RunE:    t.run(func(j *job) error { return j.decide(word) }),
	}
	t.serverFlags(cmd)
	t.yesFlag(cmd)
	if word == trade.DecideAccept {
		cmd.Flags().String("public-url", "", t.lang.Say("The site for which an order is accepted that was never sent to the cashier", "为从未进入收银台的订单指明站点"))
	}
	return cmd
}

func (j *job) listHeld() error {
	query, err := j.page()
	if err != nil {
		return err
	}
	if j.is("decided") {
		query.Set("decided", "true")
	}
	s, err := j.server()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if _, err := s.call(http.MethodGet, []string{"held"}, query, nil, &raw); err != nil {
		return err
	}
	if !j.people() {
		return j.printJSON(raw)
	}
	var list struct {
		Held []heldView `json:"held"`
		Next string     `json:"next_cursor"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	if len(list.Held) == 0 {
		j.printf("Nothing is held.\n", "没有挂起项。\n")
		return nil
	}
	table := table{head: []string{
		j.lang.Say("HELD SINCE", "挂起时间"), "ID", j.lang.Say("ORDER", "订单号"), j.lang.Say("AMOUNT", "金额"), j.lang.Say("WHY", "原因"),
		j.lang.Say("DECISION", "决定"),
	}, right: []bool{false, false, false, true}}
	for i := range list.Held {
		h := &list.Held[i]
		table.add(when(h.HeldAt), h.ID, h.OutTradeNo, h.TotalAmount, explain.ReasonWords(j.lang, trade.Reason(h.Reason)), j.decided(h))
	}
	if err := table.write(j.stdout); err != nil {
		return err
	}
	return j.more(list.Next)
}

func (j *job) decided(h *heldView) string {
	if h.Decision == nil {
		return "-"
	}
	word := map[trade.Decide]string{
		trade.DecideAccept:  j.lang.Say("accepted", "已接受"),
		trade.DecideDismiss: j.lang.Say("dismissed", "已忽略"),
		trade.DecideRefund:  j.lang.Say("refund ", "退款") + explain.OutcomeWords(j.lang, h.Decision.Outcome),
	}[trade.Decide(h.Decision.Decision)]
	if word == "" {
		word = h.Decision.Decision
	}
	return word
}

func (j *job) decide(word trade.Decide) error {
	s, err := j.server()
	if err != nil {
		return err
	}
	id := j.args[0]
	var h heldView
	if _, err := s.call(http.MethodGet, []string{"held", id}, nil, nil, &h); err != nil {
		return err
	}
	why := explain.ReasonWords(j.lang, trade.Reason(h.Reason))
	switch word {
	case trade.DecideAccept:
		err = j.confirm("Accept ¥%s for order %s, although %s, and tell the shop?", "接受订单 %[2]s 的 ¥%[1]s（%[3]s）并通知商城？", h.TotalAmount, h.OutTradeNo, why)
	case trade.DecideRefund:
		err = j.confirm("Refund ¥%s of order %s in full (%s)?", "将订单 %[2]s 的 ¥%[1]s 全额退款（%[3]s）？", h.TotalAmount, h.OutTradeNo, why)
	default:
		err = j.confirm("Do nothing about ¥%s of order %s (%s)?", "忽略订单 %[2]s 的 ¥%[1]s（%[3]s）？", h.TotalAmount, h.OutTradeNo, why)
	}
	if err != nil {
		return err
	}
	var body any
	if site := j.flag("public-url"); site != "" {
		if _, err := url.Parse(site); err != nil {
			return j.fail(exitUsage, "--public-url is no URL", "--public-url 不是有效的 URL")
		}
		body = map[string]string{"public_url": site}
	}
	var raw json.RawMessage
	status, err := s.call(http.MethodPost, []string{"held", id, string(word)}, nil, body, &raw)
	if err != nil {
		return err
	}
	return j.printDecision(raw, status)
}

func (j *job) printDecision(raw json.RawMessage, status int) error {
	var h heldView
	if err := json.Unmarshal(raw, &h); err != nil {
		return err
	}
	if j.people() {
		j.printf("Order %s: %s.\n", "订单 %s：%s。\n", h.OutTradeNo, j.decided(&h))
	} else if err := j.printJSON(raw); err != nil {
		return err
	}
	if status == http.StatusAccepted || h.Decision != nil && h.Decision.Outcome == string(trade.RefundUnknown) {
		return j.fail(exitUnknown, "whether the refund was made is not known yet; decide the same again to ask", "退款是否成功尚不确定；可再次执行同一命令查询")
	}
	return nil
}
