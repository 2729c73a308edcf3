// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"os"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
)

// asCaddy makes this test binary, started again, a Caddy with the module: the
// very program that cmd/caddy-alipay is.
const asCaddy = "TEST_AS_CADDY"

// databases is the server of the tests over a PostgreSQL ledger.
var databases postgrestest.Lazy

func TestMain(m *testing.M) {
	if os.Getenv(asCaddy) != "" {
		caddycmd.Main()
		return
	}
	code := m.Run()
	databases.Remove()
	os.Exit(code)
}
