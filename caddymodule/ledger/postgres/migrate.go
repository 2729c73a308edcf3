// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step of the schema; its file is for psql too. Steps only add:
// what an older binary uses stays as it is, until a step says that older binaries
// are over, by the version that a binary must know at least (migrations.oldest).
type migration struct {
	name string
	sql  string
}

// migrations are all steps, by their version: 1, 2, 3…
func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var list []migration
	for i, name := range names { // Glob sorts
		data, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		m := migration{name: path.Base(name), sql: string(data)}
		number, _, _ := strings.Cut(m.name, "_")
		if version, err := strconv.Atoi(number); err != nil || version != i+1 {
			return nil, fmt.Errorf("the migration %s is not number %d", m.name, i+1)
		}
		list = append(list, m)
	}
	return list, nil
}

var (
	errSchemaBehind = errors.New("the ledger's schema is behind this binary")
	errSchemaAhead  = errors.New("the ledger's schema is ahead of this binary; bring the binary up to date")
)

// migrate brings the schema up to date in one transaction, or checks that it is.
// Several may start at once: an advisory lock lets one of them do it. The lock is
// the transaction's, so that it works through a pooler too.
func migrate(ctx context.Context, pool *pgxpool.Pool, c *Config) error {
	steps, err := migrations()
	if err != nil {
		return err
	}
	at, oldest, err := schemaVersion(ctx, pool, c.Schema)
	if err != nil {
		return err
	}
	have := len(steps)
	switch {
	case oldest > have:
		return fmt.Errorf("%w: it needs version %d, and this one knows %d", errSchemaAhead, oldest, have)
	case at >= have:
		return nil
	case !c.Migrate:
		return fmt.Errorf("%w: it has version %d and needs %d; have %s run on the schema %q, or take migrate off out of the configuration",
			errSchemaBehind, at, have, missing(steps[at:]), c.Schema)
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return migrateIn(ctx, tx, c.Schema, steps) })
}

func missing(steps []migration) string {
	var names []string
	for _, m := range steps {
		names = append(names, m.name)
	}
	return strings.Join(names, ", ")
}

func migrateIn(ctx context.Context, tx pgx.Tx, schema string, steps []migration) error {
	// whoever comes second waits as long as the first needs, not as long as a notice may
	_, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true),
		pg_advisory_xact_lock(hashtextextended($1, 24181))`, schema)
	if err != nil {
		return fmt.Errorf("waiting for others that migrate: %w", err)
	}
	for _, sql := range []string{
		`CREATE SCHEMA IF NOT EXISTS ` + quoted(schema),
		`SET LOCAL search_path TO ` + quoted(schema) + `, pg_temp`,
		`SET LOCAL client_min_messages TO warning`,
		// a table that is in use is not waited for with everybody else behind
		`SET LOCAL lock_timeout TO '10s'`,
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("preparing the schema %q: %w", schema, err)
		}
	}
	at, _, err := schemaVersion(ctx, tx, schema) // somebody else may have done it meanwhile
	if err != nil {
		return err
	}
	for _, m := range steps[min(at, len(steps)):] {
		if _, err := tx.Conn().PgConn().Exec(ctx, m.sql).ReadAll(); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	return nil
}

// querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// schemaVersion reads how far a schema is; 0 if it is not there.
func schemaVersion(ctx context.Context, db querier, schema string) (at, oldest int, err error) {
	var there bool
	name := quoted(schema) + ".migrations"
	if err := db.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&there); err != nil || !there {
		return 0, 0, err
	}
	err = db.QueryRow(ctx, `SELECT coalesce(max(version), 0), coalesce(max(oldest), 0) FROM `+name).Scan(&at, &oldest)
	return at, oldest, err
}
