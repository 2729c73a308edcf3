// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// serveRotate rotates the keys of an account's assertion; ?revoke=true puts new ones
// in the place of all. It answers with the name of the key that now signs.
func serveRotate(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("keys are rotated with POST")}
	}
	s, rest, err := chosen(w, r)
	if s == nil {
		return err
	}
	revoke, err := readRevoke(rest)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	kid, err := s.account.RotateAssertion(r.Context(), revoke)
	switch {
	case errors.Is(err, ledger.ErrUnavailable):
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
	case err != nil:
		return caddy.APIError{HTTPStatus: http.StatusConflict, Err: err}
	}
	s.Logger.Info("the assertion's keys were rotated by hand", zap.String("kid", kid), zap.Bool("revoked", revoke))
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]string{"kid": kid})
}

func readRevoke(query string) (bool, error) {
	v, err := url.ParseQuery(query)
	if err != nil || len(v) == 0 {
		return false, err
	}
	if len(v) > 1 || len(v["revoke"]) != 1 || v.Get("revoke") != "true" {
		return false, errors.New("besides account there is only revoke=true")
	}
	return true, nil
}
