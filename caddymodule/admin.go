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
// /alipay/accounts lists them, and GET /alipay/backup is a copy of the ledger.
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
	}
}

// live are the accounts of the running configuration. Caddy makes its admin
// routers before its apps, and never cleans them up.
var live registry

// registry finds an account's API by its name; the newest configuration's is last.
type registry struct {
	mu   sync.Mutex
	apis map[string][]*merchant.API
}

// add makes an API the one that is found, until the function that it returns is
// called.
func (r *registry) add(name string, api *merchant.API) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.apis == nil {
		r.apis = make(map[string][]*merchant.API)
	}
	r.apis[name] = append(r.apis[name], api)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.apis[name] = slices.DeleteFunc(slices.Clone(r.apis[name]), func(have *merchant.API) bool { return have == api })
		if len(r.apis[name]) == 0 {
			delete(r.apis, name)
		}
	}
}

// newest are the APIs by name.
func (r *registry) newest() map[string]*merchant.API {
	r.mu.Lock()
	defer r.mu.Unlock()
	newest := make(map[string]*merchant.API, len(r.apis))
	for name, list := range r.apis {
		newest[name] = list[len(list)-1]
	}
	return newest
}

// serveAdmin passes a request on to its account's API.
func serveAdmin(w http.ResponseWriter, r *http.Request) error {
	apis := live.newest()
	name, rest, err := takeAccount(r.URL)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	api := choose(apis, name)
	if api == nil {
		merchant.NoAccount(w, slices.Sorted(maps.Keys(apis)))
		return nil
	}
	r = r.Clone(r.Context())
	r.URL.RawQuery = rest
	http.StripPrefix(adminPrefix, api).ServeHTTP(w, r)
	return nil
}

// choose finds the API of the account with the given name, or the one that needs
// none.
func choose(apis map[string]*merchant.API, name string) *merchant.API {
	if name == "" && len(apis) == 1 {
		for _, only := range apis {
			return only
		}
	}
	return apis[cmp.Or(name, defaultAccount)]
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
	merchant.ListAccounts(w, r, live.newest())
	return nil
}

// api is the account's merchant API.
func (a *Account) api(logger *zap.Logger) *merchant.API {
	return &merchant.API{Keys: a.JWKS, Gateway: a.gateway, Ledger: a.ledger, Courier: a.courier, Logger: logger}
}

var _ caddy.AdminRouter = (*Admin)(nil)
