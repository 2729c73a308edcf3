// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgercopy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/ledgercopy"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	app  = "2021000000000001"
	sold = 450 // orders: two whole pages and a part
)

var bought = time.Date(2026, 3, 14, 10, 20, 0, 0, trade.Zone)

func key(i int) trade.Key { return trade.Key{AppID: app, OutTradeNo: fmt.Sprintf("N%d", i)} }

func attempt(t *testing.T, l copyable, i int) {
	t.Helper()
	at := bought.Add(time.Duration(i) * time.Second)
	if _, err := l.Attempt(t.Context(), key(i), trade.Attempt{Total: 8888, PublicURL: "https://shop.example", At: at, ExpiresAt: at.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
}

func pay(t *testing.T, l copyable, i int) {
	t.Helper()
	e := trade.Evidence{
		Source: trade.SourceNotify, AppID: app, OutTradeNo: key(i).OutTradeNo, TradeNo: fmt.Sprintf("T%d", i), Status: trade.StatusSuccess,
		Total: 8888, PaidAt: bought, ReceivedAt: bought.Add(time.Hour), Raw: []byte("as received"), ContentType: "text/plain",
	}
	if out, err := l.Record(t.Context(), e); err != nil || len(out.Events) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
}

// pair is a source with orders, of which one in three is paid, and an empty target.
func pair(t *testing.T) (from, to copyable) {
	from, to = newFile(t).open(t), newDatabase(t).open(t)
	t.Cleanup(func() { from.Close(); to.Close() })
	for i := range sold {
		attempt(t, from, i)
		if i%3 == 0 {
			pay(t, from, i)
		}
	}
	return from, to
}

func silent(ledgercopy.Step) {}

// TestAgain: a copy that broke off goes on; a later one carries over what has
// changed, and nothing else.
func TestAgain(t *testing.T) {
	t.Parallel()
	from, to := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := ledgercopy.Copy(ctx, from, to, func(s ledgercopy.Step) {
		if s.Done > 0 {
			cancel() // after the first page
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("broken off: %v", err)
	}
	var steps []ledgercopy.Step
	report, err := ledgercopy.Copy(t.Context(), from, to, func(s ledgercopy.Step) { steps = append(steps, s) })
	want := ledgercopy.Report{Orders: sold, Statements: sold / 3, Events: sold / 3, Stored: report.Stored, Paid: sold / 3 * 8888}
	if err != nil || report != want || report.Stored == 0 || report.Stored >= sold {
		t.Fatalf("%+v, %v, want %+v", report, err, want)
	}
	if last := steps[len(steps)-1]; last != (ledgercopy.Step{Verifying: true, Done: sold, Total: sold}) {
		t.Errorf("the last step is %+v", last)
	}
	if report, err := ledgercopy.Copy(t.Context(), from, to, silent); err != nil || report.Stored != 0 {
		t.Errorf("once more: %+v, %v", report, err)
	}
	pay(t, from, 1)
	attempt(t, from, sold)
	if err := from.Accept(t.Context(), key(0), 1, bought.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	report, err = ledgercopy.Copy(t.Context(), from, to, silent)
	if err != nil || report.Stored != 3 || report.Orders != sold+1 || report.Paid != (sold/3+1)*8888 {
		t.Errorf("after more sales: %+v, %v", report, err)
	}
	if o, err := to.Order(t.Context(), key(0)); err != nil || o.Accepted != 1 {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestUsed: a target that has been used by itself stays as it is.
func TestUsed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		use  func(t *testing.T, to copyable)
		want string
	}{
		"an order of its own":   {func(t *testing.T, to copyable) { attempt(t, to, sold+1) }, "order N451"},
		"an order that went on": {func(t *testing.T, to copyable) { pay(t, to, 1) }, "order N1 of app " + app + " has gone on there"},
		"a setting": {func(t *testing.T, to copyable) {
			if err := to.SetSetting(t.Context(), "key", nil, []byte("secret")); err != nil {
				t.Fatal(err)
			}
		}, "the setting key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := pair(t)
			if _, err := ledgercopy.Copy(t.Context(), from, to, silent); err != nil {
				t.Fatal(err)
			}
			tc.use(t, to)
			pay(t, from, 4)
			_, err := ledgercopy.Copy(t.Context(), from, to, silent)
			if !errors.Is(err, ledgercopy.ErrUsed) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
				t.Fatalf("%v, want %q", err, tc.want)
			}
		})
	}
}
