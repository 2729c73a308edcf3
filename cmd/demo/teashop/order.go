// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package teashop

import (
	"fmt"
	"time"
)

// Order is one order. Amount is in fen, what the customer saw when ordering.
type Order struct {
	Number   string    `json:"number"`
	Customer string    `json:"customer"`
	Tea      string    `json:"tea"` // a Tea's Slug
	Quantity int       `json:"quantity"`
	Amount   int64     `json:"amount"`
	Created  time.Time `json:"created"`
	Payment  Payment   `json:"payment,omitzero"`
}

// Payment is what the shop was last told of an order's payment.
type Payment struct {
	Sequence int    `json:"sequence"` // of the news that brought this; 0: none came yet
	Status   string `json:"status"`
	TradeNo  string `json:"trade_no"`
	Refunded string `json:"refunded"` // yuan, two decimals
	PaidAt   string `json:"paid_at"`  // RFC 3339
	Source   string `json:"source"`
}

// zone is the shop's own: whatever it shows is in China's time.
var zone = time.FixedZone("CST", 8*3600)

// State is how the shop reads a Payment.
type State string

// The states of an order.
const (
	Unpaid   State = "unpaid"
	Paid     State = "paid"
	Refunded State = "refunded" // in full
	Closed   State = "closed"   // ended unpaid
)

// State reads the trade's status.
func (p Payment) State() State {
	switch p.Status {
	case "TRADE_SUCCESS", "TRADE_FINISHED":
		return Paid
	case "TRADE_CLOSED":
		if p.PartRefunded() {
			return Refunded
		}
		return Closed
	}
	return Unpaid
}

// PartRefunded reports whether anything was given back.
func (p Payment) PartRefunded() bool { return p.Refunded != "" && p.Refunded != "0.00" }

// When is PaidAt for people.
func (p Payment) When() string {
	at, err := time.Parse(time.RFC3339, p.PaidAt)
	if err != nil {
		return ""
	}
	return at.In(zone).Format("2006-01-02 15:04:05")
}

// Title names what was ordered.
func (o Order) Title(lang string) string {
	tea, ok := find(o.Tea)
	if !ok {
		return o.Tea
	}
	if lang == "en" {
		return fmt.Sprintf("%s × %d", tea.English, o.Quantity)
	}
	return fmt.Sprintf("%s × %d", tea.Name, o.Quantity)
}

// Subject names what was ordered, for the cashier. It is the same in every
// language: Alipay refuses an order whose subject changes between two attempts
// to pay it.
func (o Order) Subject() string {
	tea, ok := find(o.Tea)
	if !ok {
		return o.Tea
	}
	return fmt.Sprintf("%s %s × %d", tea.Name, tea.English, o.Quantity)
}

// yuan writes fen as yuan with two decimals.
func yuan(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }
