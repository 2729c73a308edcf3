// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

func readAll(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// merchant is a notify_url that keeps what it got.
type merchant struct {
	*httptest.Server
	mu     sync.Mutex
	forms  []url.Values
	paths  []string
	answer func(w http.ResponseWriter, count int)
}

func newMerchant(t *testing.T, answer func(w http.ResponseWriter, count int)) *merchant {
	m := &merchant{answer: answer}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		m.mu.Lock()
		m.forms, m.paths = append(m.forms, form), append(m.paths, r.URL.RequestURI())
		count := len(m.forms)
		m.mu.Unlock()
		m.answer(w, count)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *merchant) got() []url.Values {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.forms)
}

func says(text string) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, _ int) { fmt.Fprint(w, text) }
}

func TestNoticeOfAPayment(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("success"))
	g.Buy("A1", "88.88", m.URL+"/notify", "")
	g.Wait()
	forms := m.got()
	if len(forms) != 1 {
		t.Fatalf("%d notices", len(forms))
	}
	form := forms[0]
	if err := g.VerifyForm(form); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"notify_type": "trade_status_sync", "trade_status": "TRADE_SUCCESS", "out_trade_no": "A1",
		"total_amount": "88.88", "app_id": g.AppID, "auth_app_id": g.AppID, "charset": "utf-8", "version": "1.0",
		"seller_id": "2088102146225135", "subject": "Test order", "sign_type": "RSA2",
		"gmt_payment": "2026-03-01 12:00:00", "notify_time": "2026-03-01 12:00:00",
		"fund_bill_list": `[{"amount":"88.88","fundChannel":"ALIPAYACCOUNT"}]`, "receipt_amount": "88.88",
	} {
		if form.Get(name) != want {
			t.Errorf("%s is %q, not %q", name, form.Get(name), want)
		}
	}
	for _, name := range []string{"gmt_refund", "refund_fee", "method"} {
		if form.Has(name) {
			t.Errorf("a payment's notice has no %s", name)
		}
	}
	trade, _ := g.Trade("A1")
	if n := trade.Notices[0]; n.State != "delivered" || len(n.Attempts) != 1 || n.ID != form.Get("notify_id") {
		t.Errorf("recorded: %+v", n)
	}
}

func TestNoticeIsRetriedOnAlipaysSchedule(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("fail"))
	g.Buy("A1", "1.00", m.URL, "")
	g.Move(26 * time.Hour)
	trade, _ := g.Trade("A1")
	notice := trade.Notices[0]
	var offsets []time.Duration
	for _, attempt := range notice.Attempts {
		offsets = append(offsets, attempt.At.Sub(sandboxtest.Start))
	}
	want := []time.Duration{
		0, 4 * time.Minute, 14 * time.Minute, 24 * time.Minute, 84 * time.Minute,
		204 * time.Minute, 564 * time.Minute, 1464 * time.Minute, // 24 h 24 m
	}
	if !slices.Equal(offsets, want) {
		t.Errorf("sent after %v", offsets)
	}
	if notice.State != "given_up" {
		t.Errorf("state is %s", notice.State)
	}
	ids := map[string]bool{}
	for _, form := range m.got() {
		ids[form.Get("notify_id")] = true
		if err := g.VerifyForm(form); err != nil {
			t.Error(err)
		}
	}
	if len(ids) != 1 {
		t.Errorf("retries keep the id, there were %d", len(ids))
	}
}

func TestOnlySevenBytesEndANotice(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, int){
		"newline":  says("success\n"),
		"capitals": says("SUCCESS"),
		"quotes":   says(`"success"`),
		"longer":   says("successful"),
		"created":  func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusCreated); fmt.Fprint(w, "success") },
		"error":    func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusBadGateway); fmt.Fprint(w, "success") },
		"redirect": func(w http.ResponseWriter, _ int) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
			fmt.Fprint(w, "success")
		},
		"nothing": func(w http.ResponseWriter, _ int) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			g := sandboxtest.New(t, sandboxtest.Options{})
			m := newMerchant(t, answer)
			g.Buy("A1", "1.00", m.URL, "")
			g.Wait()
			trade, _ := g.Trade("A1")
			notice := trade.Notices[0]
			if notice.State != "pending" || notice.Attempts[0].Error == "" || notice.NextAttempt != "2026-03-01T12:04:00+08:00" {
				t.Errorf("%+v", notice)
			}
			if got := len(m.got()); got != 1 {
				t.Errorf("the merchant was called %d times", got)
			}
		})
	}
}

func TestSecondAttemptEndsIt(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, func(w http.ResponseWriter, count int) {
		if count == 2 {
			fmt.Fprint(w, "success")
		}
	})
	g.Buy("A1", "1.00", m.URL, "")
	g.Move(48 * time.Hour)
	trade, _ := g.Trade("A1")
	if n := trade.Notices[0]; n.State != "delivered" || len(n.Attempts) != 2 || n.NextAttempt != "" {
		t.Errorf("%+v", n)
	}
	if err := g.Resend(trade.Notices[0].ID); err != nil {
		t.Fatal(err)
	}
	g.Wait()
	if len(m.got()) != 3 {
		t.Error("resend by hand sends once more")
	}
}

func TestReturnCarriesTwelveSignedParameters(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	trade := g.Buy("A1", "88.88", "", "https://shop.example/pay/return?own=1")
	target, err := url.Parse(trade.ReturnURL)
	if err != nil {
		t.Fatal(err)
	}
	form := target.Query()
	if form.Get("own") != "1" {
		t.Error("the shop's own query is kept")
	}
	form.Del("own")
	if err := g.VerifyForm(form); err != nil {
		t.Error(err)
	}
	if len(form) != 12 || form.Get("method") != "alipay.trade.page.pay.return" || form.Has("trade_status") {
		t.Errorf("%v", form)
	}
	page := g.Open(g.URL + trade.CashierURL)
	if !strings.Contains(page, `http-equiv="refresh"`) || !strings.Contains(page, "shop.example") {
		t.Errorf("the paid page does not lead back:\n%s", page)
	}
}
