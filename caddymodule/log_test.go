// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestLogsHoldNoSecrets: our own lines, down to debug, name orders and reasons,
// and hold neither signatures nor buyers' or sellers' ids nor query strings nor
// anything that a client made up.
func TestLogsHoldNoSecrets(t *testing.T) {
	w := newWorld(t, shows, func(w *world) {
		w.log = "file " + w.path("log") + " {\nroll_disabled\n}\nlevel DEBUG"
		w.site = "shop_timeout 1s"
	})
	w.buy("LG1", "1.00")
	w.Shop.setDeliver(says(500, "text/plain", "shop-secret"))
	good := w.notice("LG1", "1.00", "passback_params", "buyer-secret")
	w.wantNotify(good, http.StatusServiceUnavailable, "failure")
	w.Shop.setDeliver(nil)
	w.wantNotify(good, http.StatusOK, "success")
	w.wantNotify(w.notice("LG1", "1.00", "trade_no", "TOTHER"), http.StatusOK, "success")
	w.wantNotify(w.notice("LG2", "1.00"), http.StatusOK, "success")
	forged := w.notice("LG1", "9.99", "subject", "made-up\n\x1b[31m", "sign", "c2lnbmF0dXJl", "sign_type", "RSA2")
	w.post(forged.Encode())
	w.post(sign(appKey(), w.notice("LG1", "1.00")).Encode())
	w.get("/pay/return?" + w.returnQuery("LG1", "9.99"))
	w.get("/pay/return?made-up=1")
	w.get("/pay?out_trade_no=made-up%20one")
	w.looksUpText(200, "application/json", `{"out_trade_no":"LG3","total_amount":"made-up","subject":"s"}`)
	w.get("/pay?out_trade_no=LG3")
	w.fault("LG1", "answer_500")

	secrets := []string{
		"2088722003899169", sellerID, "buyer-secret", "shop-secret", "c2lnbmF0dXJl", good.Get("sign")[:20], "sign=", "total_amount=",
		"PRIVATE KEY", "MII", `\u001b`,
	}
	mine := 0
	for line := range strings.Lines(string(must(os.ReadFile(w.path("log"))))) {
		var entry struct{ Logger, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if entry.Logger != "alipay" && entry.Logger != "http.handlers.alipay" {
			continue
		}
		mine++
		for _, secret := range secrets {
			if strings.Contains(line, secret) {
				t.Errorf("%q is in %s", secret, line)
			}
		}
		if strings.ContainsAny(entry.Msg, `"%{}=`) {
			t.Errorf("the message is no constant phrase: %s", entry.Msg)
		}
	}
	if mine < 6 {
		t.Errorf("only %d lines are ours: this test has lost its point", mine)
	}
}
