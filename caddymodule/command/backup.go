// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/bolt"
)

func (t *tool) backup() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup --output <file>",
		Short: t.lang.Say("Saves a consistent copy of the running server's ledger", "保存运行中服务器账本的一致副本"),
		Long: t.lang.Say(`Saves a copy of the ledger as it is at this moment; the server goes on working. The
copy is written beside its final name and takes it only when it is whole and on disk;
a file of that name is replaced. It holds buyers' data and gets the mode 0600. With -
it goes to standard output.

This is for the bolt ledger. For postgres use the database's own means (pg_dump).
`, `保存账本此刻的副本，服务器照常工作。副本先写入临时文件，完整落盘后才改名；同名文件会被替换。
其中含有买家数据，权限为 0600。使用 - 时写到标准输出。

适用于 bolt 账本。postgres 账本请使用数据库自身的工具（pg_dump）。
`) + "\n" + t.exitCodes(),
		Example: "  caddy alipay backup --output alipay-$(date +%F).db\n  caddy alipay backup --output - | gzip > alipay.db.gz\n  caddy alipay ledger check alipay-2026-03-14.db",
		Args:    cobra.NoArgs,
		RunE:    t.run((*job).saveLedger),
	}
	t.serverFlags(cmd)
	cmd.Flags().StringP("output", "o", "", t.lang.Say("The copy's file, or - for standard output (required)", "副本文件，- 表示标准输出（必需）"))
	return cmd
}

// saved is what backup prints for programs.
type saved struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

func (j *job) saveLedger() error {
	output := j.flag("output")
	if output == "" {
		return j.fail(exitUsage, "--output is missing", "缺少 --output")
	}
	s, err := j.server()
	if err != nil {
		return err
	}
	resp, err := s.open(http.MethodGet, []string{"backup"}, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	bar := j.progress(resp.ContentLength, j.lang.Say("bytes", "字节"))
	defer bar.done()
	from := io.TeeReader(resp.Body, bar)
	if output == "-" {
		_, err := io.Copy(j.stdout, from)
		return s.broken(err)
	}
	n, err := saveFile(output, func(w io.Writer) error {
		_, err := io.Copy(w, from)
		return s.broken(err)
	}, bolt.CheckCopy)
	if err != nil {
		return err
	}
	bar.done()
	if !j.people() {
		return j.printJSON(saved{output, n})
	}
	j.printf("Saved %s, %d bytes.\n", "已保存 %s，%d 字节。\n", output, n)
	return nil
}

// broken says that an answer ended early. Its length was announced, so that half a
// copy is never taken for a whole one.
func (s *server) broken(err error) error {
	if err == nil {
		return nil
	}
	return s.j.fail(exitUnavailable, "the copy broke off and was not kept: %v", "副本中断，未保留：%v", err)
}

// saveFile makes a file of what write writes. It appears under its name only when it
// is whole, on disk, and check finds nothing wrong with it.
func saveFile(name string, write func(io.Writer) error, check func(string) error) (int64, error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name()) // after the renaming there is none
	err = write(f)
	info, err2 := f.Stat()
	if err = errors.Join(err, err2); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, firstFailure(err)
	}
	if check != nil {
		if err := check(f.Name()); err != nil {
			return 0, err
		}
	}
	if old, err := os.Stat(name); err == nil && !old.Mode().IsRegular() {
		return 0, fmt.Errorf("writing %s: %w", name, fs.ErrExist)
	}
	return info.Size(), os.Rename(f.Name(), name)
}

// firstFailure is the failure within a joined error, for it has words for people.
func firstFailure(err error) error {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return err
}
