// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package command adds `caddy alipay …`: keys, a doctor, and what the merchant's
// API offers, for people at a terminal and for scripts. Commands that need a
// running server speak to Caddy's admin endpoint; they hold no ledger open and
// know no secret.
package command

import (
	"os"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
)

func init() {
	t := system()
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:      "alipay",
		Usage:     "<command>",
		Short:     t.lang.Say("Keys, orders and refunds of Alipay, and a doctor", "支付宝：密钥、订单、退款与诊断"),
		Long:      t.long(),
		CobraFunc: t.build,
	})
}

// tool is what the commands work with.
type tool struct {
	lang     lang.Lang
	stdin    *os.File
	stdout   *os.File
	stderr   *os.File
	terminal bool // stdout is one: people read it
	watched  bool // stderr is one: progress can be shown
	color    bool
	now      func() time.Time
}

// system is the tool of this process.
func system() *tool {
	terminal := term.IsTerminal(int(os.Stdout.Fd()))
	return &tool{
		lang:  lang.FromEnv(os.Getenv),
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		terminal: terminal,
		watched:  term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb",
		color:    terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
		now:      time.Now,
	}
}

func (t *tool) build(cmd *cobra.Command) {
	cmd.PersistentFlags().Bool("json", false, t.lang.Say("Print JSON, as is done without a terminal", "输出 JSON（输出不是终端时即如此）"))
	cmd.PersistentFlags().Bool("text", false, t.lang.Say("Print text for people, as is done on a terminal", "输出便于阅读的文本（输出是终端时即如此）"))
	cmd.MarkFlagsMutuallyExclusive("json", "text")
	cmd.AddCommand(
		t.keygen(), t.doctor(),
		t.orders(), t.show(), t.explain(), t.query(), t.refund(), t.closeOrder(), t.held(),
		t.events(), t.redeliver(), t.backup(), t.export(), t.ledger(), t.assertion(),
	)
}

func (t *tool) long() string {
	return strings.TrimSpace(t.lang.Say(`
Commands for a merchant that takes Alipay with this server.

keygen needs no server, and doctor none that runs. The others ask a running one
over Caddy's admin endpoint, whose address is found as 'caddy reload' finds it:
by --address, or in the configuration (--config, or the Caddyfile in the working
folder), or localhost:2019.

On a terminal they print text, in English or Chinese by LC_ALL, LC_MESSAGES or
LANG; anywhere else, or with --json, they print JSON.
`, `
为使用本服务器收取支付宝款项的商家提供的命令。

keygen 不需要服务器，doctor 不需要正在运行的服务器；其余命令通过 Caddy 的管理端点询问
正在运行的服务器，其地址的确定方式与 caddy reload 相同：--address、配置文件（--config，
或当前目录中的 Caddyfile）、localhost:2019。

在终端上输出文本（语言取自 LC_ALL、LC_MESSAGES 或 LANG）；否则或使用 --json 时输出 JSON。
`)) + "\n\n" + t.exitCodes()
}

// exitCodes are told by the help of every command.
func (t *tool) exitCodes() string {
	return t.lang.Say(`Exit codes: 0 done; 1 wrong usage, or the configuration could not be read;
2 refused, or the doctor found a fault; 3 not found; 4 the server, its ledger or
Alipay cannot be reached; 5 whether it was done is not known yet.`,
		`退出码：0 成功；1 用法错误或无法读取配置；2 被拒绝，或诊断发现故障；3 未找到；
4 无法连接服务器、账本或支付宝；5 结果尚不确定。`)
}
