// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/ledgercopy"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres"
)

// headerLedger says of which file a copy is that the admin endpoint gives.
const headerLedger = "Alipay-Ledger"

func (t *tool) copyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "copy <from> <to> [--schema <name>]",
		Short: t.lang.Say("Carries a ledger over to another kind of ledger, and back", "将账本迁移到另一种账本，也可迁回"),
		Long: t.lang.Say(`Carries all that a ledger holds over to another one: orders, statements with their raw
messages, events with their ids, held items, keys of the assertion. Each is a bolt
ledger's file, or a PostgreSQL database as a DSN (postgres://user@host/database; the
password may come from PGPASSWORD or a passfile).

Only what differs is stored, so a copy that broke off goes on where it was, and a second
run carries over what has happened since the first. A file that a running server has
open is copied from a snapshot that the server gives. To move a shop:

  1. copy, while it sells
  2. stop Caddy, and copy again: a moment's work
  3. start Caddy with the new ledger in its configuration

In the end all of both is read again and compared. A target that has been used by
itself is refused.
`, `将账本中的全部内容迁移到另一个账本：订单、凭据及其原始报文、事件及其 ID、挂起项、断言密钥。两端各为
bolt 账本文件，或以 DSN 表示的 PostgreSQL 数据库（postgres://user@host/database，密码可来自
PGPASSWORD 或 passfile）。

只写入有差异的内容：中断后重新运行会从中断处继续，第二次运行会补上第一次之后发生的内容。服务器正在使用的
文件，会从服务器给出的快照复制。迁移步骤：

  1. 不停机复制一次
  2. 停止 Caddy，再复制一次，片刻即可完成
  3. 在配置中换成新账本，启动 Caddy

最后会重新读取两端全部内容并逐条比较。目标若已被单独使用过，则拒绝复制。
`) + "\n" + t.exitCodes(),
		Example: "  caddy alipay ledger copy alipay.db postgres://caddy@db.example.com/shop\n  caddy alipay ledger copy postgres://caddy@db.example.com/shop alipay.db",
		Args:    cobra.ExactArgs(2),
		RunE:    t.run((*job).copyLedger),
	}
	t.serverFlags(cmd)
	cmd.Flags().String("schema", postgres.DefaultSchema, t.lang.Say("The schema in the database", "数据库中的 schema"))
	return cmd
}

// copied is what copy prints for programs.
type copied struct {
	ledgercopy.Report
	Paid     string `json:"paid"`
	Refunded string `json:"refunded"`
}

// store is a ledger that is open for a copy.
type store interface {
	ledger.Copyable
	io.Closer
}

