// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// ids are the ids of a list of events.
func (a answer) ids() (all []string) {
	for _, item := range a.list("events") {
		id, _ := item["id"].(string)
		all = append(all, id)
	}
	return all
}

func TestEvents(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for i := range 3 {
		o.paid(fmt.Sprint("A", i), "1.00")
	}
	o.until("all are told", func() bool { return len(o.heard()) == 3 })
	a := o.call("GET", "/events", "").want(200, "")
	ids := a.ids()
	if len(ids) != 3 || a.text("next_cursor") != "" || !slices.Equal(a.numbers("events"), []string{"A0", "A1", "A2"}) {
		t.Fatalf("%s", a.Body)
	}
	first := o.call("GET", "/events?limit=1", "").want(200, "")
	if first.text("next_cursor") != ids[0] {
		t.Errorf("%s", first.Body)
	}
	if got := o.call("GET", "/events?after="+ids[0], "").want(200, "").ids(); !slices.Equal(got, ids[1:]) {
		t.Errorf("after the first: %v", got)
	}
	if a := o.call("GET", "/events?limit=3", "").want(200, ""); a.text("next_cursor") != "" {
		t.Errorf("%s", a.Body)
	}
	if a := o.call("GET", "/events?after="+ids[2], "").want(200, ""); len(a.ids()) != 0 || a.text("next_cursor") != "" {
		t.Errorf("%s", a.Body)
	}
	o.call("GET", "/events?after=nonsense", "").want(404, "event-not-found")
	o.call("GET", "/events?limit=0", "").want(400, "invalid-parameter")
	o.call("GET", "/events?before=x", "").want(400, "invalid-parameter")
}

