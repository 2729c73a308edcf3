// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bank

import (
	"fmt"
	"time"
)

// Book holds every trade of one merchant. It is not safe for concurrent use.
type Book struct {
	Buyers []*Buyer
	Seller Fen // the merchant's balance

	byOutNo   map[string]*Trade
	byTradeNo map[string]*Trade
	serial    uint64
}

// NewBook returns an empty book with the test buyers. Trade numbers count on
// from serial, taken modulo 10^15: a random one keeps them unlike those of an
// earlier run, which a merchant's ledger may remember.
func NewBook(serial uint64) *Book {
	return &Book{
		serial:    serial % 1_000_000_000_000_000,
		Buyers:    Buyers(),
		byOutNo:   map[string]*Trade{},
		byTradeNo: map[string]*Trade{},
	}
}

// Find looks a trade up as alipay.trade.query does: by trade_no when that is
// given, else by out_trade_no. A trade whose time is over is closed first.
func (b *Book) Find(tradeNo, outTradeNo string, now time.Time) (*Trade, error) {
	trade := b.byOutNo[outTradeNo]
	if tradeNo != "" {
		trade = b.byTradeNo[tradeNo]
	}
	if trade == nil {
		return nil, ErrNotExist
	}
	b.expire(trade, now)
	return trade, nil
}

// Len is the number of trades.
func (b *Book) Len() int { return len(b.byOutNo) }

// zone is Alipay's: its numbers begin with the day there.
var zone = time.FixedZone("CST", 8*3600)

// tradeNo makes Alipay's number: the day, a product mark, a serial; 28 digits.
func (b *Book) tradeNo(now time.Time) string {
	b.serial++
	return fmt.Sprintf("%s2200%016d", now.In(zone).Format("20060102"), 1_000_000_000_000_000+b.serial)
}
