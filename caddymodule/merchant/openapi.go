// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	_ "embed"
	"net/http"
)

// OpenAPI describes the API (OpenAPI 3.1). A test holds it against the real
// answers.
//
//go:embed openapi.json
var OpenAPI []byte

func (*API) serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(OpenAPI) // the client may be gone
}

// serveKeys serves the keys that assertions are signed with, which are public.
func (a *API) serveKeys(w http.ResponseWriter, r *http.Request) {
	if a.Keys == nil {
		a.fail(w, problem(notFound, "this account signs no assertions, so there are no keys"))
		return
	}
	a.Keys.ServeHTTP(w, r)
}
