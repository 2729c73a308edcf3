// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
)

func (t *tool) export() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export orders|events|held [--format csv|jsonl] [--since <time>] [--output <file>]",
		Short: t.lang.Say("Writes orders, events or what is held as CSV or JSON lines", "将订单、事件或挂起项导出为 CSV 或 JSON Lines"),
		Long: t.lang.Say(`Writes all of a listing, page by page: as CSV for spreadsheets, or as JSON lines with
everything that the server tells. In CSV a text that a spreadsheet would take for a
formula gets an apostrophe in front. --excel adds what Excel needs to read Chinese and
long numbers: a byte order mark, and a tab behind numbers, as Alipay's own bills have.
`, `逐页导出整个列表：CSV 供电子表格使用，JSON Lines 含服务器给出的全部内容。CSV 中会被电子表格当作
公式的文本前面加单引号。--excel 加上 Excel 正确读取中文和长数字所需的内容：BOM，以及数字后的制表符
（与支付宝账单相同）。
`) + "\n" + t.exitCodes(),
		Example:   "  caddy alipay export orders --since 2026-03-01 --output orders.csv\n  caddy alipay export events --format jsonl | jq .type\n  caddy alipay export orders --excel --output orders.csv",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"orders", "events", "held"},
		RunE:      t.run((*job).exportAll),
	}
	t.serverFlags(cmd)
	cmd.Flags().String("format", "csv", t.lang.Say("csv or jsonl", "csv 或 jsonl"))
	cmd.Flags().Bool("excel", false, t.lang.Say("Make the CSV readable for Excel", "使 CSV 便于 Excel 读取"))
	cmd.Flags().String("since", "all", t.lang.Say("Only orders since this time, or of this age", "只导出该时间之后的订单，或给出时长"))
	cmd.Flags().String("status", "", t.lang.Say("Only orders in this state", "只导出该状态的订单"))
	cmd.Flags().StringP("output", "o", "-", t.lang.Say("The file, or - for standard output", "文件，- 表示标准输出"))
	return cmd
}

// columnsOf are the members of each kind that become columns, in their order.
var columnsOf = map[string][]string{
	"orders": {"out_trade_no", "trade_no", "status", "total_amount", "refunded_amount", "created_at", "paid_at", "closed_at", "source",
		"buyer_id", "seller_id", "app_id", "public_url", "sequence", "accepted", "contradicted"},
	"events": {"id", "type", "out_trade_no", "sequence", "state", "status", "refunded_amount", "source", "at"},
	"held":   {"id", "out_trade_no", "reason", "trade_no", "status", "total_amount", "refunded_amount", "held_at", "source", "buyer_id", "seller_id"},
}

func (j *job) exportAll() error {
	format, kind := j.flag("format"), j.args[0]
	if format != "csv" && format != "jsonl" {
		return j.fail(exitUsage, "--format is neither csv nor jsonl", "--format 应为 csv 或 jsonl")
	}
	if kind != "orders" && (j.cmd.Flags().Changed("since") || j.cmd.Flags().Changed("status")) {
		return j.fail(exitUsage, "--since and --status are for orders", "--since 和 --status 仅用于 orders")
	}
	query := url.Values{"limit": {"500"}}
	since, err := j.since()
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"since": since, "status": j.flag("status")} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if kind == "held" {
		query.Set("decided", "true")
	}
	s, err := j.server()
	if err != nil {
		return err
	}
	bar := j.progress(0, kind)
	defer bar.done()
	if j.flag("output") == "-" && j.terminal {
		bar.off() // it would be written into the rows
	}
	write := func(w io.Writer) error { return j.exportTo(w, s, query, bar) }
	if output := j.flag("output"); output != "-" {
		if _, err = saveFile(output, write, nil); err == nil && j.people() {
			bar.done()
			j.printf("Saved %s, %d rows.\n", "已保存 %s，%d 行。\n", output, bar.count)
		}
		return err
	}
	return write(j.stdout)
}

// exportTo writes all pages of a listing.
func (j *job) exportTo(w io.Writer, s *server, query url.Values, bar *progress) error {
	kind := j.args[0]
	buffered := bufio.NewWriter(w)
	row := jsonRow
	if j.flag("format") == "csv" {
		if j.is("excel") {
			fmt.Fprint(buffered, "\ufeff")
		}
		if err := writeCSV(buffered, columnsOf[kind]); err != nil {
			return err
		}
		row = j.csvRow(columnsOf[kind])
	}
	cursor := "cursor"
	if kind == "events" {
		cursor = "after"
	}
	for {
		var list map[string]json.RawMessage
		if _, err := s.call(http.MethodGet, []string{kind}, query, nil, &list); err != nil {
			return err
		}
		var rows []json.RawMessage
		var next string
		if json.Unmarshal(list[kind], &rows) != nil || json.Unmarshal(list["next_cursor"], &next) != nil {
			return j.fail(exitUnavailable, "the server's answer cannot be read; has it the same version as this command?",
				"无法读取服务器的应答；服务器与此命令的版本是否一致？")
		}
		for _, raw := range rows {
			if err := row(buffered, raw); err != nil {
				return err
			}
		}
		bar.add(int64(len(rows)))
		if err := buffered.Flush(); err != nil {
			return err
		}
		if next == "" {
			return nil
		}
		if query.Get(cursor) == next {
			return j.fail(exitUnavailable, "the server's listing does not come to an end", "服务器的列表没有终点")
		}
		query.Set(cursor, next)
	}
}

func jsonRow(w io.Writer, raw json.RawMessage) error {
	_, err := fmt.Fprintf(w, "%s\n", raw)
	return err
}

func writeCSV(w io.Writer, cells []string) error {
	c := csv.NewWriter(w)
	if err := c.Write(cells); err != nil {
		return err
	}
	c.Flush()
	return c.Error()
}

// csvRow makes a row of the named members.
func (j *job) csvRow(names []string) func(io.Writer, json.RawMessage) error {
	excel := j.is("excel")
	return func(w io.Writer, raw json.RawMessage) error {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return err
		}
		cells := make([]string, len(names))
		for i, name := range names {
			cells[i] = cell(members[name], excel)
		}
		return writeCSV(w, cells)
	}
}

// cell is a member as a spreadsheet may take it. Texts are the merchant's and
// Alipay's, but a buyer may have had a hand in them: one that begins like a formula
// is made plain text (OWASP, CSV injection), and control characters go.
func cell(raw json.RawMessage, excel bool) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = strings.TrimSpace(string(raw))
		if text == "null" {
			text = ""
		}
		return text // a number or a boolean
	}
	text = lang.Plain(text)
	if text != "" && strings.ContainsRune("=+-@|＝＋－＠", []rune(text)[0]) {
		return "'" + text
	}
	if excel && len(text) > 11 && strings.Trim(text, "0123456789") == "" {
		return text + "\t" // Excel rounds longer numbers
	}
	return text
}
