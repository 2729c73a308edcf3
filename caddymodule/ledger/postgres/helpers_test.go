// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	testApp    = "2021000000000001"
	testSeller = "2088102146225135"
	testSite   = "https://shop.example.com"
)

func numbered(i int) trade.Key { return trade.Key{AppID: testApp, OutTradeNo: fmt.Sprintf("N%07d", i)} }

// terms are those of an order of 88.88.
func terms(at time.Time) trade.Attempt {
	return trade.Attempt{
		Total: 8888, SellerID: testSeller, PublicURL: testSite, Channel: "page", At: at, ExpiresAt: at.Add(time.Hour),
	}
}

// noticeBody is as long as Alipay's notices are.
var noticeBody = []byte(strings.Repeat("gmt_create=2026-03-14+10%3A56%3A22&", 40))[:1380]

// notice says that the order is paid.
func notice(k trade.Key) trade.Evidence {
	now := time.Now()
	return trade.Evidence{
		Source: trade.SourceNotify, AppID: k.AppID, OutTradeNo: k.OutTradeNo, TradeNo: "20260314" + k.OutTradeNo,
		Status: trade.StatusSuccess, Total: 8888, SellerID: testSeller, BuyerID: "2088101111111111",
		PaidAt: now.Truncate(time.Second), ReceivedAt: now, NotifyID: "2026031400222155624068450559358070",
		Raw: noticeBody, ContentType: "application/x-www-form-urlencoded; charset=utf-8",
	}
}

// refundNotice says that so much of the order is refunded.
func refundNotice(k trade.Key, sum trade.Amount) trade.Evidence {
	e := notice(k)
	e.Refunded, e.RefundRequestNo, e.RefundedAt = sum, fmt.Sprint("R", sum), e.PaidAt
	return e
}

func buy(t testing.TB, l ledger.Ledger, k trade.Key) trade.Order {
	t.Helper()
	o, err := l.Attempt(context.Background(), k, terms(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func pay(t testing.TB, l ledger.Ledger, k trade.Key) ledger.Outcome {
	t.Helper()
	return record(t, l, notice(k))
}

func record(t testing.TB, l ledger.Ledger, e trade.Evidence) ledger.Outcome {
	t.Helper()
	out, err := l.Record(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about that %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