func (j *job) copyLedger() (err error) {
	from, err := j.openSource(j.args[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := j.openStore(j.args[1])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	report, err := j.carry(from, to)
	if err != nil {
		return j.copyFailed(err)
	}
	out := copied{report, report.Paid.String(), report.Refunded.String()}
	if !j.people() {
		return j.printJSON(out)
	}
	j.printf("Both hold %d orders, %d statements, %d events, %d held items and %d settings; ¥%s paid, ¥%s refunded.\n%d orders were stored by this run; all of both was compared.\n",
		"两端均有 %d 个订单、%d 条凭据、%d 个事件、%d 个挂起项、%d 项设置；已支付 ¥%s，已退款 ¥%s。\n本次写入 %d 个订单；两端全部内容已逐条比较。\n",
		out.Orders, out.Statements, out.Events, out.Held, out.Settings, out.Paid, out.Refunded, out.Stored)
	return nil
}

// carry copies with a bar for each of the two readings.
func (j *job) carry(from, to store) (ledgercopy.Report, error) {
	var bar *progress
	verifying := false
	defer func() {
		if bar != nil {
			bar.done()
		}
	}()
	return ledgercopy.Copy(j.ctx, from, to, func(s ledgercopy.Step) {
		if bar == nil || s.Verifying != verifying {
			if bar != nil {
				bar.done()
			}
			unit := j.lang.Say("orders copied", "个订单已复制")
			if verifying = s.Verifying; verifying {
				unit = j.lang.Say("orders verified", "个订单已核对")
			}
			bar = j.progress(int64(s.Total), unit)
		}
		bar.add(int64(s.Done) - bar.count)
	})
}

func (j *job) copyFailed(err error) error {
	switch {
	case errors.Is(err, ledgercopy.ErrUsed), errors.Is(err, ledgercopy.ErrDiffers), errors.Is(err, ledger.ErrPosition):
		return &failure{exitRefused, err.Error()}
	case j.ctx.Err() != nil:
		return j.fail(exitUnavailable, "broken off; the same command goes on from here", "已中断；重新运行同一命令将从此处继续")
	case errors.Is(err, ledger.ErrUnavailable):
		return j.fail(exitUnavailable, "%v (the same command goes on from here)", "%v（重新运行同一命令将从此处继续）", err)
	}
	return err
}

// openSource is openStore for what is only read: there has to be something, and a
// file that is in use is taken from who uses it.
func (j *job) openSource(name string) (store, error) {
	if isDSN(name) {
		return j.openStore(name)
	}
	switch err := bolt.CheckCopy(name); {
	case errors.Is(err, os.ErrNotExist):
		return nil, j.fail(exitNotFound, "there is no file %s", "没有文件 %s", name)
	case errors.Is(err, bolt.ErrInUse):
		return j.openSnapshot(name)
	case err != nil:
		return nil, &failure{exitRefused, err.Error()}
	}
	return j.openStore(name)
}

// snapshot is a ledger in a folder that goes when it is closed.
type snapshot struct {
	store
	dir string
}

func (s *snapshot) Close() error { return errors.Join(s.store.Close(), os.RemoveAll(s.dir)) }

func (j *job) openSnapshot(name string) (_ store, err error) {
	server, err := j.server()
	if err != nil {
		return nil, err
	}
	resp, err := server.open(http.MethodGet, []string{"backup"}, nil, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	path, err := bolt.CanonicalPath(name)
	if err != nil {
		return nil, err
	}
	if at := resp.Header.Get(headerLedger); at != path {
		return nil, j.fail(exitRefused, "%s is in use, and the running server's ledger is %q: name its account (--account), or another server (--address)",
			"%s 正在使用中，而运行中服务器的账本是 %q：请用 --account 指定账户，或用 --address 指定服务器", name, at)
	}
	dir, err := os.MkdirTemp("", "alipay-ledger-") // mode 0700
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	bar := j.progress(resp.ContentLength, j.lang.Say("bytes", "字节"))
	defer bar.done()
	file := filepath.Join(dir, "alipay.db")
	_, err = saveFile(file, func(w io.Writer) error {
		_, err := io.Copy(w, io.TeeReader(resp.Body, bar))
		return server.broken(err)
	}, bolt.CheckCopy)
	if err != nil {
		return nil, err
	}
	from, err := j.openStore(file)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(j.stderr, j.lang.Say("%s is in use: this is a snapshot of it. Stop Caddy and run this again for what happens from now on.",
		"%s 正在使用中：以下复制自其快照。停止 Caddy 后请再运行一次，以补上此后发生的内容。", name))
	return &snapshot{store: from, dir: dir}, nil
}

func (j *job) openStore(name string) (store, error) {
	if !isDSN(name) {
		l, err := bolt.Open(name, bolt.Options{})
		if err != nil {
			return nil, &failure{exitUnavailable, err.Error()}
		}
		return l, nil
	}
	c, err := postgres.ParseConfig(name)
	if err != nil {
		return nil, &failure{exitUsage, err.Error()}
	}
	c.Schema = j.flag("schema")
	if err := c.Check(); err != nil {
		return nil, &failure{exitUsage, err.Error()}
	}
	l, err := postgres.Open(context.WithoutCancel(j.ctx), c)
	if err != nil {
		return nil, &failure{exitUnavailable, err.Error()}
	}
	return l, nil
}

func isDSN(name string) bool {
	return strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://")
}
