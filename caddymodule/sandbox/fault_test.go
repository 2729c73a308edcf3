// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"context"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

// noticed buys for one fault's amount and returns the notices that came.
func noticed(t *testing.T, fault string) (*sandboxtest.Gateway, []url.Values, *merchant) {
	t.Helper()
	amount := ""
	for _, info := range sandbox.FaultCatalogue() {
		if info.Name == fault {
			amount = info.Amount
		}
	}
	if amount == "" {
		t.Fatalf("%s has no amount", fault)
	}
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("success"))
	g.Buy("A1", amount, m.URL+"/n?tenant=7", "https://shop.example/return")
	g.Wait()
	return g, m.got(), m
}

func TestNoticeFaultsThatChangeTheMessage(t *testing.T) {
	for _, test := range []struct {
		fault string
		valid bool
		field string
		want  string
	}{
		{"notify_wrong_signature", false, "trade_status", "TRADE_SUCCESS"},
		{"notify_key_rolled", false, "trade_status", "TRADE_SUCCESS"},
		{"notify_wrong_amount", true, "total_amount", "666.07"},
		{"notify_gbk", true, "charset", "GBK"},
		{"notify_cert_sn", true, "alipay_cert_sn", "00000000000000000000000000c0ffee"},
		{"notify_empty_values", true, "point_amount", ""},
		{"notify_query_in_body", false, "tenant", "7"},
		{"notify_wrong_seller", true, "seller_id", "2088000000000000"},
		{"notify_wrong_app", true, "app_id", "2021000000000000"},
		{"notify_unknown_field", true, "quantum_pay_info", "entangled"},
		{"notify_is_return", true, "method", "alipay.trade.page.pay.return"},
		{"notify_clock_skew", true, "notify_time", "2026-03-01 21:00:00"},
		{"notify_huge", true, "trade_status", "TRADE_SUCCESS"},
		{"notify_doubled_key", false, "trade_status", "TRADE_SUCCESS"},
		{"notify_resplit", true, "subject", "Test order&total_amount=666.19"},
	} {
		t.Run(test.fault, func(t *testing.T) {
			g, forms, _ := noticed(t, test.fault)
			if len(forms) != 1 {
				t.Fatalf("%d notices", len(forms))
			}
			if err := g.VerifyForm(forms[0]); (err == nil) != test.valid {
				t.Errorf("the signature: %v", err)
			}
			if !forms[0].Has(test.field) || forms[0].Get(test.field) != test.want {
				t.Errorf("%s is %q", test.field, forms[0].Get(test.field))
			}
		})
	}
}

// The next key is on show, so that a merchant who takes two keys is not stopped.
func TestNextKeyIsOnShow(t *testing.T) {
	g, forms, _ := noticed(t, "notify_key_rolled")
	response, err := http.Get(g.URL + "/alipay_public_key.next.pem")
	if err != nil {
		t.Fatal(err)
	}
	key, err := sandbox.ParsePublicKey([]byte(readAll(t, response)))
	if err != nil {
		t.Fatal(err)
	}
	var params wire.Params
	for name := range forms[0] {
		params = params.Set(name, forms[0].Get(name))
	}
	if err := wire.Verify(key, []byte(params.NoticeString()), forms[0].Get("sign")); err != nil {
		t.Error(err)
	}
}

func TestGBKNoticeIsInGBK(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("success"))
	form := g.Form("alipay.trade.page.pay", sandboxtest.Biz{
		"out_trade_no": "A1", "total_amount": "666.07", "subject": "春茶", "product_code": "FAST_INSTANT_TRADE_PAY",
	}, map[string]string{"notify_url": m.URL})
	g.Open(g.GatewayURL() + "?" + form.Encode())
	if err := g.Pay("A1", 1); err != nil {
		t.Fatal(err)
	}
	g.Wait()
	if got := m.got()[0].Get("subject"); got != "\xb4\xba\xb2\xe8" {
		t.Errorf("subject is %q", got)
	}
}

func TestNoticeMovedQueryGoesToThePathAlone(t *testing.T) {
	_, forms, m := noticed(t, "notify_query_in_body")
	if m.paths[0] != "/n" {
		t.Errorf("posted to %s", m.paths[0])
	}
	forms[0].Del("tenant")
	g := sandboxtest.New(t, sandboxtest.Options{})
	if err := g.VerifyForm(forms[0]); err != nil {
		t.Errorf("without the query the notice holds: %v", err)
	}
}

