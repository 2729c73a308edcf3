// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package postgrestest runs real PostgreSQL servers for tests: each in a folder
// of its own, on a loopback port, as an unprivileged user, until its test is over.
package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
)

// User and Password are those of the servers' superuser.
const (
	User     = "alipay"
	Password = "open-sesame-1688"
)

// ErrMissing: PostgreSQL is not installed.
var ErrMissing = errors.New("postgres and initdb are neither in PATH nor in /usr/lib/postgresql/*/bin; install Debian's postgresql")

// Server is one running server.
type Server struct {
	Dir  string // its folder; the data are in data
	Port int

	options []string
	process *os.Process
	ended   chan struct{}
	made    atomic.Int64 // databases
}

// binaries is the folder that the environment variable POSTGRES_BIN names, or else
// that of the newest PostgreSQL.
func binaries() (string, error) {
	if dir := os.Getenv("POSTGRES_BIN"); dir != "" {
		return dir, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	return "", ErrMissing
}

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// Main runs a package's tests with one server that they share. Without PostgreSQL
// they are skipped, but fail where CI is true.
func Main(m *testing.M, server **Server) {
	os.Exit(func() int {
		s, err := New()
		if errors.Is(err, ErrMissing) && os.Getenv("CI") != "true" {
			fmt.Fprintln(os.Stderr, "skipped:", err)
			return 0
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer s.Remove()
		*server = s
		return m.Run()
	}())
}

// Start is a server of a test's own.
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	s, err := New(options...)
	if errors.Is(err, ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Remove)
	return s
}

// New makes a server and starts it. Options are settings, name=value, or begin
// with -- and are initdb's. Remove it in the end.
func New(options ...string) (*Server, error) {
	var settings []string
	initdb := []string{"-U", User, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"}
	for _, o := range options {
		if strings.HasPrefix(o, "--") {
			initdb = append(initdb, o)
		} else {
			settings = append(settings, o)
		}
	}
	s, err := newFolder(settings)
	if err != nil {
		return nil, err
	}
	password := filepath.Join(s.Dir, "password")
	if err = os.WriteFile(password, []byte(Password), 0o600); err == nil {
		if err = s.chown(password); err == nil {
			err = s.Tool("initdb", append(initdb, "-D", s.data(), "--pwfile", password)...)
		}
	}
	if err == nil {
		err = s.Run()
	}
	if err != nil {
		s.Remove()
		return nil, err
	}
	return s, nil
}

func newFolder(options []string) (*Server, error) {
	dir, err := os.MkdirTemp("", "alipay-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: dir, options: options}
	if err := s.chown(dir); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	s.Port, err = loopback.Port()
	return s, err
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

// Tool runs one of PostgreSQL's programs to its end.
func (s *Server) Tool(name string, args ...string) error {
	bin, err := binaries()
	if err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGPASSWORD="+Password)
	attributes, err := unprivileged()
	if err != nil {
		return err
	}
	cmd.SysProcAttr = attributes
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

// Run starts a server that has been stopped, and returns when it can be used.
func (s *Server) Run() error {
	bin, err := binaries()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"-D", s.data(), "-c", "listen_addresses=127.0.0.1", "-c", "port=" + strconv.Itoa(s.Port),
		"-c", "unix_socket_directories=" + s.Dir, "-c", "max_connections=400", "-c", "shared_buffers=64MB",
		"-c", "log_min_messages=warning", "-c", "logging_collector=off"}
	for _, o := range s.options {
		args = append(args, "-c", o)
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, log, log
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if cmd.SysProcAttr, err = unprivileged(); err != nil {
		return err
	}
	ended := make(chan struct{})
	if err := startBound(cmd, ended); err != nil {
		return err
	}
	s.process, s.ended = cmd.Process, ended
	return s.await()
}

// await returns when the server answers.
func (s *Server) await() error {
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		select {
		case <-s.ended:
			return fmt.Errorf("the server has ended:\n%s", s.Log())
		case <-time.After(20 * time.Millisecond):
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		var conn *pgx.Conn
		if conn, err = pgx.Connect(ctx, s.DSN("postgres")); err == nil {
			err = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("the server does not answer: %w\n%s", err, s.Log())
}

// Log is the end of what the server has written.
func (s *Server) Log() string {
	b, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
	return string(b[max(0, len(b)-4000):])
}

// DSN names a database of the server, for its superuser.
func (s *Server) DSN(database string) string { return DSN(database, s) }

// DSN names a database of several servers, of which the one is used that takes
// writes.
func DSN(database string, servers ...*Server) string {
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, "127.0.0.1:"+strconv.Itoa(s.Port))
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(User, Password), Host: strings.Join(hosts, ","), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	if len(servers) > 1 {
		u.RawQuery += "&target_session_attrs=read-write"
	}
	return u.String()
}

// Exec runs statements in a database.
func (s *Server) Exec(t testing.TB, database string, statements ...string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// Value reads one value from a database.
func (s *Server) Value(t testing.TB, database, sql string, into any, args ...any) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := conn.QueryRow(ctx, sql, args...).Scan(into); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Database makes an empty database and returns its name.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "test" + strconv.FormatInt(s.made.Add(1), 10)
	s.Exec(t, "postgres", "CREATE DATABASE "+name)
	return name
}

// Cut ends all connections to a database.
func (s *Server) Cut(t testing.TB, database string) {
	t.Helper()
	s.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+database+"'")
}

// Kill ends the server as a crash of its machine does: the postmaster first, so
// that nothing is tidied up, then its processes.
func (s *Server) Kill() error {
	children := descendants(s.process.Pid)
	err := s.process.Kill()
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.ended
	return err
}

// Stop ends the server in order.
func (s *Server) Stop() error {
	err := s.process.Signal(syscall.SIGINT)
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("the server does not stop"), s.Kill())
	}
	return err
}

// Remove stops the server if it runs and clears its folder away.
func (s *Server) Remove() {
	if s.process != nil {
		select {
		case <-s.ended:
		default:
			_ = s.process.Signal(syscall.SIGQUIT)
			<-s.ended
		}
	}
	os.RemoveAll(s.Dir)
}
