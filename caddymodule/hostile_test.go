// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-alipay/caddy-alipay/caddymodule"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// outcome is all that a message comes to: what its sender reads, and what the
// ledger holds and the shop has heard after it.
type outcome struct {
	status int
	body   string
	reason gateway.Reason // why it was refused
	held   trade.Reason   // why it waits for a person
	paid   bool           // its order is paid, and the shop was told so once
}

// The outcomes there are. A message that is refused leaves no trace.
func refusedFor(reason gateway.Reason) outcome {
	return outcome{status: http.StatusBadRequest, body: "failure", reason: reason}
}

func heldFor(reason trade.Reason) outcome {
	return outcome{status: http.StatusOK, body: "success", held: reason}
}

var (
	refusedUnread = refusedFor("")                                                  // before it comes to the verifier
	unrecorded    = outcome{status: http.StatusServiceUnavailable, body: "failure"} // no ledger has room for it
	believed      = outcome{status: http.StatusOK, body: "success", paid: true}
)

// row is one message of the table of hostile ones. It is made for an order that
// was sent to the cashier for 1.00 and has not been paid.
type row struct {
	name string
	make func(v victim) message
	want outcome
}

type message struct {
	method, target, contentType string
	header                      http.Header
	body                        string
}

// victim is the order that a message is about.
type victim struct {
	w  *world
	no string
}

// values are a payment's notice, signed by Alipay after the given changes.
func (v victim) values(change ...string) url.Values {
	return sign(alipayKey(), v.w.notice(v.no, "1.00", change...))
}

// posted is a body on its way to the notify path.
func posted(body string) message {
	return message{http.MethodPost, "/pay/notify", formType, nil, body}
}

// openLedger is the ledger that the running Caddy has open.
func (w *world) openLedger() ledger.Ledger {
	w.t.Helper()
	app, err := caddy.ActiveContext().AppIfConfigured("alipay")
	if err != nil {
		w.t.Fatal(err)
	}
	return app.(*caddymodule.App).OpenLedger("default")
}

