// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package teashop

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLookUpTellsTheCustomer(t *testing.T) {
	s := open(t, t.TempDir())
	v := login(t, s, "小明")
	number := v.buy("jasmine", "2")
	resp := v.get("/alipay/orders/" + number)
	var got map[string]string
	if err := json.Unmarshal([]byte(body(t, resp)), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"out_trade_no": number, "total_amount": "93.60", "subject": "茉莉绣球 Jasmine pearls × 2", "quit_url": public + "/orders/" + number,
	}
	if resp.StatusCode != 200 || !maps.Equal(got, want) {
		t.Fatalf("got %d %v, want 200 %v", resp.StatusCode, got, want)
	}
}

func TestLookUpRefuses(t *testing.T) {
	s := open(t, t.TempDir())
	owner := login(t, s, "小明")
	number := owner.buy("puer", "1")
	path := "/alipay/orders/" + number

	resp := visit(t, s).get(path)
	if to := resp.Header.Get("Location"); resp.StatusCode != 303 || to != "/login?next=%2Forders%2F"+number {
		t.Errorf("logged out: %d to %q", resp.StatusCode, to)
	}
	if resp := login(t, s, "小红").get(path); resp.StatusCode != 404 || strings.Contains(body(t, resp), number) {
		t.Errorf("another's order: %d", resp.StatusCode)
	}
	if resp := owner.get("/alipay/orders/T0"); resp.StatusCode != 404 {
		t.Errorf("no such order: %d", resp.StatusCode)
	}
	forged := visit(t, s)
	forged.cookies[sessionCookie] = &http.Cookie{Name: sessionCookie, Value: s.seal("小红")[:8] + "." + "AAAA"}
	if resp := forged.get(path); resp.StatusCode != 303 {
		t.Errorf("forged session: %d", resp.StatusCode)
	}
	deliver(t, s, number, news{"1", "TRADE_SUCCESS", "2026040522001"})
	if resp := owner.get(path); resp.StatusCode != 409 || !strings.Contains(body(t, resp), "不需要再付款") {
		t.Errorf("paid: %d", resp.StatusCode)
	}
}

type news struct{ sequence, status, tradeNo string }

func deliver(t *testing.T, s *Shop, number string, n news) (status int, answer string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, public+"/pay/notify", strings.NewReader("trade_status=IGNORED&out_trade_no=IGNORED"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range map[string]string{
		"Out-Trade-No": number, "Sequence": n.sequence, "Status": n.status, "No": n.tradeNo, "Source": "notify",
		"Refunded-Amount": "0.00", "Paid-At": "2026-04-05T10:01:02+08:00",
	} {
		r.Header.Set("X-Alipay-Trade-"+name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestDeliveryIsIdempotent(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	number := login(t, s, "小明").buy("longjing", "1")
	for _, n := range []news{
		{"2", "TRADE_FINISHED", "2026040522001"}, // overtook the first
		{"1", "TRADE_SUCCESS", "2026040522001"},  // late
		{"2", "TRADE_CLOSED", "2026040522001"},   // the same again counts for nothing
	} {
		if code, answer := deliver(t, s, number, n); code != 200 || answer != "success" {
			t.Fatalf("%v: %d %q", n, code, answer)
		}
	}
	for name, s := range map[string]*Shop{"running": s, "reopened": open(t, dir)} {
		o, _ := s.orders.find(number)
		if o.Payment.State() != Paid || o.Payment.Sequence != 2 || o.Payment.TradeNo != "2026040522001" {
			t.Errorf("%s: %+v", name, o.Payment)
		}
	}
}

func TestDeliveryRefuses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	number := login(t, s, "小明").buy("longjing", "1")
	for _, c := range []struct {
		number, sequence string
		want             int
	}{{number, "", 400}, {number, "0", 400}, {number, "x", 400}, {"T0", "1", 404}, {"", "1", 404}} {
		code, answer := deliver(t, s, c.number, news{c.sequence, "TRADE_SUCCESS", "1"})
		if code != c.want || !strings.HasPrefix(answer, "fail") {
			t.Errorf("%q %q: %d %q, want %d", c.number, c.sequence, code, answer, c.want)
		}
	}
	s.orders.path = dir + "/gone/orders.json" // a disk that takes nothing
	if code, _ := deliver(t, s, number, news{"1", "TRADE_SUCCESS", "1"}); code != 503 {
		t.Errorf("unsaved: %d", code)
	}
	if o, _ := s.orders.find(number); o.Payment != (Payment{}) {
		t.Errorf("unsaved news is shown: %+v", o.Payment)
	}
}

func TestReturnShowsWhatIsProved(t *testing.T) {
	s := open(t, t.TempDir())
	for _, c := range []struct{ status, refunded, state, refresh string }{
		{"TRADE_SUCCESS", "0.00", "paid", ""},
		{"TRADE_FINISHED", "", "paid", ""},
		{"TRADE_CLOSED", "88.00", "refunded", ""},
		{"TRADE_CLOSED", "0.00", "closed", ""},
		{"WAIT_BUYER_PAY", "", "unpaid", `http-equiv="refresh"`},
		{"", "", "unpaid", `http-equiv="refresh"`},
	} {
		r := httptest.NewRequest(http.MethodGet, public+"/pay/return?sign=a%2Bb&out_trade_no=T1", nil)
		r.Header.Set("X-Alipay-Trade-Out-Trade-No", "T1")
		r.Header.Set("X-Alipay-Trade-No", "20260405<b>")
		if c.status != "" {
			r.Header.Set("X-Alipay-Trade-Status", c.status)
		}
		r.Header.Set("X-Alipay-Trade-Refunded-Amount", c.refunded)
		page := body(t, visit(t, s).send(r))
		for _, want := range []string{`data-state="` + c.state + `"`, c.refresh, "20260405&lt;b&gt;", "?lang=en&amp;out_trade_no=T1&amp;sign=a%2Bb"} {
			if !strings.Contains(page, want) {
				t.Errorf("%+v: the page lacks %q", c, want)
			}
		}
		if c.refresh == "" && strings.Contains(page, `http-equiv="refresh"`) {
			t.Errorf("%+v: the page refreshes", c)
		}
	}
	if resp := visit(t, s).get("/pay/return?out_trade_no=T1&trade_status=TRADE_SUCCESS"); resp.StatusCode != 404 {
		t.Errorf("without headers: %d", resp.StatusCode)
	}
}
