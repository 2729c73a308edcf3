// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/merchant"
)

func init() {
	caddy.RegisterModule(new(Admin))
}

// adminPrefix is where the admin endpoint has the merchant API.
const adminPrefix = "/alipay"

// Admin offers the merchant API at Caddy's admin endpoint, under /alipay, to who
// may do anything there anyway: no token is asked for. ?account=<name> chooses the
// account; the one named default, or the only one, needs no choice. GET
// /alipay/accounts lists them, GET /alipay/backup is a copy of the ledger, and POST
// /alipay/assertion/rotate puts the next of the assertion's keys in use.
type Admin struct{}

// CaddyModule returns the module's information.
func (*Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.alipay", New: func() caddy.Module { return new(Admin) }}
}

// Routes implements caddy.AdminRouter.
func (*Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: adminPrefix + "/", Handler: caddy.AdminHandlerFunc(serveAdmin)},
		{Pattern: adminPrefix + "/accounts", Handler: caddy.AdminHandlerFunc(serveAccounts)},
		{Pattern: adminPrefix + "/backup", Handler: caddy.AdminHandlerFunc(serveBackup)},
		{Pattern: adminPrefix + "/assertion/rotate", Handler: caddy.AdminHandlerFunc(serveRotate)},
	}
}

// live are the accounts of the running configuration. Caddy makes its admin
// routers before its apps, and never cleans them up.
var live registry

// served is an account as the admin endpoint has it.
type served struct {
	*merchant.API
	account *Account
}

// registry finds an account by its name; the newest configuration's is last.
type registry struct {
	mu       sync.Mutex
	accounts map[string][]*served
}

// add makes an account the one that is found, until the function that it returns is
// called.
func (r *registry) add(name string, s *served) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.accounts == nil {
		r.accounts = make(map[string][]*served)
	}
	r.accounts[name] = append(r.accounts[name], s)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.accounts[name] = slices.DeleteFunc(slices.Clone(r.accounts[name]), func(have *served) bool { return have == s })
		if len(r.accounts[name]) == 0 {
			delete(r.accounts, name)
		}
	}
}

// newest are the accounts by name.
func (r *registry) newest() map[string]*served {
	r.mu.Lock()
	defer r.mu.Unlock()
	newest := make(map[string]*served, len(r.accounts))
	for name, list := range r.accounts {
		newest[name] = list[len(list)-1]
	}
	return newest
}

// serveAdmin passes a request on to its account's API.
func serveAdmin(w http.ResponseWriter, r *http.Request) error {
	s, rest, err := chosen(w, r)
	if s == nil {
		return err
	}
	r = r.Clone(r.Context())
	r.URL.RawQuery = rest
	http.StripPrefix(adminPrefix, s).ServeHTTP(w, r)
	return nil
}

// chosen is the account that a request is about, and the rest of its query. Without
// one it is nil, and the request is answered, or err is its answer.
func chosen(w http.ResponseWriter, r *http.Request) (s *served, rest string, err error) {
	accounts := live.newest()
	name, rest, err := takeAccount(r.URL)
	if err != nil {
		return nil, "", caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	if s = choose(accounts, name); s == nil {
		merchant.NoAccount(w, slices.Sorted(maps.Keys(accounts)))
	}
	return s, rest, nil
}

// choose finds the account with the given name, or the one that needs none.
func choose(accounts map[string]*served, name string) *served {
	if name == "" && len(accounts) == 1 {
		for _, only := range accounts {
			return only
		}
	}
	return accounts[cmp.Or(name, defaultAccount)]
}

// takeAccount takes the account's name out of a URL's query.
func takeAccount(u *url.URL) (name, rest string, err error) {
	v, err := url.ParseQuery(u.RawQuery)
	if err != nil || !v.Has("account") {
		return "", u.RawQuery, err
	}
	name = v.Get("account")
	v.Del("account")
	return name, v.Encode(), nil
}

func serveAccounts(w http.ResponseWriter, r *http.Request) error {
	apis := make(map[string]*merchant.API)
	for name, s := range live.newest() {
		apis[name] = s.API
	}
	merchant.ListAccounts(w, r, apis)
	return nil
}

// api is the account's merchant API.
func (a *Account) api(logger *zap.Logger) *merchant.API {
	return &merchant.API{Keys: a.JWKS, Gateway: a.gateway, Ledger: a.ledger, Courier: a.courier, Logger: logger}
}

var _ caddy.AdminRouter = (*Admin)(nil)
