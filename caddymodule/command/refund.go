// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func (t *tool) refund() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "refund <order> --amount <yuan>|all [--number <out_request_no>] [--reason <text>] [--yes]",
		Short: t.lang.Say("Refunds an order, in part or in full", "退款（部分或全额）"),
		Long: t.lang.Say(`Refunds an order. Each refund of an order has a number of its own (out_request_no): to
ask again under the same number with the same amount is the same refund and moves no
more money. If the outcome is not known (exit code 5), never refund under another
number: Alipay is asked until it is known, and the same command may be repeated.

On a terminal a number is made if none is given, and the refund has to be confirmed.
Without one, --number and --yes are needed.
`, `为订单退款。每笔退款有自己的退款号（out_request_no）：以相同退款号和金额再次申请视为同一笔退款，
不会重复付款。若结果尚不确定（退出码 5），切勿换退款号重试：系统会持续查询支付宝，也可重复执行
同一命令。

在终端上未指定退款号时会自动生成，并要求确认；否则必须使用 --number 和 --yes。
`) + "\n" + t.exitCodes(),
		Example: "  caddy alipay refund 20260314-0001 --amount 10.00 --reason \"broken pot\"\n  caddy alipay refund 20260314-0001 --amount all --number R1 --yes --json",
		Args:    cobra.ExactArgs(1),
		RunE:    t.run((*job).refundOrder),
	}
	t.serverFlags(cmd)
	cmd.Flags().String("amount", "", t.lang.Say("How much, in yuan, or all for what is left", "退款金额（元），或 all 表示全部余额"))
	cmd.Flags().String("number", "", t.lang.Say("The refund's number, out_request_no", "退款号 out_request_no"))
	cmd.Flags().String("reason", "", t.lang.Say("The reason, which the buyer sees", "退款原因，买家可见"))
	t.yesFlag(cmd)
	return cmd
}

func (t *tool) yesFlag(cmd *cobra.Command) {
	cmd.Flags().BoolP("yes", "y", false, t.lang.Say("Do not ask", "不询问，直接执行"))
}

func (j *job) refundOrder() error {
	number, err := j.orderNumber()
	if err != nil {
		return err
	}
	s, err := j.server()
	if err != nil {
		return err
	}
	var o orderView
	if _, err := s.call(http.MethodGet, []string{"orders", number}, nil, nil, &o); err != nil {
		return err
	}
	amount, err := j.refundAmount(&o)
	if err != nil {
		return err
	}
	request := j.flag("number")
	if request == "" {
		if !j.asks() {
			return j.fail(exitUsage, "without a terminal a refund needs --number, so that to repeat it is the same refund",
				"不在终端上退款时必须指定 --number，这样重复执行才是同一笔退款")
		}
		request = newRequestNo(j)
	}
	if err := j.confirm("Refund ¥%s of order %s (¥%s, ¥%s refunded) under %s?", "为订单 %[2]s（¥%[3]s，已退 ¥%[4]s）退款 ¥%[1]s，退款号 %[5]s？",
		amount, number, o.TotalAmount, o.RefundedAmount, request); err != nil {
		return err
	}
	var raw json.RawMessage
	status, err := s.call(http.MethodPost, []string{"orders", number, "refunds"}, nil, map[string]string{
		"out_request_no": request, "refund_amount": amount.String(), "refund_reason": j.flag("reason"),
	}, &raw)
	if f, ok := errors.AsType[*failure](err); ok && f.code == exitUnknown && j.flag("number") == "" {
		f.text += "\n" + j.lang.Say("the same command is: %s", "同一命令为：%s",
			fmt.Sprintf("caddy alipay refund %s --amount %s --number %s", number, amount, request))
	}
	if err != nil {
		return err
	}
	return j.printRefund(raw, number, amount, status)
}

// refundAmount reads --amount; all is what is left of the order and not already
// asked for.
func (j *job) refundAmount(o *orderView) (trade.Amount, error) {
	text := j.flag("amount")
	if text != "all" {
		amount, err := trade.ParseAmount(text)
		if err != nil {
			return 0, j.fail(exitUsage, "--amount %q is no amount in yuan such as 88.88, and not all", "--amount %q 不是金额（如 88.88），也不是 all", text)
		}
		return amount, nil
	}
	for _, r := range o.Refunds {
		if r.OutRequestNo != "" && r.OutRequestNo == j.flag("number") {
			return trade.ParseAmount(r.RefundAmount) // the same refund once more
		}
	}
	total, err := trade.ParseSum(o.TotalAmount)
	if err != nil {
		return 0, err
	}
	left, err := trade.ParseSum(o.RefundedAmount)
	if err != nil {
		return 0, err
	}
	left = total - left
	for _, r := range o.Refunds {
		if r.Outcome != string(trade.RefundUnknown) {
			continue
		}
		pending, err := trade.ParseSum(r.RefundAmount)
		if err != nil {
			return 0, err
		}
		left -= pending
	}
	if left <= 0 {
		return 0, j.fail(exitRefused, "nothing is left to refund of this order", "该订单已无可退金额")
	}
	return left, nil
}

// newRequestNo is a number that no other refund has, and that sorts by time.
func newRequestNo(j *job) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails
	return "R" + j.now().In(trade.Zone).Format("20060102150405") + "-" + hex.EncodeToString(b[:])
}

func (j *job) printRefund(raw json.RawMessage, number string, amount trade.Amount, status int) error {
	var r refundView
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	unknown := status == http.StatusAccepted || r.Outcome == string(trade.RefundUnknown)
	if !j.people() {
		if err := j.printJSON(raw); err != nil {
			return err
		}
	}
	switch {
	case unknown:
		return j.fail(exitUnknown, "whether refund %s of ¥%s was made is not known yet; Alipay is asked until it is. Do not refund under another number; see: caddy alipay explain %s",
			"退款 %s（¥%s）是否成功尚不确定，系统会持续查询支付宝。切勿换退款号重试；查看：caddy alipay explain %s", r.OutRequestNo, amount, number)
	case j.people():
		j.printf("Refund %s of ¥%s succeeded.\n", "退款 %s（¥%s）成功。\n", r.OutRequestNo, r.RefundAmount)
	}
	return nil
}

// asks reports whether there is a person to be asked.
func (j *job) asks() bool {
	return term.IsTerminal(int(j.stdin.Fd())) && term.IsTerminal(int(j.stderr.Fd()))
}

// confirm asks a person, unless --yes was given. Only a clear yes is one.
func (j *job) confirm(english, chinese string, args ...any) error {
	if j.is("yes") {
		return nil
	}
	if !j.asks() {
		return j.fail(exitUsage, "without a terminal this has to be confirmed by --yes", "不在终端上执行时必须使用 --yes 确认")
	}
	fmt.Fprint(j.stderr, j.lang.Say(english, chinese, args...)+" [y/N] ")
	line, err := bufio.NewReader(j.stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes", "是":
		if err == nil {
			return nil
		}
	}
	return j.fail(exitRefused, "nothing was done", "未作任何操作")
}
