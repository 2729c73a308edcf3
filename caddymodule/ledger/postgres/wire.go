// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

// The types of this file are what the jsonb columns hold. Their names are part of
// the schema: an older binary leaves out what it does not know, so a field that
// has to survive one needs a migration. Zero values are left out.

// body is of an order what no column and no index holds.
type body struct {
	Attempts     []attempt `json:"attempts,omitempty"`
	SellerID     text      `json:"seller_id,omitempty"`
	BuyerID      text      `json:"buyer_id,omitempty"`
	PaidAt       *instant  `json:"paid_at,omitempty"`
	ClosedAt     *instant  `json:"closed_at,omitempty"`
	Refunds      []refund  `json:"refunds,omitempty"`
	Source       text      `json:"source,omitempty"`
	Waiting      bool      `json:"waiting,omitempty"`
	Paid         bool      `json:"paid,omitempty"`
	Finished     bool      `json:"finished,omitempty"`
	Closed       bool      `json:"closed,omitempty"`
	Contradicted bool      `json:"contradicted,omitempty"`
	Intents      []intent  `json:"intents,omitempty"`
}

type attempt struct {
	Total     int64    `json:"total"`
	SellerID  text     `json:"seller_id,omitempty"`
	PublicURL text     `json:"public_url,omitempty"`
	Channel   text     `json:"channel,omitempty"`
	At        *instant `json:"at,omitempty"`
	ExpiresAt *instant `json:"expires_at,omitempty"`
	Count     int      `json:"count,omitempty"`
}

type refund struct {
	RequestNo text     `json:"request_no,omitempty"`
	Sum       int64    `json:"sum"`
	Amount    int64    `json:"amount,omitempty"`
	At        *instant `json:"at,omitempty"`
}

type intent struct {
	RequestNo text     `json:"request_no,omitempty"`
	Amount    int64    `json:"amount"`
	Reason    text     `json:"reason,omitempty"`
	At        *instant `json:"at,omitempty"`
	Outcome   text     `json:"outcome,omitempty"`
	SettledAt *instant `json:"settled_at,omitempty"`
	Failure   text     `json:"failure,omitempty"`
}

type agenda struct {
	TellAt       *instant `json:"tell_at,omitempty"`
	Refusals     int      `json:"refusals,omitempty"`
	RefusedSince *instant `json:"refused_since,omitempty"`
	Refusal      text     `json:"refusal,omitempty"`
	AskAt        *instant `json:"ask_at,omitempty"`
	Asked        int      `json:"asked,omitempty"`
	RefundAt     *instant `json:"refund_at,omitempty"`
	RefundTries  int      `json:"refund_tries,omitempty"`
}

type telling struct {
	Sequence     int      `json:"sequence"`
	AcceptedAt   *instant `json:"accepted_at,omitempty"`
	Refusals     int      `json:"refusals,omitempty"`
	RefusedSince *instant `json:"refused_since,omitempty"`
	Refusal      text     `json:"refusal,omitempty"`
}

// facts are of evidence what has no column of its own.
type facts struct {
	AppID               text     `json:"app_id,omitempty"`
	OutTradeNo          text     `json:"out_trade_no,omitempty"`
	TradeNo             text     `json:"trade_no,omitempty"`
	Source              text     `json:"source,omitempty"`
	Status              text     `json:"status,omitempty"`
	Total               int64    `json:"total,omitempty"`
	SellerID            text     `json:"seller_id,omitempty"`
	BuyerID             text     `json:"buyer_id,omitempty"`
	Refunded            int64    `json:"refunded,omitempty"`
	RefundAmountMissing bool     `json:"refund_amount_missing,omitempty"`
	RefundAmount        int64    `json:"refund_amount,omitempty"`
	RefundRequestNo     text     `json:"refund_request_no,omitempty"`
	PaidAt              *instant `json:"paid_at,omitempty"`
	RefundedAt          *instant `json:"refunded_at,omitempty"`
	ClosedAt            *instant `json:"closed_at,omitempty"`
	ReceivedAt          *instant `json:"received_at,omitempty"`
	NotifyID            text     `json:"notify_id,omitempty"`
}

type decision struct {
	Word      text     `json:"word"`
	At        *instant `json:"at,omitempty"`
	PublicURL text     `json:"public_url,omitempty"`
	RequestNo text     `json:"request_no,omitempty"`
	Outcome   text     `json:"outcome,omitempty"`
	Failure   text     `json:"failure,omitempty"`
}
