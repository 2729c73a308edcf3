// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgrestest

import (
	"errors"
	"os"
	"sync"
	"testing"
)

// Lazy is a server for the tests of a package, of which few need one: it is started
// for the first of them. Its zero value is ready to use.
type Lazy struct {
	once   sync.Once
	server *Server
	err    error
}

// Get returns the server. A test without PostgreSQL is skipped, but fails where CI
// is true.
func (l *Lazy) Get(t testing.TB) *Server {
	t.Helper()
	l.once.Do(func() { l.server, l.err = New() })
	if errors.Is(l.err, ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(l.err)
	}
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l.server
}

// Remove ends the server if it was started, when no test needs it any more.
func (l *Lazy) Remove() {
	if l.server != nil {
		l.server.Remove()
	}
}
