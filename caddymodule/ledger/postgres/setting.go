// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// maxSetting bounds a setting's value, in bytes.
const maxSetting = 64 << 10

// Setting implements ledger.Ledger.
func (l *Ledger) Setting(ctx context.Context, name string) ([]byte, error) {
	return row(ctx, l, "reading a setting", pgx.RowTo[[]byte], sqlSetting, column(name))
}

// SetSetting implements ledger.Ledger.
func (l *Ledger) SetSetting(ctx context.Context, name string, was, value []byte) error {
	if len(value) > maxSetting {
		return fmt.Errorf("a setting has at most %d bytes, not %d", maxSetting, len(value))
	}
	if err := l.usable(ctx); err != nil {
		return err
	}
	call, cancel := l.bounded(ctx)
	defer cancel()
	if value == nil {
		value = []byte{}
	}
	constant, args := sqlUpdateSetting, []any{column(name), value, was}
	if was == nil {
		constant, args = sqlInsertSetting, args[:2]
	}
	tag, err := l.pool.Exec(call, l.schema.sql(constant), args...)
	if err != nil {
		return failed(ctx, "writing a setting", err)
	}
	if tag.RowsAffected() == 0 {
		return ledger.ErrChanged
	}
	return nil
}
