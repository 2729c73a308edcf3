// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Defaults of Config, and bounds.
const (
	DefaultSchema           = "alipay"
	DefaultStatementTimeout = 5 * time.Second
	DefaultLockTimeout      = 2 * time.Second
	DefaultMaxConns         = 16
	minConns                = 4
	maxConns                = 1000
	connectTimeout          = 5 * time.Second // where the DSN names none
)

// Config is how a ledger's database is reached and used.
type Config struct {
	Schema           string
	Migrate          bool // bring the schema up to date
	Pooler           bool // a pooler that gives out the server by transaction stands between
	AsyncCommit      bool // take a server that may lose its last commits
	StatementTimeout time.Duration
	LockTimeout      time.Duration
	MaxConns         int

	conn *pgx.ConnConfig
}

// errDSN names no cause: the parser's own errors quote what may be a password.
var errDSN = errors.New("the DSN is not one that libpq would take: neither a URL postgres://user:password@host:5432/database?sslmode=verify-full" +
	" nor key=value pairs; or it names a file, a service or an sslmode that does not exist")

// ParseConfig reads a DSN, as libpq does, environment included, and sets the
// defaults. Its errors never hold the DSN.
func ParseConfig(dsn string) (*Config, error) {
	if strings.TrimSpace(dsn) == "" {
		return nil, errors.New("the DSN is empty")
	}
	conn, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errDSN
	}
	if conn.Database == "" {
		return nil, errors.New("the DSN names no database")
	}
	for _, pool := range []string{"pool_max_conns", "pool_min_conns", "pool_max_conn_lifetime"} {
		if _, ok := conn.RuntimeParams[pool]; ok {
			return nil, fmt.Errorf("the DSN sets %s; the ledger's option is max_conns", pool)
		}
	}
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = connectTimeout
	}
	return &Config{
		Schema: DefaultSchema, Migrate: true, StatementTimeout: DefaultStatementTimeout, LockTimeout: DefaultLockTimeout,
		MaxConns: DefaultMaxConns, conn: conn,
	}, nil
}

// Identity tells databases and schemas apart and holds no secret.
func (c *Config) Identity() string {
	hosts := []string{hostPort(c.conn.Host, c.conn.Port)}
	for _, f := range c.conn.Fallbacks {
		if h := hostPort(f.Host, f.Port); !slices.Contains(hosts, h) { // one host may be tried with and without TLS
			hosts = append(hosts, h)
		}
	}
	return "postgres://" + strings.Join(hosts, ",") + "/" + c.conn.Database + "#" + c.Schema
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// checkSchema refuses names that would need quoting everywhere a person types
// them.
func checkSchema(name string) error {
	if name == "" || len(name) > 40 || strings.HasPrefix(name, "pg_") {
		return fmt.Errorf("the schema %q is not of 1 to 40 characters, or begins with pg_", name)
	}
	for i := range len(name) {
		if c := name[i]; !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			return fmt.Errorf("the schema %q holds other characters than a-z, 0-9 and _", name)
		}
	}
	return nil
}

// Check reports the first option that is out of bounds.
func (c *Config) Check() error {
	switch {
	case c.StatementTimeout < 100*time.Millisecond || c.StatementTimeout > 10*time.Minute:
		return fmt.Errorf("statement_timeout is %s, and has to be from 100ms to 10m", c.StatementTimeout)
	case c.LockTimeout < 50*time.Millisecond || c.LockTimeout > c.StatementTimeout:
		return fmt.Errorf("lock_timeout is %s, and has to be from 50ms to statement_timeout (%s)", c.LockTimeout, c.StatementTimeout)
	case c.MaxConns < minConns || c.MaxConns > maxConns:
		return fmt.Errorf("max_conns is %d, and has to be from %d to %d", c.MaxConns, minConns, maxConns)
	}
	return checkSchema(c.Schema)
}

// callTimeout is the time that one call gets, on a connection that may be dead.
func (c *Config) callTimeout() time.Duration { return c.StatementTimeout + 2*time.Second }

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

// queueSettings limits a transaction. A session's own settings would not do: a
// pooler gives sessions to others.
func (c *Config) queueSettings(b *pgx.Batch) {
	b.Queue(sqlSettings, millis(c.StatementTimeout), millis(c.LockTimeout), millis(c.StatementTimeout))
}

// poolConfig is for a pool that takes on later configurations' passwords,
// certificates and the like, as it makes new connections.
func (l *Ledger) poolConfig(c *Config) *pgxpool.Config {
	p, err := pgxpool.ParseConfig("")
	if err != nil { // the environment's PG* variables are broken, which ParseConfig has found
		p = &pgxpool.Config{}
	}
	p.ConnConfig = c.connConfig()
	p.MaxConns = int32(c.MaxConns)
	p.MaxConnLifetime, p.MaxConnLifetimeJitter = time.Hour, 10*time.Minute
	p.MaxConnIdleTime = 10 * time.Minute
	p.HealthCheckPeriod = 30 * time.Second
	p.PingTimeout = connectTimeout
	p.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
		*cc = *l.current.Load().connConfig()
		return nil
	}
	p.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		return l.current.Load().checkServer(ctx, conn)
	}
	return p
}

func (c *Config) connConfig() *pgx.ConnConfig {
	cc := c.conn.Copy()
	cc.RuntimeParams["application_name"] = "caddy-alipay"
	if c.Pooler {
		// the server's prepared statements belong to a session; descriptions can be
		// kept here
		cc.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		return cc
	}
	cc.RuntimeParams["statement_timeout"] = millis(c.StatementTimeout)
	cc.RuntimeParams["lock_timeout"] = millis(c.LockTimeout)
	return cc
}

// errLossy: what is acknowledged has to be on disk.
var errLossy = errors.New("the server would lose its last commits in a crash")

// checkServer looks at each new connection's server: an operator may have changed
// it since.
func (c *Config) checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var synchronous, fsync string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('synchronous_commit'),
		current_setting('fsync')`).Scan(&version, &synchronous, &fsync)
	switch {
	case err != nil:
		return err
	case version < 130000:
		return fmt.Errorf("the server is PostgreSQL %d; 13 or later is needed", version/10000)
	case c.AsyncCommit:
	case synchronous == "off":
		return fmt.Errorf("%w: synchronous_commit is off; switch it on for this role, or write asynchronous_commit in the ledger's block to run such a risk", errLossy)
	case fsync != "on":
		return fmt.Errorf("%w: fsync is off; switch it on, or write asynchronous_commit in the ledger's block to run such a risk", errLossy)
	}
	return nil
}

// adopt makes a later configuration's settings those of an open ledger, if the
// database can be reached with them.
func (l *Ledger) adopt(ctx context.Context, c *Config) error {
	conn, err := pgx.ConnectConfig(ctx, c.connConfig())
	if err != nil {
		return fmt.Errorf("opening the ledger %s: %w", c.Identity(), err)
	}
	err = c.checkServer(ctx, conn)
	if closeErr := conn.Close(ctx); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("opening the ledger %s: %w", c.Identity(), err)
	}
	l.current.Store(c)
	return nil
}
