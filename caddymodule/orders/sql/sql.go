// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package sql is a source of orders for shops that shall not change by a line: one
// read-only query against the shop's own database says what an order costs.
//
// The drivers make a binary larger, so the module is built in only when it is
// asked for:
//
//	xcaddy build --with github.com/caddy-alipay/caddy-alipay \
//	    --with github.com/caddy-alipay/caddy-alipay/caddymodule/orders/sql
package sql

import (
	database "database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
)

func init() {
	caddy.RegisterModule(new(SQL))
}

// SQL reads orders from the shop's database. The query gives at most one row, with
// columns named as the fields of alipay.trade.page.pay: out_trade_no, subject and
// total_amount (yuan, as DECIMAL or text) or total_fen (an integer) at least. A
// column paid that is true stops the buyer from paying twice.
type SQL struct {
	// Driver is postgres, mysql (MariaDB too) or sqlite. Required.
	Driver string `json:"driver,omitempty"`

	// DSN says where the database is: postgres://user:password@host/database,
	// user:password@tcp(host:3306)/database, or the path of SQLite's file. Give it
	// a user who may read orders and nothing else. Placeholders such as
	// {env.SHOP_DSN} are resolved when the configuration is loaded. Required.
	DSN string `json:"dsn,omitempty"`

	// Query is one SELECT with the named parameters :out_trade_no and, with User,
	// :user. They are bound by the database and never become part of the text.
	// Required.
	Query string `json:"query,omitempty"`

	// User says who the visitor is: placeholders of the request, such as
	// {http.request.cookie.session}. It has to be something that a visitor cannot
	// make up. Empty for a request means that nobody is logged in, which is
	// answered 401. Default: none, and whoever knows an order's number may pay it.
	User string `json:"user,omitempty"`

	// Timeout bounds one look-up, waiting for a connection included: 100ms to 30s.
	// Default: 3s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// Connections bounds the connections to the database: 1 to 100. Default: 8.
	Connections int `json:"connections,omitempty"`

	dialect dialect
	query   query
	db      *database.DB
	logger  *zap.Logger
}

// CaddyModule returns the module's information.
func (*SQL) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "alipay.orders.sql", New: func() caddy.Module { return new(SQL) }}
}

// Provision reads the query and opens the pool. A database that is away does not
// stop a server: /pay answers 503 until it is back.
func (s *SQL) Provision(ctx caddy.Context) error {
	s.logger = ctx.Logger().WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(c, time.Minute, 30, 1000) // anybody can cause a look-up
	}))
	if err := s.prepare(); err != nil {
		return fmt.Errorf("orders sql: %w", err)
	}
	if err := s.try(ctx); err != nil {
		s.logger.Error("the query for orders cannot be prepared; /pay fails until it can", zap.Error(err))
	}
	return nil
}

func (s *SQL) prepare() error {
	if s.Timeout == 0 {
		s.Timeout = caddy.Duration(3 * time.Second)
	}
	if s.Connections == 0 {
		s.Connections = 8
	}
	var ok bool
	if s.dialect, ok = dialects[s.Driver]; !ok {
		return fmt.Errorf("driver %q is unknown; the words are postgres, mysql and sqlite", s.Driver)
	}
	dsn, err := caddy.NewReplacer().ReplaceOrErr(s.DSN, true, true)
	switch {
	case err != nil:
		return fmt.Errorf("dsn: %w; set the variable, or write the value itself", err)
	case dsn == "":
		return errors.New("dsn is missing; it says where the shop's database is, such as {env.SHOP_DSN}")
	case time.Duration(s.Timeout) < 100*time.Millisecond || time.Duration(s.Timeout) > 30*time.Second:
		return fmt.Errorf("timeout %s is outside 100ms to 30s", time.Duration(s.Timeout))
	case s.Connections < 1 || s.Connections > 100:
		return fmt.Errorf("connections %d is outside 1 to 100", s.Connections)
	}
	if s.query, err = parseQuery(s.Query, s.dialect); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if uses := s.query.uses("user"); uses != (s.User != "") {
		return errors.New("the query's :user and the option user go together: who the visitor is, such as {http.request.cookie.session}")
	}
	connector, err := s.dialect.connector(dsn)
	if err != nil {
		return fmt.Errorf("dsn: %w", err)
	}
	s.db = database.OpenDB(connector)
	s.db.SetMaxOpenConns(s.Connections)
	s.db.SetMaxIdleConns(min(s.Connections, 4))
	s.db.SetConnMaxIdleTime(5 * time.Minute)
	s.db.SetConnMaxLifetime(30 * time.Minute)
	return nil
}

// Cleanup closes the pool once look-ups under way have ended: a reload does not
// wait for requests.
func (s *SQL) Cleanup() error {
	if db := s.db; db != nil {
		time.AfterFunc(2*time.Duration(s.Timeout), func() { _ = db.Close() })
	}
	return nil
}

// UnmarshalCaddyfile reads
//
//	orders sql {
//	    driver      postgres|mysql|sqlite
//	    dsn         <dsn>
//	    query       <select>
//	    user        <placeholders>
//	    timeout     <duration>
//	    connections <number>
//	}
func (s *SQL) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the source's name
	if d.NextArg() {
		return d.ArgErr()
	}
	given := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if given[option] {
			return d.Errf("%s is given twice", option)
		}
		given[option] = true
		var value string
		if !d.AllArgs(&value) || value == "" {
			return d.ArgErr()
		}
		if err := s.set(d, option, value); err != nil {
			return err
		}
	}
	return nil
}

func (s *SQL) set(d *caddyfile.Dispenser, option, value string) error {
	switch option {
	case "driver":
		s.Driver = value
	case "dsn":
		s.DSN = value
	case "query":
		s.Query = value
	case "user":
		s.User = value
	case "timeout":
		v, err := caddy.ParseDuration(value)
		if err != nil || v <= 0 {
			return d.Errf("timeout %q is not a duration such as 3s", value)
		}
		s.Timeout = caddy.Duration(v)
	case "connections":
		var err error
		if s.Connections, err = strconv.Atoi(value); err != nil || s.Connections < 1 {
			return d.Errf("connections %q is not a number from 1 to 100", value)
		}
	default:
		return d.Errf("unknown option %q of orders sql", option)
	}
	return nil
}

// Private implements shop.Source: no path exists for the sidecar alone.
func (*SQL) Private(string) bool { return false }

var (
	_ shop.Source           = (*SQL)(nil)
	_ caddy.Provisioner     = (*SQL)(nil)
	_ caddy.CleanerUpper    = (*SQL)(nil)
	_ caddyfile.Unmarshaler = (*SQL)(nil)
)