func TestDoubledKeyIsOnTheWire(t *testing.T) {
	_, forms, _ := noticed(t, "notify_doubled_key")
	if got := forms[0]["total_amount"]; len(got) != 2 || got[0] != "666.14" || got[1] != "0.01" {
		t.Errorf("total_amount is %q", got)
	}
}

func TestNoticeFaultsOfTime(t *testing.T) {
	g, forms, m := noticed(t, "notify_never")
	g.Move(48 * time.Hour)
	trade, _ := g.Trade("A1")
	if len(forms)+len(m.got()) != 0 || trade.Notices[0].State != "withheld" {
		t.Errorf("never: %d, %+v", len(m.got()), trade.Notices)
	}
	if err := g.Resend(trade.Notices[0].ID); err != nil {
		t.Fatal(err)
	}
	if g.Wait(); len(m.got()) != 1 {
		t.Error("a resend by hand is sent all the same")
	}

	g, forms, m = noticed(t, "notify_late")
	g.Move(29 * time.Second)
	if len(forms)+len(m.got()) != 0 {
		t.Error("late: sent early")
	}
	if g.Move(time.Second); len(m.got()) != 1 {
		t.Error("late: not sent")
	}

	_, forms, _ = noticed(t, "notify_twice")
	if len(forms) != 2 || forms[0].Get("notify_id") != forms[1].Get("notify_id") {
		t.Errorf("twice: %d", len(forms))
	}

	g, forms, m = noticed(t, "notify_out_of_order")
	if len(forms) != 0 {
		t.Error("out of order: sent at once")
	}
	wants(t, refund(g, "r1", "1.00"), map[string]string{"fund_change": "Y"})
	g.Move(time.Hour)
	forms = m.got()
	if len(forms) != 2 || forms[0].Get("refund_fee") != "1.00" || forms[1].Has("refund_fee") {
		t.Errorf("out of order: %v", forms)
	}

	_, forms, _ = noticed(t, "paid_twice")
	if len(forms) != 2 || forms[0].Get("trade_no") == forms[1].Get("trade_no") {
		t.Errorf("paid twice: %v", forms)
	}
}

func TestPaidAfterClose(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("success"))
	v := visit(t, g, g.PayURL("A1", "666.21", m.URL, ""))
	v.press("login", url.Values{"buyer": {"1"}})
	wants(t, g.Call("alipay.trade.close", sandboxtest.Biz{"out_trade_no": "A1"}), map[string]string{"code": "10000"})
	v.press("pay", url.Values{}).shows(`id="paid"`)
	wants(t, g.Call("alipay.trade.query", sandboxtest.Biz{"out_trade_no": "A1"}), map[string]string{"trade_status": "TRADE_SUCCESS"})
	if g.Wait(); len(m.got()) != 1 || m.got()[0].Get("trade_status") != "TRADE_SUCCESS" {
		t.Errorf("%v", m.got())
	}
}

// A fault for one time is not used up by pages that only look.
func TestPaidAfterCloseOnce(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	if err := g.SetFaults(sandbox.Faults{Orders: map[string][]sandbox.Fault{"A1": {{Name: "paid_after_close", Times: 1}}}}); err != nil {
		t.Fatal(err)
	}
	v := visit(t, g, g.PayURL("A1", "1.00", "", ""))
	v.press("login", url.Values{"buyer": {"1"}})
	if err := g.CloseTrade("A1"); err != nil {
		t.Fatal(err)
	}
	v.press("cancel", url.Values{}).press("logout", url.Values{}).press("login", url.Values{"buyer": {"1"}})
	v.press("pay", url.Values{}).shows(`id="paid"`)
	if len(g.Faults().Orders["A1"]) != 0 {
		t.Error("the payment did not use the fault up")
	}
}

