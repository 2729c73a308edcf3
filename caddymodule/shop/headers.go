// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// The headers that tell the shop what was proved. A client can send none of
// them: Strip removes whatever begins with X-Alipay-, in any spelling.
const (
	HeaderOutTradeNo     = "X-Alipay-Trade-Out-Trade-No"    // the shop's order number
	HeaderTradeNo        = "X-Alipay-Trade-No"              // Alipay's trade number
	HeaderStatus         = "X-Alipay-Trade-Status"          // in Alipay's words; absent while nothing is proved
	HeaderTotalAmount    = "X-Alipay-Trade-Total-Amount"    // yuan, two decimals
	HeaderRefundedAmount = "X-Alipay-Trade-Refunded-Amount" // yuan, two decimals
	HeaderAppID          = "X-Alipay-Trade-App-Id"
	HeaderSellerID       = "X-Alipay-Trade-Seller-Id"
	HeaderBuyerID        = "X-Alipay-Trade-Buyer-Id"
	HeaderPaidAt         = "X-Alipay-Trade-Paid-At"   // RFC 3339, +08:00
	HeaderSource         = "X-Alipay-Trade-Source"    // notify, query, refund, bill; return while nothing is proved
	HeaderEvent          = "X-Alipay-Trade-Event"     // deliveries only
	HeaderEventID        = "X-Alipay-Trade-Event-Id"  // deliveries only; the same at every redelivery
	HeaderSequence       = "X-Alipay-Trade-Sequence"  // 1, 2, 3… per order
	HeaderAssertion      = "X-Alipay-Trade-Assertion" // all of the above and more, signed: a compact JWS
	HeaderAck            = "X-Alipay-Trade-Ack"       // in the shop's answer: the event id, if the site is strict
)

// SourceReturn is the value of HeaderSource when the buyer came back and
// nothing has proved a payment yet.
const SourceReturn = "return"

// SetOrder sets what is proved of an order. Values that are not known are left
// out: an absent header says "not proved", an empty one would say nothing.
func SetOrder(h http.Header, o *trade.Order) {
	set(h, HeaderOutTradeNo, o.OutTradeNo)
	set(h, HeaderAppID, o.AppID)
	status := o.Status()
	if status == trade.StatusNone || o.Contradicted {
		set(h, HeaderSource, SourceReturn)
		return
	}
	set(h, HeaderSource, string(o.Source))
	set(h, HeaderStatus, string(status))
	set(h, HeaderRefundedAmount, o.Refunded().String())
	setTrade(h, o)
	if o.Sequence > 0 {
		set(h, HeaderSequence, strconv.Itoa(o.Sequence))
	}
}

// SetEvent sets what a delivery tells: the order, in its state at the event.
func SetEvent(h http.Header, o *trade.Order, e *trade.Event) {
	set(h, HeaderOutTradeNo, o.OutTradeNo)
	set(h, HeaderAppID, o.AppID)
	set(h, HeaderSource, string(e.Source))
	set(h, HeaderStatus, string(e.Status))
	set(h, HeaderRefundedAmount, e.Refunded.String())
	setTrade(h, o)
	set(h, HeaderEvent, string(e.Type))
	set(h, HeaderEventID, e.ID)
	set(h, HeaderSequence, strconv.Itoa(e.Sequence))
}

func setTrade(h http.Header, o *trade.Order) {
	set(h, HeaderTradeNo, o.TradeNo)
	set(h, HeaderTotalAmount, o.Total.String())
	set(h, HeaderSellerID, o.SellerID)
	set(h, HeaderBuyerID, o.BuyerID)
	if !o.PaidAt.IsZero() {
		set(h, HeaderPaidAt, o.PaidAt.In(trade.Zone).Format(time.RFC3339))
	}
}

// set stores a value under a name that is canonical already.
func set(h http.Header, name, value string) {
	if value != "" {
		h[name] = []string{clean(value)}
	}
}

// clean percent-encodes whatever may not stand in a header: control characters
// and all that is not ASCII. What Alipay signs is not for us to alter, and
// dropping characters would make two different values one.
func clean(s string) string {
	if !strings.ContainsFunc(s, unfit) {
		return s
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; unfit(rune(c)) {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func unfit(r rune) bool { return r < ' ' || r > '~' }
