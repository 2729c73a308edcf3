// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgrestest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
)

// Pooler starts PgBouncer in transaction mode before the server and returns its
// address. A test without it is skipped, but fails where CI is true.
func (s *Server) Pooler(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("pgbouncer is missing; install Debian's pgbouncer")
			}
			t.Skip("pgbouncer is missing; install Debian's pgbouncer")
		}
	}
	port, err := loopback.Port()
	if err != nil {
		t.Fatal(err)
	}
	config, users := filepath.Join(s.Dir, "pgbouncer.ini"), filepath.Join(s.Dir, "users.txt")
	write(t, s, users, fmt.Sprintf("%q %q\n", User, Password))
	write(t, s, config, fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
auth_type = plain
auth_file = %s
pool_mode = transaction
default_pool_size = 3
max_client_conn = 1000
server_reset_query =
unix_socket_dir =
`, s.Port, port, users))
	cmd := exec.Command(program, "-q", config)
	cmd.Dir = s.Dir
	if cmd.SysProcAttr, err = unprivileged(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	if err := startBound(cmd, ended); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatalf("pgbouncer does not listen: %v", err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func write(t testing.TB, s *Server, path, text string) {
	t.Helper()
	err := os.WriteFile(path, []byte(text), 0o600)
	if err == nil {
		err = s.chown(path)
	}
	if err != nil {
		t.Fatal(err)
	}
}
