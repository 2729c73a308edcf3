// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

// scenarioDir holds the scenario files that people share.
const scenarioDir = "../../examples/sandbox"

// scene is a gateway under one scenario and a merchant who accepts what it
// should: valid notices of the right amount.
type scene struct {
	*sandboxtest.Gateway
	t *testing.T
	m *merchant
}

const sceneAmount = "10.00"

func (s *scene) buy() { s.Buy("A1", sceneAmount, s.m.URL, "https://shop.example/return"); s.Wait() }

func (s *scene) query(want string) {
	s.t.Helper()
	wants(s.t, s.Call("alipay.trade.query", sandboxtest.Biz{"out_trade_no": "A1"}), map[string]string{"trade_status": want})
}

// notices compares what came with what the scenario promises: each notice as
// trade_status and refund_fee.
func (s *scene) notices(want ...string) {
	s.t.Helper()
	var got []string
	for _, form := range s.m.got() {
		got = append(got, strings.TrimSpace(form.Get("trade_status")+" "+form.Get("refund_fee")))
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		s.t.Errorf("the notices are %q, not %q", got, want)
	}
}

func (s *scene) state(want string) {
	s.t.Helper()
	trade, err := s.Trade("A1")
	if err != nil || len(trade.Notices) == 0 || trade.Notices[0].State != want {
		s.t.Errorf("the notice is not %s: %+v, %v", want, trade.Notices, err)
	}
}

// scenarios say what each file promises.
var scenarios = map[string]func(*scene){
	"notices-lost": func(s *scene) {
		s.buy()
		s.Move(48 * time.Hour)
		s.notices()
		s.query("TRADE_SUCCESS")
	},
	"notice-late": func(s *scene) {
		s.buy()
		s.Move(10*time.Minute - time.Second)
		s.notices()
		s.Move(time.Second)
		s.notices("TRADE_SUCCESS")
	},
	"notices-doubled": func(s *scene) {
		s.buy()
		s.notices("TRADE_SUCCESS", "TRADE_SUCCESS")
	},
	"refund-overtakes-payment": func(s *scene) {
		s.buy()
		s.notices()
		wants(s.t, refund(s.Gateway, "r1", "4.00"), map[string]string{"fund_change": "Y"})
		s.Move(time.Hour)
		s.notices("TRADE_SUCCESS 4.00", "TRADE_SUCCESS")
	},
	"first-notice-lies": func(s *scene) {
		s.buy()
		s.state("pending")
		s.Move(4 * time.Minute)
		s.state("delivered")
		if forms := s.m.got(); len(forms) != 2 || forms[0].Get("total_amount") != "10.01" || forms[1].Get("total_amount") != sceneAmount {
			s.t.Errorf("%v", forms)
		}
	},
	"forged-notices": func(s *scene) {
		s.buy()
		s.Move(48 * time.Hour)
		s.state("given_up")
		if count := len(s.m.got()); count != 8 {
			s.t.Errorf("%d attempts", count)
		}
	},
	"gateway-flaky": func(s *scene) {
		s.buy()
		if status, body := raw(s.t, s.Gateway); status != http.StatusInternalServerError {
			s.t.Errorf("%d: %s", status, body)
		}
		if _, body := raw(s.t, s.Gateway); !strings.Contains(body, "ACQ.SYSTEM_ERROR") {
			s.t.Errorf("%s", body)
		}
		s.query("TRADE_SUCCESS")
	},
	"refund-answer-lost": func(s *scene) {
		s.buy()
		wants(s.t, refund(s.Gateway, "r1", "4.00"), map[string]string{"sub_code": "ACQ.SYSTEM_ERROR"})
		wants(s.t, refund(s.Gateway, "r1", "4.00"), map[string]string{"fund_change": "N", "refund_fee": "4.00"})
	},
	"refund-slow": func(s *scene) {
		s.buy()
		wants(s.t, refund(s.Gateway, "r1", "4.00"), map[string]string{"fund_change": "N", "refund_fee": "0.00"})
		wants(s.t, refundQuery(s.Gateway, "r1"), map[string]string{"code": "10000", "refund_status": ""})
		s.Move(5 * time.Minute)
		wants(s.t, refundQuery(s.Gateway, "r1"), map[string]string{"refund_status": "REFUND_SUCCESS", "refund_amount": "4.00"})
	},
	"closed-yet-paid": func(s *scene) {
		v := visit(s.t, s.Gateway, s.PayURL("A1", sceneAmount, s.m.URL, ""))
		v.press("login", url.Values{"buyer": {"1"}})
		wants(s.t, s.Call("alipay.trade.close", sandboxtest.Biz{"out_trade_no": "A1"}), map[string]string{"code": "10000"})
		s.query("TRADE_CLOSED")
		v.press("pay", url.Values{}).shows(`id="paid"`)
		s.query("TRADE_SUCCESS")
	},
	"every-event": func(s *scene) {
		s.buy()
		s.Move(366 * 24 * time.Hour)
		s.notices("TRADE_SUCCESS", "TRADE_FINISHED")
	},
	"alipays-own-sandbox": func(s *scene) {
		s.buy()
		wants(s.t, refund(s.Gateway, "r1", "4.00"), map[string]string{"sub_code": "ACQ.NOT_ALLOW_PARTIAL_REFUND"})
		if s.Faults().Switches.MagicAmounts {
			s.t.Error("magic amounts are on")
		}
	},
}

func TestScenarioFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(scenarioDir, "*.json"))
	if err != nil || len(files) != len(scenarios) {
		t.Errorf("%d files for %d scenarios, %v", len(files), len(scenarios), err)
	}
	docs, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var faults sandbox.Faults
			if err := json.Unmarshal(text, &faults); err != nil {
				t.Fatal(err)
			}
			row := "| [`" + name + ".json`](../examples/sandbox/" + name + ".json) | " + faults.About + " |"
			if !strings.Contains(string(docs), row) {
				t.Errorf("docs/sandbox.md has no row\n%s", row)
			}
			play := scenarios[name]
			if play == nil {
				t.Fatal("no test plays this scenario")
			}
			g := sandboxtest.New(t, sandboxtest.Options{})
			if err := g.SetFaults(faults); err != nil {
				t.Fatal(err)
			}
			play(&scene{g, t, carefulMerchant(t, g)})
		})
	}
}

// carefulMerchant says success only to what it should believe.
func carefulMerchant(t *testing.T, g *sandboxtest.Gateway) *merchant {
	t.Helper()
	var m *merchant
	m = newMerchant(t, func(w http.ResponseWriter, count int) {
		form := m.got()[count-1]
		if g.VerifyForm(form) == nil && form.Get("total_amount") == sceneAmount {
			_, _ = w.Write([]byte("success")) // the gateway may be gone
		}
	})
	return m
}
