// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"bytes"
	"net/http"
	"os"
	"testing"
)

// TestMaxConnsNeedsARestart: a reload with another pool size says that it takes a
// restart, and the ledger goes on; one with the same says nothing.
func TestMaxConnsNeedsARestart(t *testing.T) {
	var dsn string
	w := newWorld(t, "", inDatabase, func(w *world) {
		dsn, w.log = w.database, "file "+w.path("caddy.log")
		w.database = dsn + " {\nmax_conns 8\n}"
	})
	said := func() bool {
		return bytes.Contains(must(os.ReadFile(w.path("caddy.log"))), []byte("max_conns of the ledger changes with a restart only"))
	}
	w.site = "shop_timeout 9s" // else there is nothing to reload
	if w.reload(); said() {
		t.Error("said although it is the same")
	}
	w.database = dsn + " {\nmax_conns 20\n}"
	w.reload()
	until(t, "it is said", said)
	w.buy("MC1", "1.00")
	w.wantNotify(w.notice("MC1", "1.00"), http.StatusOK, "success")
}
