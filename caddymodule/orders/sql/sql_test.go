// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const plainQuery = "SELECT no AS out_trade_no, amount AS total_amount, title AS subject, done AS paid FROM orders WHERE no = :out_trade_no AND buyer = :user"

// source is a source of orders, with its log.
func (s *server) source(t *testing.T, set SQL) (*SQL, *observer.ObservedLogs) {
	t.Helper()
	set.Driver, set.DSN = s.driver, s.dsn
	if err := set.prepare(); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	set.logger = zap.New(core)
	t.Cleanup(func() { _ = set.db.Close() })
	return &set, logs
}

// offer asks a source for an order, as a visitor whom a header names.
func offer(s *SQL, number, user string) (*trade.Offer, error) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/pay", nil)
	if user != "" {
		r.Header.Set("X-Buyer", user)
	}
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), &caddyhttp.Server{})
	return s.Offer(nil, r, url.Values{"out_trade_no": {number}}, nil)
}

func status(err error) int {
	if answer, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		return answer.StatusCode
	}
	return 0
}

// TestDatabases holds one contract against every database.
func TestDatabases(t *testing.T) {
	for name, server := range servers(t) {
		t.Run(name, func(t *testing.T) {
			t.Run("answers", func(t *testing.T) { answers(t, server) })
			t.Run("results", func(t *testing.T) { results(t, server, name) })
			t.Run("time-out", func(t *testing.T) { timeOut(t, server) })
			t.Run("read only", func(t *testing.T) { readOnly(t, server) })
			t.Run("many at once", func(t *testing.T) { manyAtOnce(t, server) })
			t.Run("the page's query", func(t *testing.T) { pageQuery(t, server) })
		})
	}
}

func answers(t *testing.T, server *server) {
	s, logs := server.source(t, SQL{Query: plainQuery, User: "{http.request.header.X-Buyer}"})
	for name, c := range map[string]struct {
		number, user string
		status       int
	}{
		"another's":                {"A3", "li", 404},
		"unknown":                  {"A9", "li", 404},
		"in other letters":         {"a1", "li", 404},
		"paid":                     {"A2", "li", 409},
		"no number":                {"", "li", 400},
		"no number at all":         {"A1' OR '1'='1", "li", 400},
		"nobody":                   {"A1", "", 401},
		"a zero byte":              {"A1", "li\x00", 401},
		"a name of many bytes":     {"A1", strings.Repeat("l", maxUser+1), 401},
		"no UTF-8":                 {"A1", "li\xff", 401},
		"an injection":             {"A1", "li' OR '1'='1", 404},
		"an injection, backslash":  {"A1", `li\' OR 1=1 -- `, 404},
		"an injection, unions":     {"A1", "x' UNION SELECT 'A1', '0.01', 'x', 0 -- ", 404},
		"an injection, statements": {"A1", "x'; DROP TABLE orders; --", 404},
		"a mark":                   {"A1", "$1 ? :user", 404},
		"three decimals":           {"A4", "li", 502},
		"nothing but a number":     {"A5", "li", 502},
	} {
		got, err := offer(s, c.number, c.user)
		if got != nil || status(err) != c.status {
			t.Errorf("%s: %+v, %v, want %d", name, got, err, c.status)
		}
	}
	if got, err := offer(s, "A1", "li"); err != nil || got.OutTradeNo != "A1" || got.Total != 8888 || got.Subject != "茶 tea" {
		t.Errorf("an order of his own: %+v, %v", got, err)
	}
	for _, entry := range logs.All() {
		if n := entry.ContextMap()["out_trade_no"]; n != "A4" && n != "A5" {
			t.Errorf("logged %v", entry.ContextMap())
		}
	}
}

// pageQuery runs the query that docs/orders.md shows.
func pageQuery(t *testing.T, server *server) {
	page, err := os.ReadFile("../../../docs/orders.md")
	if err != nil {
		t.Fatal(err)
	}
	query := regexp.MustCompile(`query "(.*)"`).FindSubmatch(page)
	if query == nil {
		t.Fatal("docs/orders.md shows no query")
	}
	server.exec(t, "DROP TABLE orders", "CREATE TABLE orders (no VARCHAR(64), user_id INT, amount VARCHAR(20), title VARCHAR(256), status VARCHAR(20))",
		"CREATE TABLE sessions (token VARCHAR(64), user_id INT)",
		"INSERT INTO orders VALUES ('A1', 1, '88.88', 'tea', 'new'), ('A2', 1, '1.00', 'tea', 'paid'), ('A3', 2, '1.00', 'tea', NULL)",
		"INSERT INTO sessions VALUES ('s-1', 1), ('s-2', 2)")
	s, logs := server.source(t, SQL{Query: string(query[1]), User: "{http.request.header.X-Buyer}"})
	for _, c := range []struct {
		number, user string
		status       int
	}{{"A1", "s-1", 0}, {"A2", "s-1", 409}, {"A3", "s-2", 0}, {"A1", "s-2", 404}, {"A1", "s-3", 404}} {
		if _, err := offer(s, c.number, c.user); status(err) != c.status || c.status == 0 && err != nil {
			t.Errorf("%s of %s: %v; %v", c.number, c.user, err, logs.All())
		}
	}
}

