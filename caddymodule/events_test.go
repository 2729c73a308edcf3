// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() { caddy.RegisterModule(new(subscriber)) }

// subscriber writes down the events that it gets, under the name that a test has
// given it in its configuration.
type subscriber struct {
	Name string `json:"name"`
}

// heard is what subscribers got, and what they then do.
var heard = struct {
	sync.Mutex
	events []string
	data   []map[string]any
	do     func(caddy.Event) error
}{}

func (*subscriber) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.test_subscriber", New: func() caddy.Module { return new(subscriber) }}
}

func (s *subscriber) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.AllArgs(&s.Name) {
		return d.ArgErr()
	}
	return nil
}

func (s *subscriber) Handle(ctx context.Context, e caddy.Event) error {
	repl, _ := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	heard.Lock()
	heard.events = append(heard.events, fmt.Sprint(s.Name, " ", e.Name(), " ", e.Origin().CaddyModule().ID, " ",
		repl.ReplaceAll("{event.data.out_trade_no}", "")))
	heard.data = append(heard.data, e.Data)
	do := heard.do
	heard.Unlock()
	if do != nil {
		return do(e)
	}
	return ctx.Err()
}

// subscribed is a world with a subscriber of the given events.
func subscribed(t *testing.T, events ...string) *world {
	heard.events, heard.data, heard.do = nil, nil, nil
	return newWorld(t, scraped, func(w *world) { w.subscribe("first", events...) })
}

func (w *world) subscribe(name string, events ...string) {
	w.options = "events {\n"
	for _, e := range events {
		w.options += "on " + e + " test_subscriber " + name + "\n"
	}
	w.options += "}"
}

// wantHeard waits for as many events and fails unless these, in any order, came.
func wantHeard(t *testing.T, want ...string) {
	t.Helper()
	got := func() []string {
		heard.Lock()
		defer heard.Unlock()
		return slices.Clone(heard.events)
	}
	until(t, "the events are emitted", func() bool { return len(got()) >= len(want) })
	all := got()
	slices.Sort(all)
	slices.Sort(want)
	if !slices.Equal(all, want) {
		t.Errorf("heard %q, want %q", all, want)
	}
}

var allEvents = []string{"alipay.trade.paid", "alipay.trade.finished", "alipay.trade.closed", "alipay.refund.succeeded", "alipay.held"}

// TestEvents: each thing that happens is one event of Caddy's, with what is known
// of the trade and nothing of the buyer.
func TestEvents(t *testing.T) {
	w := subscribed(t, allEvents...)
	w.buy("EV1", "8.00")
	w.buy("EV2", "1.00")
	w.wantNotify(w.notice("EV1", "8.00"), http.StatusOK, "success")
	w.wantNotify(w.notice("EV1", "8.00"), http.StatusOK, "success") // a repeat
	w.wantNotify(w.notice("EV1", "8.00", "gmt_refund", "2026-03-14 11:20:09", "refund_fee", "3.00", "out_biz_no", "R1"), http.StatusOK, "success")
	w.wantNotify(w.notice("EV1", "8.00", "trade_status", "TRADE_FINISHED"), http.StatusOK, "success")
	w.wantNotify(w.closeNotice("EV2", "1.00"), http.StatusOK, "success")
	w.wantNotify(w.notice("EV3", "2.00"), http.StatusOK, "success")
	w.wantNotify(w.notice("EV3", "2.00"), http.StatusOK, "success")
	wantHeard(t, "first alipay.trade.paid alipay.events EV1", "first alipay.refund.succeeded alipay.events EV1", "first alipay.trade.finished alipay.events EV1",
		"first alipay.trade.closed alipay.events EV2", "first alipay.held alipay.events EV3")
	heard.Lock()
	defer heard.Unlock()
	for i, data := range heard.data {
		text := string(must(json.Marshal(data)))
		for _, secret := range []string{"2088722003899169", sellerID, "subject", "茶"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: %s", heard.events[i], text)
			}
		}
		want := map[string]string{"account": "default", "source": "notify"}
		switch {
		case strings.Contains(heard.events[i], "refund"):
			want["total_amount"], want["refunded_amount"], want["trade_no"] = "8.00", "3.00", "TEV1"
		case strings.Contains(heard.events[i], "paid"):
			want["total_amount"], want["refunded_amount"], want["status"] = "8.00", "0.00", "TRADE_SUCCESS"
		case strings.Contains(heard.events[i], "held"):
			want["total_amount"], want["reason"], want["trade_no"] = "2.00", "unknown_order", "TEV3"
		}
		for name, value := range want {
			if data[name] != value {
				t.Errorf("%s: %s is %v, want %s", heard.events[i], name, data[name], value)
			}
		}
		if data["event_id"] == nil && data["held_id"] == nil {
			t.Errorf("%s has no id", heard.events[i])
		}
	}
}

// TestEventsChangeNothing: a subscriber that hangs, vetoes or panics neither delays
// nor changes what happens to the payment, and does not pile up in memory.
func TestEventsChangeNothing(t *testing.T) {
	w := subscribed(t, "alipay.trade.paid")
	hang := make(chan struct{})
	for no, do := range map[string]func(caddy.Event) error{
		"hangs":  func(caddy.Event) error { <-hang; return nil },
		"vetoes": func(caddy.Event) error { return caddy.ErrEventAborted },
		"panics": func(caddy.Event) error { panic("a subscriber") },
	} {
		heard.Lock()
		heard.do = do
		heard.Unlock()
		w.buy(no, "1.00")
		w.wantNotify(w.notice(no, "1.00"), http.StatusOK, "success")
		w.Shop.wantTold(t, no+" 1 trade.paid TRADE_SUCCESS 0.00")
		w.Shop.forget()
		until(t, "the event is emitted", func() bool {
			heard.Lock()
			defer heard.Unlock()
			return len(heard.events) > 0 && strings.HasSuffix(heard.events[len(heard.events)-1], no)
		})
	}
	close(hang)
}

// TestEventsOverReloads: a request that outlives a reload emits to who has
// subscribed then; one that outlives its account, to who had. A reload that fails
// changes nothing.
func TestEventsOverReloads(t *testing.T) {
	w := subscribed(t, "alipay.trade.paid")
	good := w.caddyfile()
	w.subscribe("second", "alipay.trade.paid")
	w.buy("ER1", "1.00")
	body := sign(alipayKey(), w.notice("ER1", "1.00")).Encode()
	if a := w.slowly(body, w.reload); a.Status != http.StatusOK || a.Body != "success" {
		t.Errorf("answered %d %q", a.Status, a.Body)
	}
	wantHeard(t, "second alipay.trade.paid alipay.events ER1")

	w.buy("ER2", "1.00")
	w.subscribe("third", "alipay.trade.paid")
	if load(w.caddyfile()+"\n"+w.Shop.URL+" {\nrespond 200\n}") == nil { // fails after its app has started
		t.Fatal("an address in use was taken")
	}
	w.wantNotify(w.notice("ER2", "1.00"), http.StatusOK, "success")
	wantHeard(t, "second alipay.trade.paid alipay.events ER1", "second alipay.trade.paid alipay.events ER2")

	// the account's app changes, and with it the courier; the ledger stays
	w.buy("ER3", "1.00")
	body = sign(alipayKey(), w.notice("ER3", "1.00")).Encode()
	w.slowly(body, func() {
		if err := load(strings.Replace(good, "app_id "+w.Gateway.AppID, "app_id 2021000000000098", 1)); err != nil {
			t.Error(err)
		}
	})
	wantHeard(t, "second alipay.trade.paid alipay.events ER1", "second alipay.trade.paid alipay.events ER2", "second alipay.trade.paid alipay.events ER3")
}

// slowly posts a notice whose body comes only after do was done: the handler waits
// for it all the while.
func (w *world) slowly(body string, do func()) answer {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	head := w.rawHead("POST /pay/notify", "Content-Type: "+formType, fmt.Sprint("Content-Length: ", len(body)), "Expect: 100-continue")
	if _, err := io.WriteString(conn, strings.Join(head, "\r\n")); err != nil {
		w.t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		w.t.Fatalf("the server said %q, %v", line, err)
	}
	if _, err := reader.ReadString('\n'); err != nil {
		w.t.Fatal(err)
	}
	do()
	if _, err := io.WriteString(conn, body); err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.ReadResponse(reader, &http.Request{Method: http.MethodPost})
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	return answer{resp.StatusCode, resp.Header, string(must(io.ReadAll(resp.Body)))}
}
