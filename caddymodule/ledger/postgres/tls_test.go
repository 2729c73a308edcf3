// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
)

// TestTLS: each sslmode connects or refuses as libpq documents it, to a server that
// speaks TLS, and to one that does not. No error holds the password.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := postgrestest.Start(t)
	ours, other := postgrestest.NewAuthority(t, "ours"), postgrestest.NewAuthority(t, "another")
	name := s.Database(t)
	s.Encrypt(t, ours, name)
	root, wrong := "&sslrootcert="+ours.Path, "&sslrootcert="+other.Path
	for _, tt := range []struct {
		mode, root, host string
		connects         bool
	}{
		{"disable", "", "127.0.0.1", false},
		{"allow", "", "127.0.0.1", true},
		{"prefer", "", "127.0.0.1", true},
		{"require", "", "127.0.0.1", true},
		{"require", "", "localhost", true},
		{"require", root, "127.0.0.1", true},
		{"require", root, "localhost", true},
		{"require", wrong, "127.0.0.1", false}, // with a root it is verify-ca
		{"verify-ca", root, "127.0.0.1", true},
		{"verify-ca", root, "localhost", true},
		{"verify-ca", wrong, "127.0.0.1", false},
		{"verify-full", root, "127.0.0.1", true},
		{"verify-full", root, "localhost", false}, // the certificate is for 127.0.0.1
		{"verify-full", wrong, "127.0.0.1", false},
		{"verify-full", "", "127.0.0.1", false}, // no root that is known has made it
	} {
		dsn := fmt.Sprintf("postgres://%s:%s@%s:%d/%s?sslmode=%s%s", postgrestest.User, postgrestest.Password, tt.host, s.Port, name, tt.mode, tt.root)
		encrypted, err := connects(t, dsn)
		if (err == nil) != tt.connects || err == nil && !encrypted {
			t.Errorf("%s, root %q, host %s: encrypted %v, %v", tt.mode, tt.root, tt.host, encrypted, err)
		}
	}
	plain := server.Database(t)
	for mode, want := range map[string]bool{
		"disable": true, "allow": true, "prefer": true, "require": false, "verify-ca" + root: false, "verify-full" + root: false,
	} {
		dsn := strings.Replace(server.DSN(plain), "sslmode=disable", "sslmode="+mode, 1)
		if encrypted, err := connects(t, dsn); (err == nil) != want || encrypted {
			t.Errorf("%s, to a server without TLS: encrypted %v, %v", mode, encrypted, err)
		}
	}
	if _, err := ParseConfig(s.DSN(name) + "&sslrootcert=/no/such/file"); err == nil || strings.Contains(err.Error(), postgrestest.Password) {
		t.Errorf("a root that is not there: %v", err)
	}
}

// connects opens a ledger and reports whether its connections are encrypted.
func connects(t *testing.T, dsn string) (encrypted bool, err error) {
	t.Helper()
	l, err := Open(t.Context(), configOf(t, dsn))
	if err != nil {
		if strings.Contains(err.Error(), postgrestest.Password) {
			t.Errorf("an error holds the password: %v", err)
		}
		return false, err
	}
	err = l.pool.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&encrypted)
	if closing := l.Close(); err == nil {
		err = closing
	}
	return encrypted, err
}