func results(t *testing.T, server *server, name string) {
	const from = " FROM orders WHERE no = :out_trade_no"
	number := "SELECT id AS out_trade_no, amount AS total_amount, title AS subject FROM numbered WHERE id = :out_trade_no"
	for what, c := range map[string]struct {
		query, number string
		status        int
		want          trade.Amount
	}{
		"fen":                  {"SELECT no AS out_trade_no, cents AS total_fen, title AS subject" + from, "A1", 0, 8888},
		"other columns":        {"SELECT orders.*, no AS out_trade_no, amount AS total_amount, title AS subject, '{\"a\": 1}' AS extend_params, '[' AS store_id" + from, "A1", 0, 8888},
		"a number":             {number, "12", 0, 500},
		"a number, zeros":      {number, "0012", 404, 0},
		"a number, letters":    {number, "12a", 404, 0},
		"a number, too large":  {number, strings.Repeat("9", 40), 404, 0},
		"paid as text":         {"SELECT no AS out_trade_no, cents AS total_fen, title AS subject, 'true' AS paid" + from, "A1", 409, 0},
		"paid as a condition":  {"SELECT no AS out_trade_no, cents AS total_fen, title AS subject, done = 0 AS paid" + from, "A1", 409, 0},
		"paid as a word":       {"SELECT no AS out_trade_no, cents AS total_fen, title AS subject, 'no' AS paid" + from, "A1", 502, 0},
		"a float":              {"SELECT no AS out_trade_no, weight AS total_amount, title AS subject" + from, "A1", 502, 0},
		"an integer":           {"SELECT no AS out_trade_no, cents AS total_amount, title AS subject" + from, "A1", 502, 0},
		"fen as yuan":          {"SELECT no AS out_trade_no, weight AS total_fen, title AS subject" + from, "A1", 502, 0},
		"both amounts":         {"SELECT no AS out_trade_no, amount AS total_amount, cents AS total_fen, title AS subject" + from, "A1", 502, 0},
		"no number":            {"SELECT amount AS total_amount, title AS subject" + from, "A1", 502, 0},
		"no amount":            {"SELECT no AS out_trade_no, title AS subject" + from, "A1", 502, 0},
		"a column twice":       {"SELECT no AS out_trade_no, title AS subject, title AS subject, cents AS total_fen" + from, "A1", 502, 0},
		"several rows":         {"SELECT :out_trade_no AS out_trade_no, cents AS total_fen, title AS subject FROM orders", "A1", 502, 0},
		"no such table":        {"SELECT no AS out_trade_no FROM nowhere WHERE no = :out_trade_no", "A1", 503, 0},
		"marks in quotes":      {"SELECT no AS out_trade_no, ':x ? $2 '':user''' AS subject, /* :y ' */ cents AS total_fen" + from + " -- :z '", "A1", 0, 8888},
		"the number again":     {"SELECT no AS out_trade_no, cents AS total_fen, title AS subject" + from + " AND no = :out_trade_no AND :out_trade_no = no", "A1", 0, 8888},
		"with":                 {"WITH mine AS (SELECT * FROM orders WHERE no = :out_trade_no) SELECT no AS out_trade_no, cents AS total_fen, title AS subject FROM mine", "A1", 0, 8888},
		"capitals in its name": {"SELECT no AS OUT_TRADE_NO, cents AS Total_Fen, title AS Subject" + from, "A1", 0, 8888},
	} {
		if what == "several rows" && name == "postgres" {
			c.query = strings.Replace(c.query, ":out_trade_no AS", "CAST(:out_trade_no AS text) AS", 1)
		}
		s, logs := server.source(t, SQL{Query: c.query})
		got, err := offer(s, c.number, "")
		if status(err) != c.status || c.status == 0 && (err != nil || got.Total != c.want) {
			t.Errorf("%s: %+v, %v, want %d; %v", what, got, err, c.status, logs.All())
		}
		if c.status >= 500 && (logs.Len() != 1 || !errors.Is(err, errLater)) {
			t.Errorf("%s: the buyer reads %v, the operator %v", what, err, logs.All())
		}
		if what == "other columns" && err == nil && (string(got.Others["extend_params"]) != `{"a": 1}` || string(got.Others["store_id"]) != `"["`) {
			t.Errorf("further fields: %s", got.Others)
		}
	}
}

