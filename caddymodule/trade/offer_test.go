// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func TestParseOffer(t *testing.T) {
	t.Parallel()
	o, err := trade.ParseOffer([]byte(`{"out_trade_no":"A1","total_amount":"88.88","subject":"茶 a/b=c&d","body":"x",
		"time_expire":"2026-03-14 11:00:00","passback_params":"u%3D1","seller_id":"2088","goods_detail":[{"goods_id":"1"}],
		"qr_pay_mode":null,"id":7,"status":"new"}`), "A1")
	if err != nil {
		t.Fatal(err)
	}
	if o.Total != 8888 || o.Subject != "茶 a／b＝c＆d" || o.SellerID != "2088" || o.PassbackParams != "u%3D1" {
		t.Errorf("offer %+v", o)
	}
	if len(o.Others) != 1 || string(o.Others["goods_detail"]) != `[{"goods_id":"1"}]` {
		t.Errorf("others %s", o.Others)
	}
}

func TestParseOfferTakesANumberExactly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]trade.Amount{"88.88": 8888, "0.1": 10, "100000000": 10_000_000_000} {
		o, err := trade.ParseOffer([]byte(`{"out_trade_no":"A1","subject":"s","total_amount":`+in+`}`), "A1")
		if err != nil || o.Total != want {
			t.Errorf("%s: %d, %v", in, o.Total, err)
		}
	}
}

func TestParseOfferRefuses(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"no JSON":             "<html>",
		"an array":            "[]",
		"null":                "null",
		"another number":      `{"out_trade_no":"A2","total_amount":"1.00","subject":"s"}`,
		"number as integer":   `{"out_trade_no":1,"total_amount":"1.00","subject":"s"}`,
		"no amount":           `{"out_trade_no":"A1","subject":"s"}`,
		"null amount":         `{"out_trade_no":"A1","subject":"s","total_amount":null}`,
		"zero":                `{"out_trade_no":"A1","total_amount":"0.00","subject":"s"}`,
		"negative":            `{"out_trade_no":"A1","total_amount":"-1.00","subject":"s"}`,
		"three decimals":      `{"out_trade_no":"A1","total_amount":"1.001","subject":"s"}`,
		"exponent":            `{"out_trade_no":"A1","total_amount":1e2,"subject":"s"}`,
		"too much":            `{"out_trade_no":"A1","total_amount":"100000000.01","subject":"s"}`,
		"no subject":          `{"out_trade_no":"A1","total_amount":"1.00"}`,
		"blank subject":       `{"out_trade_no":"A1","total_amount":"1.00","subject":"  "}`,
		"long subject":        `{"out_trade_no":"A1","total_amount":"1.00","subject":"` + strings.Repeat("茶", 257) + `"}`,
		"control character":   `{"out_trade_no":"A1","total_amount":"1.00","subject":"a\nb"}`,
		"odd time_expire":     `{"out_trade_no":"A1","total_amount":"1.00","subject":"s","time_expire":"2026-03-14"}`,
		"odd timeout":         `{"out_trade_no":"A1","total_amount":"1.00","subject":"s","timeout_express":"1.5h"}`,
		"timeout too long":    `{"out_trade_no":"A1","total_amount":"1.00","subject":"s","timeout_express":"16d"}`,
		"passback too long":   `{"out_trade_no":"A1","total_amount":"1.00","subject":"s","passback_params":"` + strings.Repeat("p", 513) + `"}`,
		"subject is a number": `{"out_trade_no":"A1","total_amount":"1.00","subject":5}`,
	} {
		if o, err := trade.ParseOffer([]byte(in), "A1"); !errors.Is(err, trade.ErrOffer) {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 14, 2, 20, 0, 0, time.UTC) // 10:20 in Alipay's zone
	for name, tt := range map[string]struct {
		offer trade.Offer
		want  string
	}{
		"fallback":       {trade.Offer{}, "2026-03-14 11:20:00"},
		"absolute":       {trade.Offer{TimeExpire: "2026-03-15 00:00:01", TimeoutExpress: "1m"}, "2026-03-15 00:00:01"},
		"minutes":        {trade.Offer{TimeoutExpress: "90m"}, "2026-03-14 11:50:00"},
		"days":           {trade.Offer{TimeoutExpress: "15d"}, "2026-03-29 10:20:00"},
		"end of the day": {trade.Offer{TimeoutExpress: "1c"}, "2026-03-15 00:00:00"},
	} {
		if got := tt.offer.Expiry(now, time.Hour).Format(trade.TimeLayout); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestValidOutTradeNo(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"A1": true, "20190815155618536-564-57": true, "a_b": true, strings.Repeat("9", 64): true,
		"": false, strings.Repeat("9", 65): false, "a/b": false, "a b": false, "../x": false, "a&b": false, "é": false, "a\x00": false,
	} {
		if got := trade.ValidOutTradeNo(in); got != want {
			t.Errorf("ValidOutTradeNo(%q) = %v", in, got)
		}
	}
}

// FuzzParseOffer: whatever a shop answers, an offer that is accepted holds
// what page.pay demands.
func FuzzParseOffer(f *testing.F) {
	f.Add([]byte(`{"out_trade_no":"A1","total_amount":"88.88","subject":"茶"}`))
	f.Add([]byte(`{"out_trade_no":"A1","total_amount":1e9,"subject":"\ud800"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := trade.ParseOffer(data, "A1")
		if err != nil {
			return
		}
		if o.OutTradeNo != "A1" || o.Total < trade.MinAmount || o.Total > trade.MaxAmount ||
			strings.TrimSpace(o.Subject) == "" || strings.ContainsAny(o.Subject, "/=&\r\n") {
			t.Fatalf("accepted %+v", o)
		}
	})
}
