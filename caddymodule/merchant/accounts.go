// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Unauthorized answers a request that came without a valid token.
func (*API) Unauthorized(w http.ResponseWriter, r *http.Request) {
	challenge := `Bearer realm="caddy-alipay"`
	detail := "send one of the configured tokens as Authorization: Bearer …"
	if r.Header.Get("Authorization") != "" {
		challenge += `, error="invalid_token"`
		detail = "the token is none of those that are configured"
	}
	w.Header().Set("WWW-Authenticate", challenge)
	refuse(w, problem(unauthorized, detail))
}

// NoAccount answers a request for an account that is not among those there are.
func NoAccount(w http.ResponseWriter, names []string) {
	detail := "Caddy runs without the alipay app"
	if len(names) > 0 {
		detail = "name an account with ?account=, one of: " + strings.Join(names, ", ")
	}
	refuse(w, problem(noAccount, detail))
}

// Account is one of the accounts that a Caddy has.
type Account struct {
	Name    string `json:"name"`
	AppID   string `json:"app_id"`
	Gateway string `json:"gateway"`
}

// ListAccounts answers with the accounts that there are.
func ListAccounts(w http.ResponseWriter, r *http.Request, apis map[string]*API) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		p := problem(methodNotAllowed, "the path takes GET and HEAD only")
		p.allow = "GET, HEAD"
		refuse(w, p)
		return
	}
	list := struct {
		Accounts []Account `json:"accounts"`
	}{[]Account{}}
	for _, name := range slices.Sorted(maps.Keys(apis)) {
		g := apis[name].Gateway
		list.Accounts = append(list.Accounts, Account{Name: name, AppID: g.AppID(), Gateway: g.URL()})
	}
	write(w, "application/json", http.StatusOK, list)
}