// timeOut: the database itself ends what takes too long, and the buyer does not
// wait for it.
func timeOut(t *testing.T, server *server) {
	query := map[string]string{
		"postgres": "SELECT pg_sleep(60)::text AS subject, :out_trade_no AS out_trade_no",
		"mysql":    "SELECT SLEEP(60) AS subject, :out_trade_no AS out_trade_no",
		"sqlite":   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS subject, :out_trade_no AS out_trade_no FROM n",
	}[server.driver]
	s, logs := server.source(t, SQL{Query: query, Timeout: caddy.Duration(300 * time.Millisecond), Connections: 1})
	for range 2 { // the first must not keep the only connection
		if _, err := offer(s, "A1", ""); status(err) != http.StatusServiceUnavailable && status(err) != http.StatusBadGateway {
			t.Errorf("what never ends: %v; %v", err, logs.All())
		}
	}
	if server.busy == "" {
		return
	}
	until(t, "the database has ended the statement", func() bool { return server.count(t, server.busy) == 0 })
}

// readOnly: whatever the query does, it changes nothing.
func readOnly(t *testing.T, server *server) {
	before := server.count(t, "SELECT count(*) FROM orders")
	switch server.driver {
	case "postgres":
		server.exec(t, "CREATE OR REPLACE FUNCTION spoil() RETURNS text LANGUAGE sql AS 'DELETE FROM orders; SELECT ''x'''")
	case "mysql":
		server.exec(t, "CREATE OR REPLACE FUNCTION spoil() RETURNS TEXT MODIFIES SQL DATA BEGIN DELETE FROM orders; RETURN 'x'; END")
	case "sqlite": // it has no such functions: what the connection may do is asked itself
		s, _ := server.source(t, SQL{Query: plainQuery, User: "x"})
		for _, text := range []string{"DELETE FROM orders", "PRAGMA query_only = 0; DELETE FROM orders", "CREATE TABLE x (y)"} {
			if _, err := s.db.ExecContext(t.Context(), text); err == nil {
				t.Errorf("%s was done", text)
			}
		}
	}
	if server.driver != "sqlite" {
		s, logs := server.source(t, SQL{Query: "SELECT spoil() AS subject, no AS out_trade_no, cents AS total_fen FROM orders WHERE no = :out_trade_no"})
		if got, err := offer(s, "A1", ""); status(err) != http.StatusServiceUnavailable || logs.Len() != 1 {
			t.Errorf("a query that deletes: %+v, %v, %v", got, err, logs.All())
		}
	}
	if after := server.count(t, "SELECT count(*) FROM orders"); after != before {
		t.Errorf("%d orders, there were %d", after, before)
	}
}

func manyAtOnce(t *testing.T, server *server) {
	s, _ := server.source(t, SQL{Query: plainQuery, User: "{http.request.header.X-Buyer}", Connections: 2, Timeout: caddy.Duration(30 * time.Second)})
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			number, user := "A1", "li"
			if i%2 > 0 {
				number, user = "A3", "wang"
			}
			if got, err := offer(s, number, user); err != nil || got.OutTradeNo != number {
				t.Errorf("%s: %+v, %v", number, got, err)
			}
			if n := s.db.Stats().OpenConnections; n > 2 {
				t.Errorf("%d connections", n)
			}
		})
	}
	wait.Wait()
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}

// TestDatabaseAway: a server starts without its shop's database, and says so; its
// log holds no password and no session.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	for driver, dsn := range map[string]string{
		"postgres": "postgres://shop:sesame@127.0.0.1:1/shop?connect_timeout=2",
		"mysql":    "shop:sesame@tcp(127.0.0.1:1)/shop",
	} {
		core, logs := observer.New(zapcore.DebugLevel)
		s := &SQL{Driver: driver, DSN: dsn, Query: plainQuery, User: "{http.request.header.X-Buyer}"}
		if err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		s.logger = zap.New(core)
		if err := s.try(t.Context()); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", driver, err)
		}
		_, err := offer(s, "A1", "session-1")
		if status(err) != http.StatusServiceUnavailable || logs.Len() != 1 {
			t.Fatalf("%s: %v, %v", driver, err, logs.All())
		}
		if text := logs.All()[0].ContextMap()["error"].(string); strings.Contains(text, "sesame") || strings.Contains(text, "session-1") || text == "" {
			t.Errorf("%s: logged %q", driver, text)
		}
		if err := s.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