// TestEventsOfOneAccount: accounts that share a ledger do not see each other.
func TestEventsOfOneAccount(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.paid("A1", "1.00")
	k := trade.Key{AppID: "2021000000000099", OutTradeNo: "B1"}
	if _, err := o.ledger.Attempt(t.Context(), k, trade.Attempt{Total: 100, PublicURL: siteURL, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	out, err := o.ledger.Record(t.Context(), trade.Evidence{
		Source: trade.SourceNotify, AppID: k.AppID, OutTradeNo: "B1", TradeNo: "T", Status: trade.StatusSuccess, Total: 100, ReceivedAt: time.Now(),
	})
	if err != nil || len(out.Events) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	o.paid("A2", "1.00")
	if got := o.call("GET", "/events", "").want(200, "").numbers("events"); !slices.Equal(got, []string{"A1", "A2"}) {
		t.Errorf("%v", got)
	}
	o.call("POST", "/events/"+out.Events[0].ID+"/redeliver", "").want(404, "event-not-found")
	o.call("GET", "/orders/B1", "").want(404, "order-not-found")
	if got := o.call("GET", "/orders", "").want(200, "").numbers("orders"); !slices.Equal(got, []string{"A1", "A2"}) {
		t.Errorf("%v", got)
	}
	if a := o.call("POST", "/events/redeliver", `{"type":"trade.paid","dry_run":true}`).want(200, ""); a.fields["matched"] != 2.0 {
		t.Errorf("%s", a.Body)
	}
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.paid("A1", "1.00")
	o.until("it is told", func() bool { got := o.order("A1"); return got.Accepted == 1 })
	id := o.call("GET", "/events", "").want(200, "").ids()[0]
	path := "/events/" + id + "/redeliver"
	if a := o.call("POST", path, "").want(200, ""); a.fields["accepted"] != true || a.text("event", "state") != "accepted" || a.text("event", "id") != id {
		t.Errorf("%s", a.Body)
	}
	o.answers(http.StatusInternalServerError)
	if a := o.call("POST", path, "").want(200, ""); a.fields["accepted"] != false || a.text("event", "state") != "accepted" || !strings.Contains(a.text("reason"), "500") {
		t.Errorf("%s", a.Body)
	}
	o.paid("A2", "1.00")
	o.until("it is refused", func() bool { return o.order("A2").Refusals > 0 })
	second := o.call("GET", "/events?after="+id, "").want(200, "").ids()[0]
	path = "/events/" + second + "/redeliver"
	if a := o.call("POST", path, "{}").want(200, ""); a.fields["accepted"] != false || a.text("event", "state") != "undelivered" {
		t.Errorf("%s", a.Body)
	}
	o.answers(http.StatusOK)
	if a := o.call("POST", path, "").want(200, ""); a.fields["accepted"] != true || a.text("event", "state") != "accepted" {
		t.Errorf("%s", a.Body)
	}
	o.call("POST", path, `{"x":1}`).want(400, "malformed-body")
	o.call("POST", path+"?x=1", "").want(400, "invalid-parameter")
	o.call("POST", "/events/nothing/redeliver", "").want(404, "event-not-found")
	o.close()
	o.call("POST", path, "").want(409, "site-not-here")
}

// TestRedeliverDead: what the courier has given up is told by hand.
func TestRedeliverDead(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.answers(http.StatusBadGateway)
	o.paid("A1", "1.00")
	o.until("it is refused", func() bool { return o.order("A1").Refusals > 0 })
	if _, err := o.ledger.Change(t.Context(), o.api.key("A1"), func(o *trade.Order) (bool, error) {
		return o.Refuse(1, "for too long", time.Now(), time.Time{}), nil
	}); err != nil {
		t.Fatal(err)
	}
	a := o.call("GET", "/events", "").want(200, "")
	if a.list("events")[0]["state"] != "dead" {
		t.Fatalf("%s", a.Body)
	}
	o.answers(http.StatusOK)
	if a := o.call("POST", "/events/"+a.ids()[0]+"/redeliver", "").want(200, ""); a.fields["accepted"] != true || a.text("event", "state") != "accepted" {
		t.Errorf("%s", a.Body)
	}
}

func TestRedeliverMany(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for i := range 8 {
		o.paid(fmt.Sprint("A", i), "1.00")
	}
	o.refund("A0", "R1", "1.00").want(200, "")
	o.until("all are told", func() bool { return len(o.heard()) == 9 })
	many := func(body string) answer { return o.call("POST", "/events/redeliver", body).want(200, "") }
	if a := many(`{"type":"trade.paid","dry_run":true}`); a.fields["matched"] != 8.0 || a.fields["accepted"] != 0.0 || len(o.heard()) != 9 {
		t.Errorf("%s", a.Body)
	}
	a := many(`{"type":"trade.paid","limit":5}`)
	if a.fields["matched"] != 5.0 || a.fields["accepted"] != 5.0 || a.text("next_cursor") == "" || len(o.heard()) != 14 {
		t.Errorf("%s", a.Body)
	}
	if a := many(`{"type":"trade.paid","limit":5,"after":"` + a.text("next_cursor") + `"}`); a.fields["matched"] != 3.0 || a.text("next_cursor") != "" {
		t.Errorf("%s", a.Body)
	}
	for body, matched := range map[string]float64{
		`{"dry_run":true,"state":"accepted"}`:                                 9,
		`{"dry_run":true,"state":"dead"}`:                                     0,
		`{"dry_run":true,"state":"undelivered"}`:                              0,
		`{"dry_run":true,"out_trade_no":"A0"}`:                                2,
		`{"dry_run":true,"status":"TRADE_CLOSED"}`:                            1,
		`{"dry_run":true,"since":"2100-01-01T00:00:00Z"}`:                     0,
		`{"dry_run":true,"until":"2100-01-01T00:00:00Z","type":"trade.paid"}`: 8,
		`{"dry_run":true,"type":"refund.succeeded","out_trade_no":"A1"}`:      0,
	} {
		if a := many(body); a.fields["matched"] != matched {
			t.Errorf("%s: %s", body, a.Body)
		}
	}
	if a := many(`{"out_trade_no":"A0"}`); a.fields["accepted"] != 2.0 { // in sequence
		t.Errorf("%s", a.Body)
	}
	if got := o.heard(); !slices.Equal(got[len(got)-2:], []string{"trade.paid A0 1", "refund.succeeded A0 2"}) {
		t.Errorf("told %v", got)
	}
	// the shop is down: it is left alone after some refusals
	for i := range 8 {
		o.paid(fmt.Sprint("B", i), "1.00")
	}
	o.until("all are told", func() bool {
		for i := range 8 {
			if got := o.order(fmt.Sprint("B", i)); got.Undelivered() {
				return false
			}
		}
		return true
	})
	o.answers(http.StatusServiceUnavailable)
	before := len(o.heard())
	a = many(`{"type":"trade.paid"}`)
	if failed := len(a.list("failed")); a.fields["given_up"] != true || failed < batchGivesUp || failed > batchGivesUp+batchAtOnce || len(o.heard())-before != failed {
		t.Errorf("%d told: %s", len(o.heard())-before, a.Body)
	}
	for _, body := range []string{
		``, `{}`, `{"dry_run":true}`, `{"limit":5}`, `{"type":"trade.won"}`, `{"state":"lost"}`, `{"status":"PAID"}`, `{"since":"yesterday"}`,
		`{"state":"dead","limit":0}`, `{"state":"dead","limit":501}`, `{"state":"dead","limit":"5"}`, `{"state":"dead","dry_run":"true"}`, `{"state":1}`,
	} {
		o.call("POST", "/events/redeliver", body).want(422, "invalid-member")
	}
	o.call("POST", "/events/redeliver", `{"state":"dead","x":1}`).want(400, "malformed-body")
	o.call("POST", "/events/redeliver", `{"state":"dead","after":"nonsense"}`).want(404, "event-not-found")
}
