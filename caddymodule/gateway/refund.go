// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Refund names one refund of one trade. Whoever repeats it repeats every member:
// the same number with the same amount is the same refund at Alipay.
type Refund struct {
	OutTradeNo string
	TradeNo    string // Alipay's number; where it is known, it names the trade
	RequestNo  string // out_request_no, unique within the trade; always sent
	Amount     trade.Amount
	Reason     string // refund_reason, "" for none

	// Known is the sum that the trade's refunds had reached before this one, as
	// far as anybody knew. An answer that states less than both together is one to
	// an earlier refund.
	Known trade.Amount
}

// trade names the trade to Alipay.
func (r *Refund) trade() map[string]any {
	if r.TradeNo != "" {
		return map[string]any{"trade_no": r.TradeNo}
	}
	return map[string]any{"out_trade_no": r.OutTradeNo}
}

// of returns nil if an answer is a success for the refund's trade.
func (r *Refund) of(a answer) error {
	if err := a.of(r.OutTradeNo); err != nil {
		return err
	}
	if got := a.fields.text("trade_no"); got != r.TradeNo && r.TradeNo != "" && got != "" {
		return unknown("the answer is for another trade")
	}
	return nil
}

// Refund gives money back (alipay.trade.refund, document 02ekfs). It sends no
// member beyond those that it needs: the document warns that others may make a
// refund fail, or happen twice.
//
// The error is one of two kinds. One that wraps ErrUnknown says nothing about the
// money; RefundQuery may know more, and the very same refund may be sent again.
// Any other is a *GatewayError: Alipay has refused this call. An answer of 10000
// without fund_change=Y is no success: this call moved nothing, an earlier one
// perhaps did.
func (g *Gateway) Refund(ctx context.Context, r Refund) (trade.Evidence, error) {
	const method = "alipay.trade.refund"
	biz := r.trade()
	biz["out_request_no"], biz["refund_amount"] = r.RequestNo, r.Amount.String()
	if r.Reason != "" {
		biz["refund_reason"] = r.Reason
	}
	a, err := g.ask(ctx, method, biz, r.of)
	if err != nil {
		return trade.Evidence{}, err
	}
	return g.readRefund(&r, a)
}

func (g *Gateway) readRefund(r *Refund, a answer) (trade.Evidence, error) {
	if err := r.of(a); err != nil {
		return trade.Evidence{}, refusal(err)
	}
	f := a.fields
	if f.text("fund_change") != "Y" {
		return trade.Evidence{}, unknown("the refund is accepted, but this call moved no money")
	}
	sum, err := trade.ParseAmount(f.text("refund_fee"))
	if err != nil {
		return trade.Evidence{}, unknown("the answer names no refund_fee")
	}
	if sum < r.Amount || sum < r.Known+r.Amount {
		return trade.Evidence{}, unknown("the answer's refund_fee is too small to be for this refund")
	}
	e := g.refunded(r, f)
	e.Refunded, e.RefundAmount = sum, r.Amount
	return e, nil
}

// refunded is what answers about a refund have in common. That a trade was
// refunded proves that it was paid; its total no such answer has to name.
func (g *Gateway) refunded(r *Refund, f members) trade.Evidence {
	e := trade.Evidence{
		Source:          trade.SourceRefund,
		AppID:           g.appID,
		OutTradeNo:      r.OutTradeNo,
		TradeNo:         f.text("trade_no"),
		Status:          trade.StatusSuccess,
		BuyerID:         f.text("buyer_user_id"),
		RefundRequestNo: r.RequestNo,
		RefundedAt:      parseTime(f.text("gmt_refund_pay")),
		ReceivedAt:      g.now(),
	}
	if e.TradeNo == "" {
		e.TradeNo = r.TradeNo
	}
	if e.BuyerID == "" {
		e.BuyerID = f.text("buyer_open_id")
	}
	if e.RefundedAt.IsZero() {
		e.RefundedAt = e.ReceivedAt
	}
	return e
}

// refusal makes an error unknown unless Alipay documents that the call is refused
// by it. An unsigned error rests on TLS alone and decides nothing about money.
func refusal(err error) error {
	ge, ok := errors.AsType[*GatewayError](err)
	if !ok || errors.Is(err, ErrUnknown) {
		return err
	}
	if ge.Signed && (ge.BeforeBusiness() || ge.Code == "40004" && refusals[ge.name()]) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

// UnlistedRefusal takes the answer out of an error that is unknown only because
// Alipay's document on refunds does not list it: signed, 40004 (the business system
// has refused), and none of those that leave the result open. Repeated for long
// enough, while RefundQuery knows no such refund, it is a refusal.
func UnlistedRefusal(err error) (*GatewayError, bool) {
	ge, ok := errors.AsType[*GatewayError](err)
	if !ok || !ge.Signed || ge.Code != "40004" || ge.Is(ErrUnknown) || refusals[ge.name()] {
		return nil, false
	}
	return ge, true
}

// BeforeBusiness reports whether the gateway refused a call by itself, for its
// form, its signature or the app's permissions: this very call has reached no
// business system, and says nothing of an earlier one.
func (e *GatewayError) BeforeBusiness() bool {
	switch e.Code {
	case "20001", "40001", "40002", "40003", "40006":
		return !e.Is(ErrUnknown)
	}
	return false
}

// refusals are the errors that the document on alipay.trade.refund lists, without
// their prefix and without SYSTEM_ERROR. What is not among them is not known to
// be a refusal.
var refusals = map[string]bool{
	"INVALID_PARAMETER": true, "SELLER_BALANCE_NOT_ENOUGH": true, "DISCORDANT_REPEAT_REQUEST": true,
	"REASON_TRADE_REFUND_FEE_ERR": true, "REFUND_AMT_NOT_EQUAL_TOTAL": true, "REFUND_FEE_ERROR": true,
	"TRADE_HAS_FINISHED": true, "TRADE_HAS_CLOSE": true, "TRADE_STATUS_ERROR": true,
	"REASON_TRADE_STATUS_INVALID": true, "TRADE_NOT_EXIST": true, "TRADE_NOT_ALLOW_REFUND": true,
	"NOT_ALLOW_PARTIAL_REFUND": true, "ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND": true, "REFUND_CHARGE_ERROR": true,
	"REASON_TRADE_BEEN_FREEZEN": true, "BUYER_ERROR": true, "BUYER_ENABLE_STATUS_FORBID": true,
	"BUYER_NOT_EXIST": true, "CUSTOMER_VALIDATE_ERROR": true, "USER_NOT_MATCH_ERR": true,
	"REFUND_ACCOUNT_NOT_EXIST": true, "CURRENCY_NOT_SUPPORT": true, "ALLOC_AMOUNT_VALIDATE_ERROR": true,
	"TRADE_SETTLE_ERROR": true, "REFUNDALLOC_UNAUTH_LIMIT": true, "REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST": true,
	"OVERDRAFT_AGREEMENT_NOT_MATCH": true, "OVERDRAFT_ASSIGN_ACCOUNT_INVALID": true, "ENTERPRISE_PAY_BIZ_ERROR": true,
}
