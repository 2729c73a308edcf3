// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"strconv"
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

// Module is the ledger in a PostgreSQL database (13 or later), for any number of
// Caddy processes on any number of machines. Replication, failover and backup are
// the database's own; with several hosts in the DSN and
// target_session_attrs=read-write, a failover needs no restart here.
//
// The connections are made once, however many configurations name the same hosts,
// database and schema, and stay over reloads; a later configuration's password,
// certificates and time-outs are taken over.
type Module struct {
	// How to reach the database, as libpq takes it: a URL or key=value pairs, with
	// several hosts and all sslmodes. Placeholders such as {env.ALIPAY_LEDGER_DSN} and
	// {file./run/secrets/dsn} are replaced, and an unset one is an error. It is never
	// logged. Required.
	DSN string `json:"dsn,omitempty"`

	// The schema that holds the tables; of a-z, 0-9 and _, at most 40 characters.
	// Default: alipay.
	Schema string `json:"schema,omitempty"`

	// "on": bring the schema up to date when a configuration is loaded; the role
	// then needs the right to create it. "off": that is done by somebody else, and
	// a schema that is behind is refused. Default: on.
	Migrate string `json:"migrate,omitempty"`

	// The most connections of this process, beside one that listens; from 4 to 1000.
	// A reload with another value logs that it takes a restart. Default: 16.
	MaxConns int `json:"max_conns,omitempty"`

	// The longest time for one statement; from 100ms to 10m. Default: 5s.
	StatementTimeout caddy.Duration `json:"statement_timeout,omitempty"`

	// The longest time to wait for another process's lock; from 50ms to
	// statement_timeout. Default: 2s.
	LockTimeout caddy.Duration `json:"lock_timeout,omitempty"`

	// "transaction": a pooler (PgBouncer, say) that gives a connection to the
	// server for one transaction at a time stands in between. Nothing then is kept
	// in sessions, so that other processes' changes are learnt by asking every five
	// seconds, and not by being told. Default: none.
	Pooler string `json:"pooler,omitempty"`

	// Take a server that has synchronous_commit or fsync off. It may lose, in a
	// crash, payments that Alipay was told are recorded. Default: false, such a
	// server is refused.
	AsynchronousCommit bool `json:"asynchronous_commit,omitempty"`

	// What is moved from the ledger to files. Processes that share the ledger take
	// turns; each of them that has this option needs the folder. Default: nothing is
	// ever deleted.
	Archive *archive.Setting `json:"archive,omitempty"`

	ledger   *Ledger
	key      string // Identity of the configuration
	acquired bool   // Cleanup has to give the ledger back
}

// CaddyModule returns the Caddy module information.
func (Module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "alipay.ledger.postgres",
		New: func() caddy.Module { return new(Module) },
	}
}

// openTimeout bounds what a configuration waits for the database, migrations
// included.
const openTimeout = time.Minute

// Provision opens the ledger, or joins those who have it open.
func (m *Module) Provision(ctx caddy.Context) error {
	c, err := m.config()
	if err != nil {
		return fmt.Errorf("ledger postgres: %w", err)
	}
	if err := m.Archive.Provision(time.Now()); err != nil {
		return fmt.Errorf("ledger postgres: %w", err)
	}
	m.key = c.Identity()
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	value, joined, err := ledgers.LoadOrNew(m.key, func() (caddy.Destructor, error) {
		l, err := Open(opening, c)
		if err != nil {
			return nil, err
		}
		return pooled{l}, nil
	})
	if err != nil {
		return err
	}
	m.ledger, m.acquired = value.(pooled).Ledger, true
	if !joined {
		return nil
	}
	if have := int(m.ledger.pool.Config().MaxConns); have != c.MaxConns {
		ctx.Logger().Warn("max_conns of the ledger changes with a restart only",
			zap.Int("max_conns", have), zap.Int("configured", c.MaxConns))
	}
	return m.ledger.adopt(opening, c)
}

