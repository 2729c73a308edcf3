// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/doctor"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func (t *tool) doctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor [--config <file>] [--adapter <name>] [--offline] [--order <number>]",
		Short: t.lang.Say("Finds what is wrong with the configuration, and the line that mends it", "检查配置中的问题，并给出修复方法"),
		Long: t.lang.Say(`Examines a configuration as 'caddy run' would read it: keys and certificates, this
machine's clock, Alipay's gateway (by a signed question about an order that cannot
exist: no money moves), the notify path from outside in, the shop and its order
look-up, and, if a server is running, its ledger: undelivered, given up, held.

It changes nothing and calls nobody but the hosts that the configuration names. Run
it where the server runs, as the server's user and with its environment.

Each finding has a code in brackets, with a section of that name in docs/doctor.md.
`, `按 caddy run 的方式读取并检查配置：密钥与证书、本机时钟、支付宝网关（签名查询一个不可能
存在的订单，不涉及资金）、从外部访问通知路径、商城及其订单查询；若服务器正在运行，还检查
账本：未送达、已停止重试、挂起的事项。

它不作任何改动，只访问配置中写明的主机。请在服务器所在机器上，以服务器的用户和环境变量运行。

每项结果的方括号内是代码，docs/doctor.zh-CN.md 中有同名的说明。
`) + "\n" + t.exitCodes(),
		Example: "  caddy alipay doctor\n  caddy alipay doctor --config /etc/caddy/Caddyfile --order 20260314-0001\n  caddy alipay doctor --offline --json",
		Args:    cobra.NoArgs,
		RunE:    t.run((*job).examine),
	}
	t.serverFlags(cmd)
	cmd.Flags().Bool("offline", false, t.lang.Say("Leave out all that needs a network", "跳过所有需要网络的检查"))
	cmd.Flags().String("order", "", t.lang.Say("An order of the shop's that a stranger must not see", "商城中的一个订单号，陌生访客不应看到它"))
	return cmd
}

func (j *job) examine() error {
	if order := j.flag("order"); order != "" && !trade.ValidOutTradeNo(order) {
		return j.fail(exitUsage, "--order: not an order number of 1 to 64 letters, digits, _ or -", "--order：订单号应为 1 到 64 位字母、数字、_ 或 -")
	}
	data, _, err := j.config()
	if err != nil {
		return err
	}
	if data == nil {
		return j.fail(exitUsage, "there is no configuration to examine; name it: --config <file>", "没有可检查的配置；请指定：--config <文件>")
	}
	options := doctor.Options{
		Lang: j.lang, Config: data, OutTradeNo: j.flag("order"), Offline: j.is("offline"), Now: j.now,
	}
	if !options.Offline {
		options.Health = j.health
	}
	found, err := doctor.Examine(j.ctx, options)
	if err != nil {
		return err
	}
	worst := doctor.Worst(found)
	if j.people() {
		fmt.Fprint(j.stdout, doctor.Text(found, j.lang, j.color))
	} else if err := j.printJSON(struct {
		Findings []doctor.Finding `json:"findings"`
		Worst    doctor.Severity  `json:"worst"`
	}{found, worst}); err != nil {
		return err
	}
	if worst == doctor.Fault {
		return &failure{code: exitRefused}
	}
	return nil
}
