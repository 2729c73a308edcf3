// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package doctor examines a configuration and what it leads to: keys, clock,
// Alipay's gateway, the site from outside, the shop, and a running server's
// ledger. It changes nothing, moves no money, and calls nobody but the hosts that
// the configuration names.
package doctor

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
)

// Options say what is examined, and how.
type Options struct {
	Lang lang.Lang
	// Config is Caddy's configuration, in JSON.
	Config []byte
	// OutTradeNo is an order of the shop's that a visitor who is not logged in must
	// not see. Default: a random number, which nobody must see.
	OutTradeNo string
	// Offline leaves out all that needs a network.
	Offline bool
	// Health asks a running server for its ledgers' health, by account. Nil: that
	// is left out.
	Health func(context.Context) (map[string]Health, error)
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Transport carries the calls to the gateway and to the site. Default: one that
	// connects within 5 s and uses no proxy.
	Transport http.RoundTripper

	own func() []netip.Addr // this machine's addresses that others may reach; for tests
}

// callTimeout bounds each call to a gateway, a site or a shop.
const callTimeout = 15 * time.Second

// examination is one run.
type examination struct {
	Options
	found   []Finding
	subject string
}

// Examine examines all that the configuration names. It ends early if ctx does,
// with what was found so far.
func Examine(ctx context.Context, o Options) ([]Finding, error) {
	x := &examination{Options: o, found: []Finding{}}
	if x.Now == nil {
		x.Now = time.Now
	}
	if x.own == nil {
		x.own = outwardAddresses
	}
	if x.Transport == nil {
		transport := newTransport()
		defer transport.CloseIdleConnections()
		x.Transport = transport
	}
	c, err := readConfig(o.Config)
	if err != nil {
		return nil, err
	}
	x.accounts(ctx, c)
	x.sites(ctx, c)
	x.subject = ""
	if x.Health != nil {
		x.server(ctx, c)
	}
	return x.found, ctx.Err()
}

// Worst is the worst severity among the findings.
func Worst(findings []Finding) Severity {
	worst := Fine
	rank := map[Severity]int{Fine: 0, Note: 1, Warning: 2, Fault: 3}
	for _, f := range findings {
		if rank[f.Severity] > rank[worst] {
			worst = f.Severity
		}
	}
	return worst
}

// say picks a text in the reader's language.
func (x *examination) say(english, chinese string, args ...any) string {
	return x.Lang.Say(english, chinese, args...)
}

func (x *examination) find(code Code, severity Severity, text, cure string) {
	x.found = append(x.found, Finding{code, severity, x.subject, text, cure})
}

func (x *examination) fault(code Code, text, cure string)   { x.find(code, Fault, text, cure) }
func (x *examination) warning(code Code, text, cure string) { x.find(code, Warning, text, cure) }
func (x *examination) fine(code Code, text string)          { x.find(code, Fine, text, "") }
