// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bank

import (
	"errors"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("CST", 8*3600))

func TestParseFen(t *testing.T) {
	for text, want := range map[string]Fen{
		"0.01": 1, "1": 100, "1.5": 150, "88.88": 8888, "100000000.00": MaxAmount, "007.10": 710,
	} {
		if got, err := ParseFen(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "0", "0.00", ".5", "1.", "1.001", "-1", "+1", "1e2", "1,000", " 1", "1 ", "１", "100000000.01",
		"9999999999", "0x10", "NaN", "1.0.0",
	} {
		if got, err := ParseFen(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
	for fen, want := range map[Fen]string{0: "0.00", 1: "0.01", 10: "0.10", 8888: "88.88", -5: "-0.05"} {
		if fen.String() != want {
			t.Errorf("%d is %q", int64(fen), fen)
		}
	}
}

// book has one order in the wanted state.
func book(t *testing.T, status Status) (*Book, *Trade) {
	t.Helper()
	b := NewBook(7)
	trade, err := b.Open(Order{OutTradeNo: "A1", Total: 10_000, Subject: "s", Expire: noon.Add(time.Hour)}, b.Buyers[0], noon)
	if err != nil {
		t.Fatal(err)
	}
	steps := map[Status][]func() error{
		WaitBuyerPay: nil,
		Success:      {func() error { return b.Pay(trade, b.Buyers[0], noon) }},
		Closed:       {func() error { return b.Close(trade, noon) }},
		Finished: {
			func() error { return b.Pay(trade, b.Buyers[0], noon) },
			func() error { return b.Finish(trade, noon) },
		},
	}
	for _, step := range steps[status] {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return b, trade
}

func TestEveryMoveFromEveryState(t *testing.T) {
	moves := map[string]func(*Book, *Trade) error{
		"pay":    func(b *Book, trade *Trade) error { return b.Pay(trade, b.Buyers[0], noon) },
		"close":  func(b *Book, trade *Trade) error { return b.Close(trade, noon) },
		"finish": func(b *Book, trade *Trade) error { return b.Finish(trade, noon) },
		"part": func(b *Book, trade *Trade) error {
			_, _, err := b.Refund(trade, Refund{RequestNo: "r1", Amount: 1}, noon)
			return err
		},
		"whole": func(b *Book, trade *Trade) error {
			_, _, err := b.Refund(trade, Refund{Amount: trade.Total}, noon)
			return err
		},
		"expire": func(b *Book, trade *Trade) error { b.Expire(trade, noon.Add(time.Hour)); return nil },
		"reopen": func(b *Book, trade *Trade) error {
			_, err := b.Open(trade.Order, b.Buyers[1], noon)
			return err
		},
	}
	type outcome struct {
		status Status
		err    *Error
	}
	for from, want := range map[Status]map[string]outcome{
		WaitBuyerPay: {
			"pay": {Success, nil}, "close": {Closed, nil}, "finish": {WaitBuyerPay, ErrStatus},
			"part": {WaitBuyerPay, ErrStatus}, "whole": {WaitBuyerPay, ErrStatus}, "expire": {Closed, nil},
			"reopen": {WaitBuyerPay, nil},
		},
		Success: {
			"pay": {Success, ErrHasSuccess}, "close": {Success, ErrStatus}, "finish": {Finished, nil},
			"part": {Success, nil}, "whole": {Closed, nil}, "expire": {Success, nil}, "reopen": {Success, ErrHasSuccess},
		},
		Closed: {
			"pay": {Closed, ErrHasClose}, "close": {Closed, ErrStatus}, "finish": {Closed, ErrStatus},
			"part": {Closed, ErrHasClose}, "whole": {Closed, ErrHasClose}, "expire": {Closed, nil},
			"reopen": {Closed, ErrHasClose},
		},
		Finished: {
			"pay": {Finished, ErrHasSuccess}, "close": {Finished, ErrStatus}, "finish": {Finished, ErrStatus},
			"part": {Finished, ErrHasFinished}, "whole": {Finished, ErrHasFinished}, "expire": {Finished, nil},
			"reopen": {Finished, ErrHasSuccess},
		},
	} {
		for name, end := range want {
			b, trade := book(t, from)
			err := moves[name](b, trade)
			if end.err == nil && err != nil || end.err != nil && !errors.Is(err, end.err) {
				t.Errorf("%s from %s: %v, want %v", name, from, err, end.err)
			}
			if trade.Status != end.status {
				t.Errorf("%s from %s ends as %s", name, from, trade.Status)
			}
		}
	}
}

func TestRefunds(t *testing.T) {
	b, trade := book(t, Success)
	buyer := b.Buyers[0].Balance
	refund := func(no string, amount Fen) (Refund, bool, error) {
		return b.Refund(trade, Refund{RequestNo: no, Amount: amount}, noon)
	}
	if done, moved, err := refund("r1", 3_000); err != nil || !moved || done.Total != 3_000 {
		t.Errorf("first: %+v, %t, %v", done, moved, err)
	}
	if _, moved, err := refund("r1", 3_000); err != nil || moved {
		t.Errorf("repeat: %t, %v", moved, err)
	}
	if _, _, err := refund("r1", 2_999); !errors.Is(err, ErrDiscordantRepeat) {
		t.Errorf("same number, other amount: %v", err)
	}
	if _, _, err := refund("", 3_000); !errors.Is(err, ErrRefundFee) {
		t.Errorf("a part without a number: %v", err)
	}
	if _, _, err := refund("r2", 7_001); !errors.Is(err, ErrRefundTooMuch) {
		t.Errorf("one fen over: %v", err)
	}
	if done, moved, err := refund("r2", 7_000); err != nil || !moved || done.Total != 10_000 || trade.Status != Closed {
		t.Errorf("the rest: %+v, %t, %v, %s", done, moved, err, trade.Status)
	}
	if _, moved, err := refund("r2", 7_000); err != nil || moved {
		t.Errorf("repeat after the close: %t, %v", moved, err)
	}
	if _, _, err := refund("r3", 1); !errors.Is(err, ErrHasClose) {
		t.Errorf("beyond the whole: %v", err)
	}
	if b.Seller != 0 || b.Buyers[0].Balance != buyer+10_000 {
		t.Errorf("the seller has %s, the buyer %s", b.Seller, b.Buyers[0].Balance)
	}
}

func TestBuyersWhoCannotPay(t *testing.T) {
	b, trade := book(t, WaitBuyerPay)
	if err := b.Pay(trade, b.Buyers[2], noon); !errors.Is(err, ErrBuyerBalance) {
		t.Errorf("no money: %v", err)
	}
	if err := b.Pay(trade, b.Buyers[4], noon); !errors.Is(err, ErrBuyerForbidden) {
		t.Errorf("blocked: %v", err)
	}
	if trade.Status != WaitBuyerPay || b.Seller != 0 {
		t.Errorf("%s, seller %s", trade.Status, b.Seller)
	}
	if err := b.Pay(trade, b.Buyers[3], noon.Add(time.Hour)); !errors.Is(err, ErrHasClose) {
		t.Errorf("at the last moment and no later: %v", err)
	}
}
