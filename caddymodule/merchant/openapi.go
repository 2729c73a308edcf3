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

// KeysPath is where the keys of assertions are.
const KeysPath = "/.well-known/jwks.json"

// keysAge is how long a shop may keep the keys. The key that signs next is among
// them, so that this delays nothing but a revocation.
const keysAge = "public, max-age=300"

// serveKeys serves the keys that assertions are signed with, which are public.
func (a *API) serveKeys(w http.ResponseWriter, r *http.Request) {
	if a.Keys == nil {
		a.fail(w, problem(notFound, "this account signs no assertions, so there are no keys"))
		return
	}
	keys, err := a.Keys(r.Context())
	if err != nil {
		a.fail(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", keysAge)
	_, _ = w.Write(keys) // the client may be gone
}
