// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// copyStall is how long a client that takes a copy of the ledger may stand still.
// While it does, the file cannot use its freed pages again.
const copyStall = 30 * time.Second

// serveBackup answers with a copy of an account's ledger as it is now. It is for the
// admin endpoint alone: it holds what all accounts of the file have.
func serveBackup(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("a copy is taken with GET")}
	}
	api, _, err := chosen(w, r)
	if api == nil {
		return err
	}
	from, ok := api.Ledger.(ledger.Snapshotter)
	if !ok {
		return caddy.APIError{
			HTTPStatus: http.StatusNotImplemented,
			Err:        errors.New("this ledger is kept in a database; copy it with the database's own means, such as pg_dump"),
		}
	}
	s, err := from.Snapshot()
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("copying the ledger: %w", err)}
	}
	defer s.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(s.Size(), 10))
	w.Header().Set("Cache-Control", "no-store")
	if file, ok := api.Ledger.(interface{ Path() string }); ok {
		w.Header().Set("Alipay-Ledger", file.Path())
	}
	n, err := s.WriteTo(&untilStalled{w, http.NewResponseController(w)})
	log := api.Logger.With(zap.Int64("bytes", n))
	if err != nil {
		log.Warn("a copy of the ledger broke off", zap.Error(err))
		panic(http.ErrAbortHandler) // so that nobody takes a part for the whole
	}
	log.Info("a copy of the ledger was taken")
	return nil
}

// untilStalled writes as long as the client takes something in time.
type untilStalled struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (u *untilStalled) Write(p []byte) (int, error) {
	if err := u.control.SetWriteDeadline(time.Now().Add(copyStall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return u.ResponseWriter.Write(p)
}
