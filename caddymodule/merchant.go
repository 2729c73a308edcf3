// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/merchant"
)

func init() {
	caddy.RegisterModule(new(Merchant))
}

// Merchant is the API for the shop's own staff and code: refunds, queries,
// redelivery. It answers every request of its route, at a site's root or under
// handle_path, and belongs at an address that buyers cannot reach. GET
// /openapi.json describes it.
type Merchant struct {
	// Account is the name of the alipay app's account. Default: default.
	Account string `json:"account,omitempty"`

	// Tokens are what a caller may send as Authorization: Bearer …; several while
	// one replaces another. Placeholders such as {env.ALIPAY_MERCHANT_TOKEN} are
	// resolved when the configuration is loaded. 1 to 512 of the characters that
	// RFC 6750 allows; take 32 random ones. At least one is required.
	Tokens []string `json:"tokens,omitempty"`

	// JWKS is a further path at which the keys of X-Alipay-Trade-Assertion are
	// served, without a token. Default: /.well-known/jwks.json alone.
	JWKS string `json:"jwks,omitempty"`

	api    *merchant.API
	tokens [][sha256.Size]byte
}

// CaddyModule returns the module's information.
func (*Merchant) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.alipay_merchant", New: func() caddy.Module { return new(Merchant) }}
}

// Provision reads the tokens and finds the account.
func (m *Merchant) Provision(ctx caddy.Context) error {
	if err := m.readTokens(ctx.Logger()); err != nil {
		return err
	}
	if m.JWKS != "" && (m.JWKS[0] != '/' || m.JWKS != path.Clean(m.JWKS) || strings.ContainsAny(m.JWKS, "?#%{")) {
		return fmt.Errorf("alipay_merchant: jwks %q is no plain path such as /keys.json", m.JWKS)
	}
	app, err := ctx.AppIfConfigured("alipay")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return errors.New("alipay_merchant: it needs an account; add the alipay option to the global options")
	}
	if err != nil {
		return err
	}
	account, err := app.(*App).account(m.Account)
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	m.api = account.api(ctx.Logger())
	return nil
}

// tokenForm is the b64token of RFC 6750, bounded.
var tokenForm = regexp.MustCompile(`^[0-9A-Za-z._~+/-]{1,512}=*$`)

// guessable is the length below which a token is warned of, in characters.
const guessable = 16

// readTokens resolves the tokens and keeps their digests: of equal length, so that
// a comparison tells nothing about a token's length either.
func (m *Merchant) readTokens(logger *zap.Logger) error {
	if len(m.Tokens) == 0 {
		return errors.New("alipay_merchant: token is missing; without one everybody could refund: token {env.ALIPAY_MERCHANT_TOKEN}")
	}
	repl := caddy.NewReplacer()
	for _, text := range m.Tokens {
		token, err := repl.ReplaceOrErr(text, true, true)
		switch {
		case err != nil:
			return fmt.Errorf("token: %w; set the variable, or write the value itself", err)
		case token == "":
			return errors.New("token is empty; take 32 random letters and digits")
		case !tokenForm.MatchString(token):
			return errors.New("token holds characters that no Authorization header can carry, or more than 512; take 32 random letters and digits")
		case len(token) < guessable:
			logger.Warn("a token of alipay_merchant is so short that it can be guessed; take 32 random letters and digits")
		}
		m.tokens = append(m.tokens, sha256.Sum256([]byte(token)))
	}
	return nil
}

// ServeHTTP lets callers with a token through to the API.
func (m *Merchant) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if m.JWKS != "" && r.URL.Path == m.JWKS {
		r = at(r, merchant.KeysPath)
	}
	if !m.allows(r) && !merchant.IsOpen(r) {
		m.api.Unauthorized(w, r)
		return nil
	}
	m.api.ServeHTTP(w, r)
	return nil
}

// at is a request for another path.
func at(r *http.Request, path string) *http.Request {
	moved := r.WithContext(r.Context()) // a copy
	moved.URL = &url.URL{Path: path, RawQuery: r.URL.RawQuery}
	return moved
}

// allows compares the token that came with each that is configured, in a time that
// depends on neither.
func (m *Merchant) allows(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	came := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
	same := 0
	for i := range m.tokens {
		same |= subtle.ConstantTimeCompare(came[:], m.tokens[i][:])
	}
	return same == 1 && strings.EqualFold(scheme, "Bearer") && len(r.Header.Values("Authorization")) == 1
}

var (
	_ caddy.Provisioner           = (*Merchant)(nil)
	_ caddyhttp.MiddlewareHandler = (*Merchant)(nil)
)