// heldItems are all that waits for a person, oldest first.
func heldItems(t *testing.T, l ledger.Ledger) (all []trade.Held) {
	t.Helper()
	for cursor := ""; ; {
		page, err := l.Held(t.Context(), ledger.HeldQuery{Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, page.Held...); page.Next == "" {
			return all
		}
		cursor = page.Next
	}
}

// TestHostileNotices sends the whole table, one message after the other, and
// looks at answer, ledger and shop after each.
func TestHostileNotices(t *testing.T) { overEach(t, hostileNotices) }

func hostileNotices(t *testing.T, kind func(*world)) {
	w := newWorld(t, "", kind)
	verifier := must(gateway.NewVerifier(w.Gateway.AppID, gateway.AlipayKey{Public: &alipayKey().PublicKey}))
	rows := slices.Concat(fieldRows(w), signatureRows(), textRows(), wireRows(), statementRows(), resplitRows(w), routeRows())
	names, paid, held := map[string]bool{}, map[string]bool{}, []string{}
	w.buy("VICTIM", "1.00") // nothing that is refused touches it
	for i, r := range rows {
		if names[r.name] {
			t.Errorf("%s is there twice", r.name)
		}
		names[r.name] = true
		v := victim{w, "VICTIM"}
		if r.want.status != http.StatusBadRequest {
			v.no = fmt.Sprint("VICTIM", i)
			w.buy(v.no, "1.00")
		}
		w.Shop.forget()
		m := r.make(v)
		w.wantOutcome(r.name, v, m, r.want)
		if r.want.reason != "" {
			_, err := verifier.Notify(m.contentType, []byte(m.body), time.Now())
			if rej, ok := errors.AsType[*gateway.Rejection](err); !ok || rej.Reason != r.want.reason {
				t.Errorf("%s: %v, want the reason %s", r.name, err, r.want.reason)
			}
		}
		if paid[v.no] = r.want.paid; r.want.held != "" {
			held = append(held, string(r.want.held))
		}
		if list := heldItems(t, w.openLedger()); len(list) != len(held) {
			t.Fatalf("%s: %d statements are held, want %d; the last: %+v", r.name, len(list), len(held), list[len(list)-1])
		}
	}
	w.Shop.forget()
	w.wantOutcome("the genuine notice, after all of them", victim{w, "VICTIM"}, posted(victim{w, "VICTIM"}.values().Encode()), believed)
	paid["VICTIM"] = true
	w.stopped(func(l ledger.Ledger) {
		for no, want := range paid {
			if o := w.order(l, no); o.Paid != want {
				t.Errorf("on disk: the order is %+v, want paid %v", o, want)
			}
		}
		var got []string
		for _, h := range heldItems(t, l) {
			got = append(got, string(h.Reason))
		}
		if !slices.Equal(got, held) {
			t.Errorf("on disk: held %q, want %q", got, held)
		}
	})
	counts := map[int]int{}
	for _, r := range rows {
		counts[r.want.status]++
	}
	t.Logf("%d hostile notices: %d refused without a trace, %d held, %d not recorded, %d believed as they should be",
		len(rows), counts[http.StatusBadRequest], len(held), counts[http.StatusServiceUnavailable], counts[http.StatusOK]-len(held))
}

// wantOutcome sends a message and holds its outcome against what is wanted.
func (w *world) wantOutcome(name string, v victim, m message, want outcome) {
	w.t.Helper()
	h := http.Header{}
	if m.header != nil {
		h = m.header
	}
	if m.contentType != "" {
		h.Set("Content-Type", m.contentType)
	}
	a := w.do(m.method, m.target, m.body, h)
	body := want.body
	if m.method == http.MethodHead {
		body = ""
	}
	if a.Status != want.status || a.Body != body {
		w.t.Errorf("%s: answered %d %q, want %d %q", name, a.Status, a.Body, want.status, body)
	}
	if a.Header.Get("Content-Type") != "text/plain; charset=utf-8" || a.Header.Get("Cache-Control") != "no-store" {
		w.t.Errorf("%s: headers %v", name, a.Header)
	}
	w.wantAfter(name, v, want)
}

// wantAfter holds ledger and shop against an outcome.
func (w *world) wantAfter(name string, v victim, want outcome) {
	w.t.Helper()
	o, err := w.openLedger().Order(w.t.Context(), trade.Key{AppID: w.Gateway.AppID, OutTradeNo: v.no})
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	sequence, told := 0, []string(nil)
	if want.paid {
		sequence, told = 1, []string{v.no + " 1 trade.paid TRADE_SUCCESS 0.00"}
	}
	if o.Paid != want.paid || o.Sequence != sequence || o.Accepted != sequence || o.Closed || o.Waiting || o.Refunded() != 0 || len(o.Attempts) != 1 {
		w.t.Errorf("%s: the order is %+v", name, o)
	}
	if got := w.Shop.told(); !slices.Equal(got, told) {
		w.t.Errorf("%s: the shop was told %q, want %q", name, got, told)
	}
	if n := len(w.Shop.matching(func(*received) bool { return true })); n != len(told) {
		w.t.Errorf("%s: %d requests reached the shop", name, n)
	}
	if want.held != "" {
		list := heldItems(w.t, w.openLedger())
		if len(list) == 0 || list[len(list)-1].Reason != want.held {
			w.t.Errorf("%s: not held for %s", name, want.held)
		}
	}
}

// without is a form without one parameter.
func without(v url.Values, name string) url.Values {
	v.Del(name)
	return v
}

// with is a form with one parameter changed.
func with(v url.Values, name, value string) url.Values {
	v.Set(name, value)
	return v
}

// pieces are the parameters of a body, in its order.
func pieces(body string) []string { return strings.Split(body, "&") }
