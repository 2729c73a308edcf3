// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
)

// scraped are a site with Caddy's metrics on a path of its own.
const scraped = "metrics /metrics\nreverse_proxy SHOP"

// scrape is what Prometheus would read of ours: series and their values.
type scrape map[string]float64

func (w *world) scrape() scrape {
	w.t.Helper()
	a := w.get("/metrics")
	if a.Status != http.StatusOK {
		w.t.Fatalf("the metrics were answered %d: %s", a.Status, a.Body)
	}
	s := scrape{}
	for line := range strings.Lines(a.Body) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i := strings.LastIndex(line, "} "); i > 0 {
			series, value = line[:i+1], strings.TrimSpace(line[i+2:])
		}
		if strings.HasPrefix(series, "caddy_alipay_") {
			s[series] = must(strconv.ParseFloat(value, 64))
		}
	}
	return s
}

// of is a series of the default account; labels are name, value, …, by name.
func of(name string, labels ...string) string { return seriesOf("default", name, labels...) }

func seriesOf(account, name string, labels ...string) string {
	pairs := []string{fmt.Sprintf("account=%q", account)}
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, fmt.Sprintf("%s=%q", labels[i], labels[i+1]))
	}
	slices.Sort(pairs)
	return "caddy_alipay_" + name + "{" + strings.Join(pairs, ",") + "}"
}

func request(route, outcome string) string {
	return of("requests_total", "route", route, "outcome", outcome)
}

// grown are the counters that have grown since before, and by how much. Series of
// histograms are left out, but for their counts; and so is what counts messages by
// the key that verified them (TestMetricsOfKeys).
func (s scrape) grown(before scrape) map[string]float64 {
	grown := map[string]float64{}
	for series, value := range s {
		name, _, _ := strings.Cut(series, "{")
		if name == "caddy_alipay_key_messages_total" {
			continue
		}
		if d := value - before[series]; d != 0 && (strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_count")) {
			grown[series] = d
		}
	}
	return grown
}

// wantGrown fails unless exactly the given counters have grown, by 1 each. Commits
// of the ledger are not looked at: how many calls share one is a matter of time.
func wantGrown(t *testing.T, what string, before, after scrape, want ...string) {
	t.Helper()
	grown := after.grown(before)
	for _, series := range want {
		if grown[series] != 1 {
			t.Errorf("%s: %s grew by %v, want 1", what, series, grown[series])
		}
		delete(grown, series)
	}
	maps.DeleteFunc(grown, func(series string, _ float64) bool {
		return strings.HasPrefix(series, "caddy_alipay_ledger_")
	})
	if len(grown) > 0 {
		t.Errorf("%s: these grew, too: %v", what, grown)
	}
}