func TestSwitchesForNoticesOfOtherEvents(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("success"))
	run := func(prefix string) {
		g.Open(g.PayURL(prefix+"closed", "1.00", m.URL, ""))
		if err := g.Pay(prefix+"closed", 3); err == nil {
			t.Fatal("paid with nothing")
		}
		if err := g.CloseTrade(prefix + "closed"); err != nil {
			t.Fatal(err)
		}
		g.Open(g.PayURL(prefix+"expired", "1.00", m.URL, ""))
		if err := g.Pay(prefix+"expired", 3); err == nil {
			t.Fatal("paid with nothing")
		}
		g.Buy(prefix+"finished", "1.00", m.URL, "")
		g.Move(366 * 24 * time.Hour)
	}
	run("off_")
	if forms := m.got(); len(forms) != 1 || forms[0].Get("out_trade_no") != "off_finished" {
		t.Errorf("Alipay's defaults: %v", forms)
	}
	if err := g.SetFaults(sandbox.Faults{Switches: sandbox.Switches{NotifyClosed: true, NotifyFinished: true}}); err != nil {
		t.Fatal(err)
	}
	run("on_")
	got := map[string]int{}
	for _, form := range m.got()[1:] {
		got[form.Get("out_trade_no")+" "+form.Get("trade_status")]++
	}
	for _, want := range []string{"on_closed TRADE_CLOSED", "on_expired TRADE_CLOSED", "on_finished TRADE_SUCCESS", "on_finished TRADE_FINISHED"} {
		if got[want] != 1 {
			t.Errorf("%s: %d times in %v", want, got[want], got)
		}
	}
}

// Documents about payments at the counter say that three retries follow at once.
func TestSwitchForRetriesAtOnce(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("fail"))
	switches := sandbox.DefaultSwitches()
	switches.NotifyRetriesAtOnce = true
	if err := g.SetFaults(sandbox.Faults{Switches: switches}); err != nil {
		t.Fatal(err)
	}
	g.Buy("A1", "1.00", m.URL, "")
	g.Wait()
	if count := len(m.got()); count != 4 {
		t.Errorf("%d attempts at once", count)
	}
	g.Move(4 * time.Minute)
	if count := len(m.got()); count != 5 {
		t.Errorf("%d attempts after four minutes", count)
	}
	g.Move(48 * time.Hour)
	if trade, err := g.Trade("A1"); err != nil || trade.Notices[0].State != "given_up" || len(m.got()) != 11 {
		t.Errorf("%d attempts in the end: %+v, %v", len(m.got()), trade.Notices, err)
	}
}

// raw queries order A1 and returns the answer as it came.
func raw(t *testing.T, g *sandboxtest.Gateway) (int, string) {
	t.Helper()
	form := g.Form("alipay.trade.query", sandboxtest.Biz{"out_trade_no": "A1", "query_options": []string{"fund_bill_list"}}, nil)
	response, err := http.PostForm(g.GatewayURL(), form)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, readAll(t, response)
}

func TestAnswerFaults(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	g.Buy("A1", "1.00", "", "")
	key, err := sandbox.ParsePublicKey(g.PublicKeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	// holds says whether an answer is JSON and signed over its own bytes.
	holds := func(body string) (isJSON, signed bool) {
		var members map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &members) != nil {
			return false, false
		}
		var sign string
		if json.Unmarshal(members["sign"], &sign) != nil {
			return true, false
		}
		return true, wire.Verify(key, members["alipay_trade_query_response"], sign) == nil
	}
	for fault, test := range map[string]struct {
		status       int
		json, signed bool
		has          string
	}{
		"":                         {200, true, true, "TRADE_SUCCESS"},
		"answer_500":               {500, false, false, "Internal Server Error"},
		"answer_unsigned_error":    {200, true, false, `"code":"20000"`},
		"answer_unsigned_success":  {200, true, false, "TRADE_SUCCESS"},
		"answer_system_error":      {200, true, true, "ACQ.SYSTEM_ERROR"},
		"answer_system_error_done": {200, true, true, "ACQ.SYSTEM_ERROR"},
		"answer_truncated":         {200, false, false, "alipay_trade_query_response"},
		"answer_other_order":       {200, true, true, `"out_trade_no":"another_A1"`},
		"answer_null":              {200, true, true, `"alipay_trade_query_response":null`},
		"answer_wrong_signature":   {200, true, false, "TRADE_SUCCESS"},
		"answer_doubled_member":    {200, true, true, `}},"alipay_trade_query_response":`},
		"answer_not_json":          {200, false, false, "Login"},
		"answer_huge":              {200, true, true, "TRADE_SUCCESS"},
		"answer_clock_skew":        {200, true, true, `"send_pay_date":"2026-03-01 21:00:00"`},
	} {
		t.Run(fault, func(t *testing.T) {
			faults := sandbox.Faults{Switches: sandbox.DefaultSwitches()}
			if fault != "" {
				faults.Orders = map[string][]sandbox.Fault{"A1": {{Name: fault, Method: "query", Times: 1}}}
			}
			if err := g.SetFaults(faults); err != nil {
				t.Fatal(err)
			}
			status, body := raw(t, g)
			isJSON, signed := holds(body)
			if status != test.status || isJSON != test.json || signed != test.signed || !strings.Contains(body, strings.Trim(test.has, "}")) {
				t.Errorf("%d, JSON %t, signed %t: %.600s", status, isJSON, signed, body)
			}
			if _, body = raw(t, g); !strings.Contains(body, "TRADE_SUCCESS") {
				t.Error("a fault with times 1 struck twice")
			}
		})
	}
}

