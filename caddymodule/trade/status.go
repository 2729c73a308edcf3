// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade

// Status is a trade's state in Alipay's words, as far as it has been proved.
type Status string

// The states of alipay.trade.query and of the notify's trade_status.
const (
	StatusNone     Status = "" // nothing proved: the buyer was sent to the cashier, or not even that
	StatusWait     Status = "WAIT_BUYER_PAY"
	StatusSuccess  Status = "TRADE_SUCCESS"
	StatusFinished Status = "TRADE_FINISHED"
	StatusClosed   Status = "TRADE_CLOSED"
)

// Known reports whether s is one of Alipay's four states.
func (s Status) Known() bool {
	switch s {
	case StatusWait, StatusSuccess, StatusFinished, StatusClosed:
		return true
	}
	return false
}

// Source says what proved a fact.
type Source string

// The sources, best first: where several prove the same, the order names the
// first of this list that did.
const (
	SourceNotify Source = "notify"
	SourceQuery  Source = "query"
	SourceRefund Source = "refund"
	SourceBill   Source = "bill"
)

func (s Source) rank() int {
	switch s {
	case SourceNotify:
		return 1
	case SourceQuery:
		return 2
	case SourceRefund:
		return 3
	case SourceBill:
		return 4
	}
	return 5
}