// TestMetrics: each way in which a request ends grows its own counters, and no
// others.
func TestMetrics(t *testing.T) {
	w := newWorld(t, scraped)
	for _, no := range []string{"M1", "M2", "M3", "M4", "M5"} {
		w.Shop.offer(no, "1.00")
	}
	told := of("deliveries_total", "outcome", "accepted")
	answered := of("delivery_duration_seconds_count")
	event := func(name string) string { return of("events_total", "event", name) }
	query := func(outcome string) []string {
		return []string{
			of("gateway_calls_total", "method", "alipay.trade.query", "outcome", outcome),
			of("gateway_call_duration_seconds_count", "method", "alipay.trade.query"),
		}
	}
	rejected := func(route, reason string) []string {
		return []string{request(route, "rejected"), of("rejections_total", "route", route, "reason", reason)}
	}
	deliver := func(status int) func() { return func() { w.Shop.setDeliver(says(status, "", "")) } }
	paid := w.notice("M1", "1.00")
	for _, step := range []struct {
		what string
		do   func()
		want []string
	}{
		{"to the cashier", func() { w.pay("M1") }, []string{request("pay", "sent")}},
		{"an unknown order", func() { w.get("/pay?out_trade_no=none") }, []string{request("pay", "answered_by_shop")}},
		{"nonsense", func() { w.get("/pay?out_trade_no=") }, []string{request("pay", "bad_request")}},
		{"a wrong method", func() { w.do("PUT", "/pay", "", nil) }, []string{request("pay", "bad_request")}},
		{"an order that is none", func() {
			w.looksUpText(200, "application/json", "{}")
			w.get("/pay?out_trade_no=M1")
			w.Shop.setLookUp(nil)
		}, []string{request("pay", "bad_order")}},
		{"the look-up from outside", func() { w.get("/alipay/orders/M1") }, []string{request("private", "hidden")}},
		{"not ours", func() { w.get("/teas") }, nil},

		{"a payment", func() { w.notify(paid) }, []string{
			request("notify", "told"), told, answered, event("trade.paid"), of("payments_total", "source", "notify"),
		}},
		{"its repeat", func() { w.notify(paid) }, []string{request("notify", "nothing_new")}},
		{"paying again", func() { w.get("/pay?out_trade_no=M1") }, []string{request("pay", "already_paid")}},
		{"an unknown payment", func() { w.notify(w.notice("none", "1.00")) }, []string{
			request("notify", "held"), of("held_total", "reason", "unknown_order"),
		}},
		{"its repeat", func() { w.notify(w.notice("none", "1.00")) }, []string{request("notify", "held")}},
		{"another's signature", func() { w.post(sign(appKey(), w.notice("M1", "1.00")).Encode()) }, rejected("notify", "signature")},
		{"a GET", func() { w.get("/pay/notify") }, rejected("notify", "not_post")},
		{"too long", func() { w.post(strings.Repeat("a", 65<<10)) }, rejected("notify", "size")},

		{"the way back", func() { w.get("/pay/return?" + w.returnQuery("M1", "1.00")) }, []string{request("return", "paid")}},
		{"a way back for another price", func() { w.get("/pay/return?" + w.returnQuery("M1", "2.00")) }, rejected("return", "amount_mismatch")},
		{"a way back for no order", func() { w.get("/pay/return?" + w.returnQuery("none", "2.00")) }, rejected("return", "unknown_order")},
		{"a way back without anything", func() { w.get("/pay/return?x=1") }, rejected("return", "method")},
		{"a wrong method", func() { w.do("PUT", "/pay/return", "", nil) }, []string{request("return", "bad_request")}},
		{"a way back too early", func() {
			w.pay("M2")
			w.get("/pay/return?" + w.returnQuery("M2", "1.00"))
		}, append(query("no_trade"), request("pay", "sent"), request("return", "unproved"))},

		{"a shop that is down", func() {
			w.pay("M3")
			deliver(500)()
			w.notify(w.notice("M3", "1.00", "trade_status", "TRADE_FINISHED"))
		}, []string{
			request("pay", "sent"), request("notify", "undelivered"), of("deliveries_total", "outcome", "refused"), answered,
			event("trade.paid"), event("trade.finished"), of("payments_total", "source", "notify"),
		}},
		{"and one that hangs up", func() {
			w.Shop.setDeliver(func(http.ResponseWriter, *received) { panic(http.ErrAbortHandler) })
			w.notify(w.notice("M3", "1.00", "trade_status", "TRADE_FINISHED"))
			deliver(200)()
		}, []string{request("notify", "undelivered"), of("deliveries_total", "outcome", "unreachable"), answered}},
	} {
		before := w.scrape()
		step.do()
		wantGrown(t, step.what, before, w.scrape(), step.want...)
	}
	w.wantLint()
}

// wantLint fails if Prometheus' own linter finds fault with our names and helps.
func (w *world) wantLint() {
	w.t.Helper()
	var ours []string
	for line := range strings.Lines(w.get("/metrics").Body) {
		if strings.Contains(line, "caddy_alipay_") {
			ours = append(ours, line)
		}
	}
	problems, err := promlint.New(strings.NewReader(strings.Join(ours, ""))).Lint()
	if err != nil || len(problems) > 0 || len(ours) < 100 {
		w.t.Errorf("%d lines, %v, %v", len(ours), err, problems)
	}
}

// TestMetricsOfAsking: what is learnt by asking is a payment of that source, and
// a gateway that does not answer is counted.
func TestMetricsOfAsking(t *testing.T) {
	w := newWorld(t, scraped)
	w.Shop.offer("MA1", "1.00")
	w.Gateway.Open(w.pay("MA1").String())
	w.fault("MA1", "notify_never")
	if err := w.Gateway.Pay("MA1", 1); err != nil {
		t.Fatal(err)
	}
	w.Gateway.Wait()
	before := w.scrape()
	tr := must(w.Gateway.Trade("MA1"))
	w.get(must(url.Parse(tr.ReturnURL)).RequestURI())
	until(t, "the event is delivered", func() bool { return len(w.Shop.events()) == 1 })
	until(t, "the delivery is counted", func() bool {
		return w.scrape().grown(before)[of("deliveries_total", "outcome", "accepted")] == 1
	})
	wantGrown(t, "learnt by asking", before, w.scrape(),
		of("gateway_calls_total", "method", "alipay.trade.query", "outcome", "succeeded"),
		of("gateway_call_duration_seconds_count", "method", "alipay.trade.query"),
		of("payments_total", "source", "query"), of("events_total", "event", "trade.paid"), request("return", "paid"),
		of("deliveries_total", "outcome", "accepted"), of("delivery_duration_seconds_count"))
	if since := w.scrape()[of("notices_silent_since_timestamp_seconds")]; since != 0 {
		t.Errorf("silent since %v after one payment", since)
	}
}