func TestEscapedSlashes(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	g.Buy("A1", "1.00", "", "")
	if err := g.SetFaults(sandbox.Faults{Global: []sandbox.Fault{{Name: "answer_slashes"}}}); err != nil {
		t.Fatal(err)
	}
	_, body := raw(t, g)
	if strings.Contains(strings.ReplaceAll(body, `\/`, ""), "/") {
		t.Errorf("a bare slash in %s", body)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatal(err)
	}
}

// The call takes effect although its answer is lost: what a merchant must
// find out with the same number.
func TestTimeoutAfterTheEffect(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	g.Buy("A1", "10.00", "", "")
	if err := g.SetFaults(sandbox.Faults{Global: []sandbox.Fault{{Name: "answer_timeout", Method: "refund", Times: 1}}}); err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	form := g.Form("alipay.trade.refund", sandboxtest.Biz{"out_trade_no": "A1", "refund_amount": "4.00", "out_request_no": "r1"}, nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.GatewayURL()+"?"+form.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer giveUp()
		poll := time.NewTicker(time.Millisecond)
		defer poll.Stop()
		for range poll.C {
			if trade, _ := g.Trade("A1"); trade.RefundedAmount == "4.00" || ctx.Err() != nil {
				return
			}
		}
	}()
	if response, err := http.DefaultClient.Do(request); err == nil {
		t.Fatalf("answered: %s", readAll(t, response))
	}
	wants(t, refund(g, "r1", "4.00"), map[string]string{"fund_change": "N", "refund_fee": "4.00"})
}

func TestReturnFaults(t *testing.T) {
	for fault, check := range map[string]func(t *testing.T, g *sandboxtest.Gateway, link string){
		"return_never": func(t *testing.T, _ *sandboxtest.Gateway, link string) {
			if link != "" {
				t.Errorf("leads to %s", link)
			}
		},
		"return_wrong_signature": func(t *testing.T, g *sandboxtest.Gateway, link string) {
			target, err := url.Parse(link)
			if err != nil || g.VerifyForm(target.Query()) == nil {
				t.Errorf("%s holds, %v", link, err)
			}
		},
		"return_late": func(t *testing.T, g *sandboxtest.Gateway, link string) {
			trade, err := g.Trade("A1")
			if err != nil || link == "" || !strings.Contains(g.Open(g.URL+trade.CashierURL), `http-equiv="refresh" content="30;url=`) {
				t.Errorf("%s, %v", link, err)
			}
		},
		"return_gbk": func(t *testing.T, g *sandboxtest.Gateway, link string) {
			target, err := url.Parse(link)
			if err != nil || g.VerifyForm(target.Query()) != nil || target.Query().Get("charset") != "GBK" {
				t.Errorf("%s, %v", link, err)
			}
		},
	} {
		t.Run(fault, func(t *testing.T) {
			g := sandboxtest.New(t, sandboxtest.Options{})
			trade := g.Buy("A1", "1.00", "", "https://shop.example/return")
			if err := g.SetFaults(sandbox.Faults{Global: []sandbox.Fault{{Name: fault}}}); err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(g.Open(g.URL+trade.CashierURL), `id="return" href="`)
			link, _, _ := strings.Cut(rest, `"`)
			check(t, g, html.UnescapeString(link))
		})
	}
}
