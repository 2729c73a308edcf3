// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/archive"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func (t *tool) archived() *cobra.Command {
	return &cobra.Command{
		Use:   "archived <file> [<out_trade_no>]",
		Short: t.lang.Say("Checks and lists a file of archived orders", "校验并列出归档订单文件"),
		Long: t.lang.Say(`Reads a file that the ledger's option archive has written, checks it against its
summary, and lists its orders; with an out_trade_no it prints all that was kept about
that order, raw messages included, as JSON. It needs no server. The orders hold buyers'
data.
`, `读取账本 archive 选项写出的文件，按其汇总行校验，并列出其中的订单；给出 out_trade_no 时以 JSON
输出该订单的全部留存内容（含原始报文）。不需要服务器。内容含买家数据。
`) + "\n" + t.exitCodes(),
		Example: "  caddy alipay ledger archived alipay-2024-03.jsonl.gz\n  caddy alipay ledger archived alipay-2024-03.jsonl.gz 20240314A1",
		Args:    cobra.RangeArgs(1, 2),
		RunE:    t.run((*job).readArchive),
	}
}

// archivedOrder is one line of the list.
type archivedOrder struct {
	AppID      string       `json:"app_id"`
	OutTradeNo string       `json:"out_trade_no"`
	TradeNo    string       `json:"trade_no"`
	CreatedAt  time.Time    `json:"created_at"`
	Status     trade.Status `json:"trade_status"`
	Total      trade.Amount `json:"total_amount"`
	Refunded   trade.Amount `json:"refunded"`
}

// archiveContents is what is printed for programs.
type archiveContents struct {
	File     string          `json:"file"`
	Orders   []archivedOrder `json:"orders"`
	Paid     trade.Amount    `json:"paid"`
	Refunded trade.Amount    `json:"refunded"`
	SHA256   string          `json:"sha256"`
}

func (j *job) readArchive() error {
	file := j.args[0]
	out := archiveContents{File: file, Orders: []archivedOrder{}}
	var found []json.RawMessage
	s, err := archive.Read(file, func(w *ledger.Whole, line []byte) error {
		o := &w.Record.Order
		if len(j.args) == 2 {
			if o.OutTradeNo == j.args[1] {
				found = append(found, json.RawMessage(append([]byte(nil), line...)))
			}
			return nil
		}
		out.Orders = append(out.Orders, archivedOrder{
			o.AppID, o.OutTradeNo, o.TradeNo, o.CreatedAt.In(trade.Zone), o.Status(), o.Total, o.Refunded(),
		})
		return nil
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return j.fail(exitNotFound, "there is no file %s", "没有文件 %s", file)
	case err != nil:
		return j.fail(exitRefused, "%s: %v", "%s：%v", file, err)
	}
	if len(j.args) == 2 {
		return j.printArchived(found)
	}
	out.Paid, out.Refunded, out.SHA256 = trade.Amount(s.PaidFen), trade.Amount(s.RefundedFen), s.SHA256
	if !j.people() {
		return j.printJSON(out)
	}
	for _, o := range out.Orders {
		j.printf("%s  %s  %s  %s\n", "%s  %s  %s  %s\n", o.CreatedAt.Format(time.DateTime), lang.Plain(o.OutTradeNo), o.Status, o.Total)
	}
	j.printf("%s is sound: %d orders, %s paid, %s refunded.\n", "%s 完好：%d 笔订单，实付 %s，退款 %s。\n",
		file, s.Orders, out.Paid, out.Refunded)
	return nil
}

// printArchived prints one order; of several apps, each on a line of its own.
func (j *job) printArchived(found []json.RawMessage) error {
	if len(found) == 0 {
		return j.fail(exitNotFound, "the file holds no order %s", "文件中没有订单 %s", lang.Plain(j.args[1]))
	}
	for _, line := range found {
		if err := j.printJSON(line); err != nil {
			return err
		}
	}
	return nil
}
