// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"context"
	database "database/sql"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Texts for buyers, in the two languages of the product.
var (
	errLogin  = errors.New("请先登录再付款。 Please log in first.")
	errNone   = errors.New("没有这个订单。 There is no such order.")
	errPaid   = errors.New("这个订单已经支付，请勿重复付款。 This order is already paid; please do not pay again.")
	errLater  = errors.New("暂时无法付款，请稍后再试。 Paying is not possible right now; please try again in a minute.")
	errNumber = errors.New("out_trade_no is missing or not 1 to 64 letters, digits, underscores or hyphens")
)

// maxUser bounds what says who the visitor is, in bytes.
const maxUser = 1 << 10

// Offer implements shop.Source. It looks up the parameter out_trade_no.
func (s *SQL) Offer(_ http.ResponseWriter, r *http.Request, form url.Values, _ *shop.Shop) (*trade.Offer, error) {
	number := form.Get("out_trade_no")
	if !trade.ValidOutTradeNo(number) {
		return nil, caddyhttp.Error(http.StatusBadRequest, errNumber)
	}
	user := s.visitor(r)
	if s.User != "" && (user == "" || len(user) > maxUser || !utf8.ValidString(user) || strings.ContainsRune(user, 0)) {
		return nil, caddyhttp.Error(http.StatusUnauthorized, errLogin)
	}
	fields, err := s.row(r.Context(), map[string]string{"out_trade_no": number, "user": user})
	if err == nil {
		return s.offer(fields, number)
	}
	if isNoValue(err) || errors.Is(err, database.ErrNoRows) {
		return nil, caddyhttp.Error(http.StatusNotFound, errNone)
	}
	status := http.StatusServiceUnavailable
	if errors.Is(err, errRow) {
		status = http.StatusBadGateway
	}
	s.logger.Error("cannot look an order up in the shop's database", zap.String("out_trade_no", number),
		zap.String("error", without(err.Error(), user)))
	return nil, caddyhttp.Error(status, errLater)
}

// offer makes an offer of a row.
func (s *SQL) offer(fields row, number string) (*trade.Offer, error) {
	if fields.number() != number { // a collation that takes two numbers for one, or a cast
		return nil, caddyhttp.Error(http.StatusNotFound, errNone)
	}
	if fields.paid {
		return nil, caddyhttp.Error(http.StatusConflict, errPaid)
	}
	offer, err := trade.OfferFromFields(fields.members, number)
	if err != nil {
		s.logger.Error("the shop's database holds no payable order", zap.String("out_trade_no", number), zap.Error(err))
		return nil, caddyhttp.Error(http.StatusBadGateway, errLater)
	}
	return &offer, nil
}

// visitor says who sent r; "" if nobody knows.
func (s *SQL) visitor(r *http.Request) string {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok || s.User == "" {
		return ""
	}
	return repl.ReplaceAll(s.User, "")
}

// without takes a visitor's name, which may be a session, out of a text.
func without(text, user string) string {
	if user == "" {
		return text
	}
	return strings.ReplaceAll(text, user, "[user]")
}

// row runs the query in a transaction that can only read, within the time-out.
func (s *SQL) row(ctx context.Context, parameters map[string]string) (row, error) {
	timeout := time.Duration(s.Timeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tx, err := s.db.BeginTx(ctx, &database.TxOptions{ReadOnly: true})
	if err != nil {
		return row{}, err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if err := s.dialect.limit(ctx, tx, timeout); err != nil {
		return row{}, err
	}
	rows, err := tx.QueryContext(ctx, s.query.text, s.query.values(parameters)...)
	if err != nil {
		return row{}, err
	}
	defer func() { _ = rows.Close() }() // what it would say, Err has said
	return readRow(rows)
}

// try has the database look at the query.
func (s *SQL) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(s.Timeout))
	defer cancel()
	statement, err := s.db.PrepareContext(ctx, s.query.text)
	if err != nil {
		return err
	}
	defer func() { _ = statement.Close() }() // it was looked at
	return nil
}