func TestWithout(t *testing.T) {
	t.Parallel()
	if got := without(`invalid input syntax for type uuid: "abc"`, "abc"); got != `invalid input syntax for type uuid: "[user]"` {
		t.Error(got)
	}
	if got := without("abc", ""); got != "abc" {
		t.Error(got)
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	good := SQL{Driver: "postgres", DSN: "postgres://a:sesame@b/c", Query: "SELECT :out_trade_no"}
	for name, c := range map[string]struct {
		change func(*SQL)
		want   string
	}{
		"good":               {func(*SQL) {}, ""},
		"no driver":          {func(s *SQL) { s.Driver = "" }, "the words are postgres, mysql and sqlite"},
		"another driver":     {func(s *SQL) { s.Driver = "oracle" }, "the words are postgres, mysql and sqlite"},
		"no dsn":             {func(s *SQL) { s.DSN = "" }, "dsn is missing"},
		"unset dsn":          {func(s *SQL) { s.DSN = "{env.NO_SUCH_DSN_IS_SET}" }, "set the variable"},
		"broken postgres":    {func(s *SQL) { s.DSN = "postgres://a:sesame@b:port/c" }, "it is not of the form postgres://"},
		"broken mysql":       {func(s *SQL) { s.Driver, s.DSN = "mysql", "a:sesame@b" }, "it is not of the form user:password@tcp"},
		"no sqlite file":     {func(s *SQL) { s.Driver, s.DSN = "sqlite", filepath.Join(t.TempDir(), "none") }, "no such file"},
		"sqlite URI":         {func(s *SQL) { s.Driver, s.DSN = "sqlite", "file:x?mode=rw" }, "it is the path"},
		"no query":           {func(s *SQL) { s.Query = " " }, "query is missing"},
		"user without :user": {func(s *SQL) { s.User = "{http.auth.user.id}" }, "go together"},
		":user without user": {func(s *SQL) { s.Query = "SELECT :out_trade_no, :user" }, "go together"},
		"short timeout":      {func(s *SQL) { s.Timeout = caddy.Duration(time.Millisecond) }, "outside 100ms to 30s"},
		"long timeout":       {func(s *SQL) { s.Timeout = caddy.Duration(time.Minute) }, "outside 100ms to 30s"},
		"many connections":   {func(s *SQL) { s.Connections = 101 }, "outside 1 to 100"},
	} {
		s := good
		c.change(&s)
		err := s.prepare()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: the error holds the password: %v", name, err)
		}
	}
}

func TestCaddyfile(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"sql {\ndriver mysql\ndsn {env.X}\nquery \"SELECT 1\"\nuser {http.auth.user.id}\ntimeout 2s\nconnections 4\n}": true,
		"sql":                             true, // refused when it is provisioned
		"sql x":                           false,
		"sql {\ndriver\n}":                false,
		"sql {\ndriver mysql sqlite\n}":   false,
		"sql {\ndriver \"\"\n}":           false,
		"sql {\ndriver a\ndriver b\n}":    false,
		"sql {\nquery SELECT 1\n}":        false,
		"sql {\ntimeout soon\n}":          false,
		"sql {\ntimeout -1s\n}":           false,
		"sql {\nconnections many\n}":      false,
		"sql {\nconnections 0\n}":         false,
		"sql {\nconnections 4x\n}":        false,
		"sql {\npassword x\n}":            false,
		"sql {\ndriver a {\ndsn b\n}\n}":  false,
		"sql {\ndsn a\nquery \"\"\n}":     false,
		"sql {\ndsn a\nuser {a} {b}\n}":   false,
		"sql {\nconnections 4\nquery\n}":  false,
		"sql {\nquery `SELECT\n1`\n}":     true,
		"sql {\nquery <<SQL\nS\nSQL\n}\n": true,
	} {
		s := new(SQL)
		if err := s.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text)); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	if new(SQL).Private("/pay") {
		t.Error("a path is private")
	}
}
