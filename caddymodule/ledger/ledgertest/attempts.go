// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"errors"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func attemptMakesOrder(s *subject) {
	k := order("A1")
	want, _ := trade.Order{}.Attempt(k, terms())
	same(s, "the order as returned", s.attempt(k), want)
	same(s, "the order as read", s.order(k), want)
}

func attemptsAreRemembered(s *subject) {
	k := order("A1")
	s.attempt(k)
	s.attempt(k, func(a *trade.Attempt) { a.At = bought.Add(time.Second) })
	dearer := s.attempt(k, func(a *trade.Attempt) { a.Total, a.At = 9999, bought.Add(time.Minute) })
	if len(dearer.Attempts) != 2 || dearer.Attempts[0].Count != 2 || dearer.Total != 9999 || !dearer.CreatedAt.Equal(bought) {
		s.Fatalf("after three attempts: %+v", dearer)
	}
	same(s, "the order as read", s.order(k), dearer)
	if out := s.record(says(k, trade.StatusSuccess)); out.Held == nil || out.Held.Reason != trade.ReasonOlderPrice {
		s.Fatalf("a payment of the older price: %+v", out)
	}
}

func attemptsAreRefused(s *subject) {
	tests := []struct {
		number string
		says   []trade.Status
		want   error
	}{
		{"paid", []trade.Status{trade.StatusSuccess}, trade.ErrPaid},
		{"closed", []trade.Status{trade.StatusClosed}, trade.ErrClosed},
		{"contradicted", []trade.Status{trade.StatusSuccess, trade.StatusClosed}, trade.ErrContradicted},
	}
	for _, tt := range tests {
		k := order(tt.number)
		s.attempt(k)
		for _, status := range tt.says {
			s.record(says(k, status))
		}
		before := s.order(k)
		o, err := s.Attempt(s.Context(), k, terms())
		if !errors.Is(err, tt.want) || errors.Is(err, ledger.ErrUnavailable) {
			s.Fatalf("attempt of a %s order: %v", tt.number, err)
		}
		same(s, "the order with the refusal", o, before)
		same(s, "the order after the refusal", s.order(k), before)
	}
}

func unknownNames(s *subject) {
	s.attempt(order("A1"))
	s.record(says(order("A1"), trade.StatusSuccess))
	for _, k := range []trade.Key{order("A2"), order("A"), order("A11"), {AppID: "2021", OutTradeNo: "A1"}, {}} {
		_, errOrder := s.Order(s.Context(), k)
		_, errUndelivered := s.Undelivered(s.Context(), k)
		for call, err := range map[string]error{
			"Order": errOrder, "Undelivered": errUndelivered, "Accept": s.Accept(s.Context(), k, 1, bought),
		} {
			if !errors.Is(err, ledger.ErrNotFound) {
				s.Errorf("%s of %v: %v", call, k, err)
			}
		}
	}
	for _, no := range []string{"20260314A2", "20260314A", "", "A1"} {
		if _, err := s.OrderByTradeNo(s.Context(), appID, no); !errors.Is(err, ledger.ErrNotFound) {
			s.Errorf("OrderByTradeNo of %q: %v", no, err)
		}
	}
}

// appsAreApart: an out_trade_no is unique within one app only.
func appsAreApart(s *subject) {
	one, two := order("A1"), trade.Key{AppID: "2021000000000002", OutTradeNo: "A1"}
	s.attempt(one)
	s.attempt(two)
	s.record(says(one, trade.StatusSuccess))
	if one, two := s.order(one), s.order(two); !one.Paid || two.Paid {
		s.Fatalf("paid: %v and %v", one.Paid, two.Paid)
	}
	if _, err := s.OrderByTradeNo(s.Context(), two.AppID, "20260314A1"); !errors.Is(err, ledger.ErrNotFound) {
		s.Errorf("the other app's trade number: %v", err)
	}
}