// config reads the options.
func (m *Module) config() (*Config, error) {
	dsn, err := caddy.NewReplacer().ReplaceOrErr(m.DSN, true, true)
	if err != nil {
		return nil, fmt.Errorf("dsn: %w", err)
	}
	c, err := ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if m.Schema != "" {
		c.Schema = m.Schema
	}
	switch m.Migrate {
	case "", "on":
	case "off":
		c.Migrate = false
	default:
		return nil, fmt.Errorf("migrate is %q, and has to be on or off", m.Migrate)
	}
	switch m.Pooler {
	case "":
	case "transaction":
		c.Pooler = true
	default:
		return nil, fmt.Errorf("pooler is %q; the only kind is transaction", m.Pooler)
	}
	if m.MaxConns != 0 {
		c.MaxConns = m.MaxConns
	}
	if m.StatementTimeout != 0 {
		c.StatementTimeout = time.Duration(m.StatementTimeout)
		c.LockTimeout = min(c.LockTimeout, c.StatementTimeout)
	}
	if m.LockTimeout != 0 {
		c.LockTimeout = time.Duration(m.LockTimeout)
	}
	c.AsyncCommit = m.AsynchronousCommit
	return c, c.Check()
}

// Ledger implements ledger.Provider.
func (m *Module) Ledger() ledger.Ledger { return m.ledger }

// ArchiveSetting implements archive.Archiving.
func (m *Module) ArchiveSetting() *archive.Setting { return m.Archive }

// Identity implements ledger.Provider: hosts, database and schema.
func (m *Module) Identity() string { return m.key }

// UnmarshalCaddyfile reads:
//
//	postgres <dsn> {
//	    schema              <name>
//	    migrate             on|off
//	    max_conns           <number>
//	    statement_timeout   <duration>
//	    lock_timeout        <duration>
//	    pooler              transaction
//	    asynchronous_commit
//	    archive             <folder> before <YYYY-MM-DD>
//	}
func (m *Module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the ledger's kind
	if !d.NextArg() || d.Val() == "" {
		return d.Err("postgres needs a DSN, such as {env.ALIPAY_LEDGER_DSN}")
	}
	m.DSN = d.Val()
	if d.NextArg() {
		return d.Err("postgres takes one DSN; key=value pairs are one in quotes")
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s is given twice", option)
		}
		seen[option] = true
		if option == "archive" {
			m.Archive = new(archive.Setting)
			if err := m.Archive.UnmarshalCaddyfile(d); err != nil {
				return err
			}
		} else if option == "asynchronous_commit" {
			m.AsynchronousCommit = true
		} else if !d.NextArg() || d.Val() == "" {
			return d.Errf("%s needs a value, or is no option of postgres", option)
		} else if err := m.set(option, d); err != nil {
			return err
		}
		if d.NextArg() {
			return d.Errf("%s has a value too many", option)
		}
	}
	return nil
}

// set takes one option's value.
func (m *Module) set(option string, d *caddyfile.Dispenser) error {
	var err error
	switch value := d.Val(); option {
	case "schema":
		m.Schema = value
	case "migrate":
		m.Migrate = value
	case "pooler":
		m.Pooler = value
	case "max_conns":
		m.MaxConns, err = strconv.Atoi(value)
	case "statement_timeout":
		m.StatementTimeout, err = duration(value)
	case "lock_timeout":
		m.LockTimeout, err = duration(value)
	default:
		return d.Errf("postgres knows no option %q", option)
	}
	if err != nil {
		return d.Errf("%s: %v", option, err)
	}
	return nil
}

func duration(s string) (caddy.Duration, error) {
	v, err := caddy.ParseDuration(s)
	if err == nil && v <= 0 {
		err = fmt.Errorf("%q is not more than nothing", s)
	}
	return caddy.Duration(v), err
}

// Cleanup gives the ledger back; the last one closes it. It gives back only what
// this very value has got, for a failed reload cleans up values that never got as
// far, and must not close the running ledger.
func (m *Module) Cleanup() error {
	if !m.acquired {
		return nil
	}
	m.acquired = false
	_, err := ledgers.Delete(m.key)
	return err
}

// ledgers holds the open ledgers by identity.
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
