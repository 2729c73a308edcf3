// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"context"
	database "database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
)

// dialect is what differs between databases.
type dialect struct {
	backslashes bool // escape the next character in a quote
	// mark stands for a parameter, and notes it among the arguments.
	mark func(q *query, name string) string
	// connector opens connections that can do as little harm as possible.
	connector func(dsn string) (driver.Connector, error)
	// limit has the database itself end a statement of the transaction in time.
	limit func(ctx context.Context, tx *database.Tx, d time.Duration) error
}

var dialects = map[string]dialect{
	"postgres": {mark: numbered, connector: openPostgres, limit: limitPostgres},
	"mysql":    {mark: questioned, connector: openMySQL, limit: limitMySQL, backslashes: true},
	"sqlite":   {mark: questioned, connector: openSQLite, limit: limitNothing},
}

func questioned(q *query, name string) string {
	q.args = append(q.args, name)
	return "?"
}

func numbered(q *query, name string) string {
	for i, arg := range q.args {
		if arg == name {
			return "$" + strconv.Itoa(i+1)
		}
	}
	q.args = append(q.args, name)
	return "$" + strconv.Itoa(len(q.args))
}

// openPostgres never lets parameters be written into the text, as the simple
// protocol does.
func openPostgres(dsn string) (driver.Connector, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("it is not of the form postgres://user:password@host/database") // the cause may show the password
	}
	if cfg.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	}
	return stdlib.GetConnector(*cfg), nil
}

func limitPostgres(ctx context.Context, tx *database.Tx, d time.Duration) error {
	_, err := tx.ExecContext(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d", d.Milliseconds()))
	return err
}

// openMySQL never lets parameters be written into the text, allows one statement
// a call and no reading of local files.
func openMySQL(dsn string) (driver.Connector, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("it is not of the form user:password@tcp(host:3306)/database")
	}
	cfg.InterpolateParams, cfg.MultiStatements, cfg.AllowAllFiles, cfg.ParseTime = false, false, false, false
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	cfg.Logger = &mysql.NopLogger{} // it would write to stderr what is returned as an error as well
	return mysql.NewConnector(cfg)
}

// limitMySQL knows that MariaDB and MySQL name the setting differently, in seconds
// and in milliseconds.
func limitMySQL(ctx context.Context, tx *database.Tx, d time.Duration) error {
	var version string
	if err := tx.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return err
	}
	setting := fmt.Sprintf("SET SESSION max_execution_time = %d", d.Milliseconds())
	if strings.Contains(version, "MariaDB") {
		setting = fmt.Sprintf("SET SESSION max_statement_time = %.3f", d.Seconds())
	}
	_, err := tx.ExecContext(ctx, setting)
	return err
}

// openSQLite opens the shop's file for reading alone.
func openSQLite(dsn string) (driver.Connector, error) {
	path, err := filepath.Abs(dsn)
	if err != nil || strings.HasPrefix(dsn, "file:") {
		return nil, errors.New("it is the path of the database's file")
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: url.Values{
		"mode": {"ro"}, "_pragma": {"query_only(1)", "busy_timeout(1000)"},
	}.Encode()}
	return sqliteConnector(u.String()), nil
}

// sqliteConnector is the DSN of a SQLite file.
type sqliteConnector string

func (c sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	return c.Driver().Open(string(c))
}

func (sqliteConnector) Driver() driver.Driver { return &sqlite.Driver{} }

// limitNothing: SQLite runs in this process, and ends with the context.
func limitNothing(context.Context, *database.Tx, time.Duration) error { return nil }

// isNoValue reports whether PostgreSQL refused a parameter because its column can
// hold no such value (text for a number, a number too large): then there is no
// such order.
func isNoValue(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "22P02" || pg.Code == "22003")
}
