// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
)

func (t *tool) ledger() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ledger <command>",
		Short: t.lang.Say("Checks and moves ledgers, and reads archived orders", "检查和迁移账本，读取归档订单"),
		Long:  t.lang.Say("Checks and moves ledgers, and reads archived orders.\n", "检查和迁移账本，读取归档订单。\n"),
	}
	check := &cobra.Command{
		Use:   "check <file>",
		Short: t.lang.Say("Reads the whole file and says what is damaged", "通读文件并指出损坏之处"),
		Long: t.lang.Say(`Reads the whole file, page by page, and says what is damaged. It changes nothing. A
ledger that a server has open cannot be read so: save a copy of it with backup, and
check that.
`, `逐页通读文件并指出损坏之处，不作任何改动。服务器正在使用的账本不能这样读取：请先用 backup 保存副本，
再检查副本。
`) + "\n" + t.exitCodes(),
		Example: "  caddy alipay ledger check alipay-2026-03-14.db",
		Args:    cobra.ExactArgs(1),
		RunE:    t.run((*job).checkLedger),
	}
	cmd.AddCommand(check, t.copyCommand(), t.archived())
	return cmd
}

func (j *job) checkLedger() error {
	file := j.args[0]
	faults, err := bolt.CheckFile(j.ctx, file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return j.fail(exitNotFound, "there is no file %s", "没有文件 %s", file)
	case errors.Is(err, bolt.ErrInUse):
		return j.fail(exitUnavailable, "%v; save a copy and check that: caddy alipay backup --output FILE", "%v；请保存副本后检查：caddy alipay backup --output FILE", err)
	case err != nil:
		return &failure{exitRefused, err.Error()}
	}
	if !j.people() {
		if err := j.printJSON(struct {
			File   string   `json:"file"`
			Faults []string `json:"faults"`
		}{file, faults}); err != nil {
			return err
		}
	}
	if len(faults) == 0 {
		if j.people() {
			j.printf("%s is sound.\n", "%s 完好。\n", file)
		}
		return nil
	}
	if j.people() {
		for _, f := range faults {
			j.printf("  %s\n", "  %s\n", f)
		}
	}
	return j.fail(exitRefused, "%s is damaged; restore it from a backup", "%s 已损坏，请从备份恢复", file)
}
