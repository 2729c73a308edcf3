// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

// control calls the control API and decodes its answer.
func control(t *testing.T, g *sandboxtest.Gateway, method, path, body string, want int) map[string]any {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil || response.StatusCode != want {
		t.Fatalf("%s %s: %d, not %d, %v: %s", method, path, response.StatusCode, want, err, text)
	}
	return answer
}

func TestControlAPI(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("success"))

	answer := control(t, g, "POST", "/control/trades/A1/pay", "", http.StatusNotFound)
	if !strings.Contains(answer["error"].(string), "pay page was not opened") {
		t.Errorf("%v", answer)
	}
	control(t, g, "GET", "/control/trades/A1", "", http.StatusNotFound)

	g.Open(g.PayURL("A1", "88.88", m.URL, "https://shop.example/return"))
	answer = control(t, g, "GET", "/control/trades/A1", "", http.StatusOK)
	if answer["trade_status"] != "TRADE_NOT_EXIST" || answer["total_amount"] != "88.88" || answer["trade_no"] != "" {
		t.Errorf("opened: %v", answer)
	}
	control(t, g, "POST", "/control/trades/A1/close", "", http.StatusConflict)
	control(t, g, "POST", "/control/trades/A1/pay", `{"buyer":9}`, http.StatusBadRequest)
	control(t, g, "POST", "/control/trades/A1/pay", `{"buyr":1}`, http.StatusBadRequest)

	answer = control(t, g, "POST", "/control/trades/A1/pay?wait=1", `{"buyer":2}`, http.StatusOK)
	notices := answer["notices"].([]any)
	if answer["trade_status"] != "TRADE_SUCCESS" || answer["buyer_id"] != "2088102146225102" || len(notices) != 1 {
		t.Fatalf("paid: %v", answer)
	}
	notice := notices[0].(map[string]any)
	attempt := notice["attempts"].([]any)[0].(map[string]any)
	if notice["state"] != "delivered" || attempt["status"] != 200.0 || attempt["answer"] != "success" || attempt["error"] != "" ||
		attempt["url"] != m.URL || !strings.Contains(attempt["answer_header"].(string), "Content-Length: 7\n") || attempt["took"] == "" {
		t.Errorf("notice: %v", notice)
	}
	control(t, g, "POST", "/control/trades/A1/pay", "", http.StatusConflict)

	answer = control(t, g, "POST", "/control/notices/"+notice["id"].(string)+"/resend?wait=1", "", http.StatusOK)
	if len(answer["attempts"].([]any)) != 2 || len(m.got()) != 2 {
		t.Errorf("resent: %v", answer)
	}
	control(t, g, "POST", "/control/notices/none/resend", "", http.StatusNotFound)

	answer = control(t, g, "POST", "/control/trades/A1/finish", "", http.StatusOK)
	if answer["trade_status"] != "TRADE_FINISHED" {
		t.Errorf("finished: %v", answer)
	}
	answer = control(t, g, "GET", "/control/trades", "", http.StatusOK)
	if len(answer["trades"].([]any)) != 1 {
		t.Errorf("%v", answer)
	}
}

// A page on another site cannot drive the control API through a browser.
func TestControlRefusesOtherSites(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	g.Open(g.PayURL("A1", "1.00", "", ""))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+"/control/trades/A1/pay", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "https://evil.example")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, response)
	if trade, _ := g.Trade("A1"); response.StatusCode != http.StatusForbidden || trade.TradeNo != "" {
		t.Errorf("%d, %+v", response.StatusCode, trade)
	}
	request.URL.Path, request.URL.RawQuery = "/gateway.do", g.Form("alipay.trade.query", sandboxtest.Biz{"out_trade_no": "A1"}, nil).Encode()
	if response, err = http.DefaultClient.Do(request); err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, response); !strings.Contains(body, "ACQ.TRADE_NOT_EXIST") {
		t.Errorf("the gateway takes forms from every site: %s", body)
	}
}

func TestControlClock(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	answer := control(t, g, "POST", "/control/clock/advance", `{"duration":"4m"}`, http.StatusOK)
	if answer["now"] != "2026-03-01T12:04:00+08:00" {
		t.Errorf("%v", answer)
	}
	answer = control(t, g, "POST", "/control/clock/advance", `{"seconds":60}`, http.StatusOK)
	if answer["now"] != "2026-03-01T12:05:00+08:00" {
		t.Errorf("%v", answer)
	}
	for _, body := range []string{`{"duration":"-4m"}`, `{"seconds":-1}`, `{"duration":"soon"}`, `{"seconds":1,"duration":"1s"}`, `{"seconds":1e18}`, `[]`, `{}`, ""} {
		control(t, g, "POST", "/control/clock/advance", body, http.StatusBadRequest)
	}
}

// What the API does not have is answered in its own way too.
func TestControlRefusesWhatItHasNot(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	for call, want := range map[string]int{
		"GET /control/nothing": 404, "POST /control/": 404, "GET /control/trades/A1/pay": 405, "DELETE /control/faults": 405,
		"PUT /control/clock/advance": 405,
	} {
		method, path, _ := strings.Cut(call, " ")
		if answer := control(t, g, method, path, "", want); answer["error"] == "" {
			t.Errorf("%s: no reason", call)
		}
	}
}

func TestControlFaults(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	answer := control(t, g, "GET", "/control/faults", "", http.StatusOK)
	if len(answer["catalogue"].([]any)) != len(sandbox.FaultCatalogue()) {
		t.Errorf("%v", answer["catalogue"])
	}
	again, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	control(t, g, "PUT", "/control/faults", string(again), http.StatusOK)
	answer = control(t, g, "PUT", "/control/faults",
		`{"global":["notify_never"],"orders":{"A1":[{"name":"answer_500","method":"query","times":2,"delay":"5s"}]},"switches":{"notify_closed":true}}`,
		http.StatusOK)
	switches := answer["switches"].(map[string]any)
	if switches["notify_closed"] != true || switches["notify_refund"] != true {
		t.Errorf("%v", switches)
	}
	fault := answer["orders"].(map[string]any)["A1"].([]any)[0].(map[string]any)
	if fault["name"] != "answer_500" || fault["times"] != 2.0 || fault["delay"] != "5s" {
		t.Errorf("%v", fault)
	}
	for _, body := range []string{
		`{"global":["no_such_fault"]}`, `{"globl":[]}`, `{"global":[{"name":"notify_late","dely":"1s"}]}`,
		`{"global":[{"name":"notify_late","delay":"1y"}]}`, `{"global":[{"name":"notify_late","times":-1}]}`, "nonsense",
	} {
		answer := control(t, g, "PUT", "/control/faults", body, http.StatusBadRequest)
		if answer["error"] == "" {
			t.Errorf("%s: no reason", body)
		}
	}
	if g.Faults().Global[0].Name != "notify_never" {
		t.Error("a refused PUT changes nothing")
	}
	control(t, g, "PUT", "/control/faults", "{}", http.StatusOK)
	if len(g.Faults().Global)+len(g.Faults().Orders) != 0 {
		t.Error("{} clears all faults")
	}
}
