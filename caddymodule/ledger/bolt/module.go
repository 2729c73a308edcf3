// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/archive"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

func init() {
	caddy.RegisterModule(Module{})
}

// Module is the ledger in one file, for one Caddy process. It needs no
// database; several Caddys on one ledger need another kind.
//
// The file is opened once, however many configurations name it, and stays open
// over reloads.
type Module struct {
	// The path of the file; its folder is made if there is none (mode 0700, the
	// file 0600). A relative path starts at the working directory. Placeholders
	// such as {env.ALIPAY_LEDGER} are replaced, and an unset one is an error.
	// Default: alipay/alipay.db in Caddy's data folder.
	Path string `json:"path,omitempty"`

	// What is moved from the ledger to files. Default: nothing is ever deleted.
	Archive *archive.Setting `json:"archive,omitempty"`

	ledger   *Ledger
	key      string // canonical path
	acquired bool   // Cleanup has to give the ledger back
}

// CaddyModule returns the Caddy module information.
func (Module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "alipay.ledger.bolt",
		New: func() caddy.Module { return new(Module) },
	}
}

// Provision opens the ledger, or joins those who have it open.
func (m *Module) Provision(ctx caddy.Context) error {
	if err := m.Archive.Provision(time.Now()); err != nil {
		return fmt.Errorf("ledger bolt: %w", err)
	}
	path := m.Path
	if path == "" {
		path = filepath.Join(caddy.AppDataDir(), "alipay", "alipay.db")
	}
	path, err := caddy.NewReplacer().ReplaceOrErr(path, true, true)
	if err != nil {
		return fmt.Errorf("ledger bolt: path: %w", err)
	}
	if m.key, err = CanonicalPath(path); err != nil {
		return err
	}
	logger := ctx.Logger() // used by Open only, never kept in the pooled value
	value, _, err := ledgers.LoadOrNew(m.key, func() (caddy.Destructor, error) {
		l, err := Open(m.key, Options{Warn: func(message string) { logger.Warn(message, zap.String("path", m.key)) }})
		if err != nil {
			return nil, err
		}
		return pooled{l}, nil
	})
	if err != nil {
		return err
	}
	m.ledger, m.acquired = value.(pooled).Ledger, true
	return nil
}

// Ledger implements ledger.Provider.
func (m *Module) Ledger() ledger.Ledger { return m.ledger }

// ArchiveSetting implements archive.Archiving.
func (m *Module) ArchiveSetting() *archive.Setting { return m.Archive }

// Identity implements ledger.Provider: the canonical path.
func (m *Module) Identity() string { return m.key }

// UnmarshalCaddyfile reads:
//
//	bolt [<path>] {
//	    archive <folder> before <YYYY-MM-DD>
//	}
func (m *Module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the ledger's kind
	if d.NextArg() {
		m.Path = d.Val()
		if m.Path == "" {
			return d.Err("the ledger's path is empty; name a file, or nothing for the default")
		}
	}
	if d.NextArg() {
		return d.Errf("bolt takes one path, %q is too much", d.Val())
	}
	for d.NextBlock(0) {
		switch {
		case d.Val() != "archive":
			return d.Errf("bolt knows no option %q", d.Val())
		case m.Archive != nil:
			return d.Err("archive is given twice")
		}
		m.Archive = new(archive.Setting)
		if err := m.Archive.UnmarshalCaddyfile(d); err != nil {
			return err
		}
	}
	return nil
}

// Cleanup gives the ledger back; the last one closes it. It gives back only
// what this very value has got, for a failed reload cleans up values that never
// got as far, and must not close the running ledger.
func (m *Module) Cleanup() error {
	if !m.acquired {
		return nil
	}
	m.acquired = false
	_, err := ledgers.Delete(m.key)
	return err
}

// ledgers holds the open files by canonical path.
var ledgers = caddy.NewUsagePool()

// pooled closes the ledger with its last user.
type pooled struct{ *Ledger }

func (p pooled) Destruct() error { return p.Close() }

// Interface guards
var (
	_ caddy.Provisioner     = (*Module)(nil)
	_ caddy.CleanerUpper    = (*Module)(nil)
	_ caddyfile.Unmarshaler = (*Module)(nil)
	_ ledger.Provider       = (*Module)(nil)
	_ archive.Archiving     = (*Module)(nil)
)