// TestMetricsOverReloads: twenty reloads of two sites with an account each, every
// other one followed by a reload that fails. No series falls, and each payment is
// counted once, by its own account.
func TestMetricsOverReloads(t *testing.T) {
	const second = "2021000000000099"
	w := newWorld(t, scraped, func(w *world) {
		w.options = fmt.Sprintf("alipay second {\napp_id %s\napp_private_key %s\nalipay_public_key %s\nledger bolt %s\n}",
			second, w.path("app.pem"), w.path("alipay.pem"), w.path("second.db"))
	})
	other := "http://" + loopback.Address(t)
	both := func() string {
		return w.caddyfile() + fmt.Sprintf("\n%s {\nalipay {\naccount second\npublic_url %s\nshop %s\norder /alipay/orders/{out_trade_no}\n}\nreverse_proxy %s\n}",
			other, other, w.Shop.Address(), w.Shop.Address())
	}
	if err := load(both()); err != nil {
		t.Fatal(err)
	}
	elsewhere := *w
	elsewhere.URL = other
	first, last := w.scrape(), w.scrape()
	for i := range 20 {
		for _, at := range []*world{w, &elsewhere} {
			no := fmt.Sprint("MR", i)
			at.buy(no, "1.00")
			app := w.Gateway.AppID
			if at != w {
				app = second
			}
			at.wantNotify(at.notice(no, "1.00", "app_id", app, "trade_no", "T"+app+no), http.StatusOK, "success")
		}
		if err := load(strings.Replace(both(), "order /", "shop_timeout "+strconv.Itoa(2+i)+"s\norder /", 2)); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			bad := strings.Replace(both(), w.path("second.db"), w.Dir, 1)
			if load(bad) == nil {
				t.Fatal("a folder was taken for a ledger")
			}
			if load(both()+"\n"+w.Shop.URL+" {\nrespond 200\n}") == nil {
				t.Fatal("an address in use was taken")
			}
		}
		now := w.scrape()
		for series, was := range last {
			if value, there := now[series]; !there || value < was && !strings.Contains(series, "_fen") {
				t.Fatalf("reload %d: %s went from %v to %v", i, series, was, value)
			}
		}
		last = now
	}
	grown := last.grown(first)
	for _, account := range []string{"default", "second"} {
		for _, series := range []string{
			seriesOf(account, "payments_total", "source", "notify"), seriesOf(account, "deliveries_total", "outcome", "accepted"),
			seriesOf(account, "requests_total", "route", "notify", "outcome", "told"), seriesOf(account, "requests_total", "route", "pay", "outcome", "sent"),
		} {
			if grown[series] != 20 {
				t.Errorf("%s grew by %v, want 20", series, grown[series])
			}
		}
	}
	for _, account := range []string{"default", "second"} {
		for name, want := range map[string]float64{
			"paid_fen": 2000, "accepted_fen": 2000, "undelivered_fen": 0, "undelivered_events": 0, "held_items": 0, "undelivered_age_seconds": 0,
			"books_paid_difference_fen": 0, "books_refunded_difference_fen": 0, "totals_errors_total": 0,
		} {
			if got, there := last[seriesOf(account, name)]; !there || got != want {
				t.Errorf("%s reads %v (%v), want %v", seriesOf(account, name), got, there, want)
			}
		}
	}
	if commits := grown[`caddy_alipay_ledger_commit_duration_seconds_count{ledger="bolt"}`]; commits < 80 {
		t.Errorf("%v commits for 40 orders", commits)
	}
}

// TestMetricsOfKeys: what a key of Alipay's has verified is counted under its name,
// and what it has not is not.
func TestMetricsOfKeys(t *testing.T) {
	w := newWorld(t, scraped)
	w.buy("K1", "1.00")
	name := of("key_messages_total", "key", gateway.KeyName(&alipayKey().PublicKey))
	before := w.scrape()[name]
	w.wantNotify(w.notice("K1", "1.00"), 200, "success")
	w.post(sign(newKey(), w.notice("K1", "1.00")).Encode())
	if got := w.scrape()[name] - before; got != 1 {
		t.Errorf("%s grew by %v, want 1", name, got)
	}
}
