// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sql

import (
	database "database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// errRow is wrapped by every error that says that the query gives what no order can
// be made of.
var errRow = errors.New("the query's result")

// textColumns are the fields whose value is a text, whatever it looks like. They
// may not come as a type that cannot be read exactly.
var textColumns = map[string]bool{
	"out_trade_no": true, "total_amount": true, "subject": true, "body": true, "time_expire": true,
	"timeout_express": true, "passback_params": true, "seller_id": true,
}

// row is what the query gave, as the members of an offer.
type row struct {
	members map[string]json.RawMessage
	paid    bool
}

func (r *row) number() (number string) {
	if json.Unmarshal(r.members["out_trade_no"], &number) != nil {
		return ""
	}
	return number
}

// readRow reads the only row.
func readRow(rows *database.Rows) (row, error) {
	columns, err := rows.Columns()
	if err != nil {
		return row{}, err
	}
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return row{}, err
		}
		return row{}, database.ErrNoRows
	}
	values := make([]any, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return row{}, err
	}
	r := row{members: make(map[string]json.RawMessage, len(columns))}
	for i, column := range columns {
		if err := r.set(strings.ToLower(column), values[i]); err != nil {
			return r, fmt.Errorf("%w: %w", errRow, err)
		}
	}
	if r.members["out_trade_no"] == nil {
		return r, fmt.Errorf("%w has no column out_trade_no", errRow)
	}
	if rows.Next() {
		return r, fmt.Errorf("%w has more than one row", errRow)
	}
	return r, rows.Err()
}

// set takes one column in.
func (r *row) set(column string, value any) error {
	if _, twice := r.members[column]; twice {
		return fmt.Errorf("the column %s comes twice", column)
	}
	var err error
	switch column {
	case "paid":
		r.paid, err = truth(value)
		return err
	case "total_fen":
		column = "total_amount"
		if r.members[column] != nil {
			return errors.New("total_amount and total_fen exclude each other")
		}
		value, err = fen(value)
	case "total_amount":
		value, err = yuan(value)
	}
	if err != nil || value == nil {
		return err
	}
	r.members[column], err = member(column, value)
	if r.members[column] == nil {
		delete(r.members, column)
	}
	return err
}

// member is a value as JSON; nil for one that no field of Alipay's could be.
func member(column string, value any) (json.RawMessage, error) {
	switch v := value.(type) {
	case []byte:
		return member(column, string(v))
	case string:
		if c := strings.TrimSpace(v); !textColumns[column] && c != "" && (c[0] == '{' || c[0] == '[') && json.Valid([]byte(c)) {
			return json.RawMessage(c), nil
		}
		if column == "out_trade_no" {
			v = strings.TrimRight(v, " ") // CHAR(n) pads
		}
		return json.Marshal(v)
	case int64:
		if textColumns[column] {
			return json.Marshal(strconv.FormatInt(v, 10))
		}
		return json.Marshal(v)
	case time.Time:
		if textColumns[column] {
			return nil, fmt.Errorf(`%s is a time; give it as text in Alipay's zone, "2006-01-02 15:04:05" (to_char, DATE_FORMAT, strftime)`, column)
		}
	default:
		if textColumns[column] {
			return nil, fmt.Errorf("%s is of the type %T; cast it to text", column, value)
		}
	}
	return nil, nil
}

// yuan takes what states an amount exactly: DECIMAL or text.
func yuan(value any) (any, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case []byte:
		return exact(string(v)), nil
	case string:
		return exact(v), nil
	case int64:
		return nil, errors.New("total_amount is an integer, which may be yuan or fen: give total_fen, or cast it to DECIMAL")
	}
	return nil, fmt.Errorf("total_amount is of the type %T, which rounds: give DECIMAL or text, such as printf('%%.2f', amount) in SQLite", value)
}

// exact drops zeros behind the second decimal, which DECIMAL(12,4) has.
func exact(amount string) string {
	amount = strings.TrimSpace(amount)
	if dot := strings.IndexByte(amount, '.'); dot >= 0 {
		for len(amount) > dot+3 && amount[len(amount)-1] == '0' {
			amount = amount[:len(amount)-1]
		}
	}
	return amount
}

func fen(value any) (any, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case int64:
		return trade.Amount(v).String(), nil
	case []byte:
		return fen(string(v))
	case string: // NUMERIC without decimals
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return fen(n)
		}
	}
	return nil, errors.New("total_fen is no integer")
}

// truth reads the column paid.
func truth(value any) (bool, error) {
	switch v := value.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	case []byte:
		if len(v) == 1 && v[0] < 2 { // BIT(1)
			return v[0] == 1, nil
		}
		return truth(string(v))
	case string:
		if b, err := strconv.ParseBool(strings.TrimSpace(v)); err == nil {
			return b, nil
		}
	}
	return false, errors.New("paid is neither true or false nor a number")
}
