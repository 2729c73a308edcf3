// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgrestest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby starts a second server that follows s by streaming replication, and has
// every commit of s wait until it is on both their disks.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	standby, err := newFolder(s.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standby.Remove)
	source := fmt.Sprintf("host=127.0.0.1 port=%d user=%s application_name=standby", s.Port, User)
	if err := standby.Tool("pg_basebackup", "-D", standby.data(), "-R", "-X", "stream", "-c", "fast", "-d", source); err != nil {
		t.Fatal(err)
	}
	if err := standby.Run(); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()")
	for deadline := time.Now().Add(30 * time.Second); ; {
		var state string
		s.Value(t, "postgres", "SELECT coalesce(max(sync_state), '') FROM pg_stat_replication", &state)
		if state == "sync" {
			return standby
		}
		if time.Now().After(deadline) {
			t.Fatalf("the standby does not follow: %q\n%s", state, standby.Log())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// Promote makes a standby the server that takes writes, and returns when it does.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var done bool
	if err := conn.QueryRow(ctx, "SELECT pg_promote()").Scan(&done); err != nil || !done {
		t.Fatalf("the standby cannot be promoted: %v", err)
	}
}
