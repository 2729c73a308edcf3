// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade

import "time"

// maxAttempts bounds how many prices an order remembers. The latest one counts;
// the older ones only tell an old cashier page from a wrong amount.
const maxAttempts = 16

// Key names an order: out_trade_no is unique within one app only.
type Key struct {
	AppID      string
	OutTradeNo string
}

// Attempt is one sending of the buyer to the cashier.
type Attempt struct {
	Total     Amount
	SellerID  string    // who must be paid; "" if the seller is not checked
	PublicURL string    // the site at which the order was bought
	Channel   string    // page or wap
	At        time.Time // by our clock
	ExpiresAt time.Time // time_expire as sent; zero if only Alipay knows it
	Count     int       // how often the buyer was sent with these same terms
}

// Order is all that is known of one out_trade_no. Attempts and Intents are what
// we have asked for; what stands between them and Sequence is derived from
// evidence by Fold, and a person's Decision, alone.
type Order struct {
	AppID      string
	OutTradeNo string
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Attempts   []Attempt // oldest first, at most 16

	TradeNo  string
	Total    Amount // as paid; the latest attempt's before
	SellerID string
	BuyerID  string
	PaidAt   time.Time
	ClosedAt time.Time
	Refunds  []Refund // by Sum, ascending
	Source   Source   // what proved the payment or, before it, the state

	Waiting  bool // the trade exists at Alipay and waits for its buyer
	Paid     bool
	Finished bool // paid and no longer refundable
	Closed   bool // ended unpaid

	// Contradicted: signed statements exclude each other (paid and closed
	// unpaid, two trades paid). Nothing more is told until a person decides.
	Contradicted bool

	Intents []RefundIntent // refunds asked for, oldest first

	Sequence int // events caused so far
	Accepted int // events the shop has accepted: those with a Sequence up to this

	Agenda
}

// Key is the order's name.
func (o *Order) Key() Key { return Key{AppID: o.AppID, OutTradeNo: o.OutTradeNo} }

// Exists reports whether this order was ever sent to the cashier.
func (o *Order) Exists() bool { return len(o.Attempts) > 0 }

// Latest is the attempt that a payment has to match.
func (o *Order) Latest() Attempt {
	if len(o.Attempts) == 0 {
		return Attempt{}
	}
	return o.Attempts[len(o.Attempts)-1]
}

// PublicURL is the site whose shop is told of this order's events.
func (o *Order) PublicURL() string { return o.Latest().PublicURL }

// Refunded is the sum that Alipay has stated as refunded.
func (o *Order) Refunded() Amount {
	if len(o.Refunds) == 0 {
		return 0
	}
	return o.Refunds[len(o.Refunds)-1].Sum
}

// Status is the state as proved, in Alipay's words.
func (o *Order) Status() Status {
	switch {
	case o.Paid && o.Refunded() >= o.Total:
		return StatusClosed
	case o.Paid && o.Finished:
		return StatusFinished
	case o.Paid:
		return StatusSuccess
	case o.Closed:
		return StatusClosed
	case o.Waiting:
		return StatusWait
	}
	return StatusNone
}

// Undelivered reports whether events wait for the shop.
func (o *Order) Undelivered() bool { return o.Accepted < o.Sequence }
