// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"context"
	database "database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
)

// server is a database of a shop.
type server struct {
	driver, dsn string
	db          *database.DB // may write
	busy        string       // the query whose result is how many statements run
}

// servers are real ones: PostgreSQL, MariaDB and a file of SQLite. All of them
// hold the same shop.
func servers(t *testing.T) map[string]*server {
	t.Helper()
	all := map[string]*server{"postgres": startPostgres(t), "mariadb": startMariaDB(t), "sqlite": makeSQLite(t)}
	for name, s := range all {
		t.Cleanup(func() { _ = s.db.Close() })
		decimal := "DECIMAL(12,4)"
		if name == "sqlite" {
			decimal = "TEXT" // it has no decimals
		}
		s.exec(t, "CREATE TABLE orders (no VARCHAR(64) PRIMARY KEY, buyer VARCHAR(64), amount "+decimal+
			", cents BIGINT, weight DOUBLE PRECISION, title VARCHAR(256), done SMALLINT)",
			"CREATE TABLE numbered (id BIGINT PRIMARY KEY, amount "+decimal+", title VARCHAR(256))",
			"INSERT INTO orders VALUES ('A1', 'li', '88.8800', 8888, 0.1, '茶 tea', 0), ('A2', 'li', '1.0000', 100, 0.1, 'paid tea', 1),"+
				" ('A3', 'wang', '2.0000', 200, 0.1, 'her tea', NULL), ('A4', 'li', '1.2345', 123, 0.1, 'thin tea', 0)",
			"INSERT INTO orders (no, buyer) VALUES ('A5', 'li')",
			"INSERT INTO numbered VALUES (12, '5.00', 'twelve')")
	}
	return all
}

func (s *server) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, text := range statements {
		if _, err := s.db.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

func (s *server) count(t *testing.T, query string) (n int) {
	t.Helper()
	if err := s.db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func startPostgres(t *testing.T) *server {
	t.Helper()
	p := postgrestest.Start(t, "max_connections=40", "fsync=off")
	s := &server{driver: "postgres", dsn: p.DSN("postgres"),
		busy: "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep%'"}
	s.open(t, "pgx")
	return s
}

func (s *server) open(t *testing.T, driver string) {
	t.Helper()
	var err error
	if s.db, err = database.Open(driver, s.dsn); err != nil {
		t.Fatal(err)
	}
}

func makeSQLite(t *testing.T) *server {
	t.Helper()
	s := &server{driver: "sqlite", dsn: filepath.Join(t.TempDir(), "shop 茶?.db")}
	var err error
	if s.db, err = database.Open("sqlite", "file:"+strings.NewReplacer("?", "%3f", " ", "%20").Replace(s.dsn)); err != nil {
		t.Fatal(err)
	}
	return s
}

// startMariaDB runs a server in a folder of its own, on a socket, until the test
// is over.
func startMariaDB(t *testing.T) *server {
	t.Helper()
	if _, err := exec.LookPath("mariadbd"); err != nil && os.Getenv("CI") == "" {
		t.Skip("MariaDB is not installed (apt-get install mariadb-server)")
	}
	dir, err := os.MkdirTemp("", "alipay-mariadb-") // sockets have short paths
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	user := "--skip-symbolic-links"
	if os.Geteuid() == 0 {
		user = "--user=root"
	}
	install := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+dir+"/data", "--auth-root-authentication-method=normal",
		"--skip-test-db", user)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	socket := filepath.Join(dir, "socket")
	var log strings.Builder
	run := exec.Command("mariadbd", "--no-defaults", "--datadir="+dir+"/data", "--socket="+socket, "--pid-file="+dir+"/pid",
		"--skip-networking", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M", user)
	run.Stdout, run.Stderr = &log, &log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait()
	})
	s := &server{driver: "mysql", dsn: "root@unix(" + socket + ")/shop", busy: "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(%' AND info NOT LIKE '%processlist%'"}
	s.open(t, "mysql")
	s.create(t, socket)
	return s
}

// create makes the database shop as soon as the server answers.
func (s *server) create(t *testing.T, socket string) {
	t.Helper()
	root, err := database.Open("mysql", "root@unix("+socket+")/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err = root.ExecContext(context.Background(), "CREATE DATABASE shop CHARACTER SET utf8mb4"); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Errorf("MariaDB does not answer: %w", err))
		}
	}
}
