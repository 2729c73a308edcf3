// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

var errClosed = errors.New("it has been closed")

// uniqueTradeNo is the constraint that no two orders have one trade number.
const uniqueTradeNo = "orders_trade_no"

// SQLSTATE codes that are told apart.
const (
	codeUnique           = "23505"
	codeCheck            = "23514" // also: there is no part for this row
	codeReadOnly         = "25006"
	codeSerialization    = "40001"
	codeDeadlock         = "40P01"
	codeLockNotAvailable = "55P03"
)

// sqlState is the server's code of an error, "" if it is not the server's.
func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// constraint is the name of the one that an error speaks of.
func constraint(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.ConstraintName
	}
	return ""
}

// lost reports whether an error says that the connection is gone, or goes. What
// was under way may have come about.
func lost(err error) bool {
	code := sqlState(err)
	return code == "" || strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P0")
}

// again reports whether the same transaction may succeed if it is begun anew at
// once: another one was in its way, or its connection broke.
func again(err error) bool {
	return slices.Contains([]string{codeSerialization, codeDeadlock, codeUnique, codeCheck}, sqlState(err)) || lost(err)
}

// unavailable marks an error of the database as what it means to the caller.
// Texts of the server's errors name tables and constraints, and hold no values.
func unavailable(doing string, err error) error {
	return fmt.Errorf("%w: %s: %w", ledger.ErrUnavailable, doing, err)
}

// leaving is the error of a caller whose context has ended.
func leaving(ctx context.Context) error {
	return fmt.Errorf("waiting for the ledger: %w", ctx.Err())
}

// failed is unavailable, unless the caller has left. The time-out of one call is
// the ledger's own, so it is not the caller's leaving.
func failed(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return leaving(ctx)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %s: the database has not answered in time", ledger.ErrUnavailable, doing)
	}
	return unavailable(doing, err)
}

// isRefused reports whether a constraint has refused what one of a transaction's
// calls asked for.
func isRefused(err error) bool {
	code := sqlState(err)
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23")
}

// isReadOnly reports whether the database may still be read: it takes no writes,
// or lacks the room for them.
func isReadOnly(err error) bool {
	code := sqlState(err)
	return code == codeReadOnly || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "58")
}
