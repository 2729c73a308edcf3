// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// ErrRefundNotExist: Alipay knows no such refund. It was not received, or it
// failed; asked less than 10 s after it was sent, it may still come.
var ErrRefundNotExist = errors.New("no such refund is known to Alipay")

// RefundQuery asks what has become of a refund (alipay.trade.fastpay.refund.query,
// document 02ekft). The statement names the amount of this one refund and no sum.
// The error is ErrRefundNotExist, ErrUnknown, or a *GatewayError that says that
// the question itself was refused.
func (g *Gateway) RefundQuery(ctx context.Context, r Refund) (trade.Evidence, error) {
	const method = "alipay.trade.fastpay.refund.query"
	biz := r.trade()
	biz["out_request_no"] = r.RequestNo
	biz["query_options"] = []string{"gmt_refund_pay"}
	a, err := g.ask(ctx, method, biz, r.of)
	if err != nil {
		return trade.Evidence{}, err
	}
	return g.readRefundQuery(&r, a)
}

func (g *Gateway) readRefundQuery(r *Refund, a answer) (trade.Evidence, error) {
	f := a.fields
	if a.succeeded() && f.text("refund_status") == "" && f.text("refund_amount") == "" {
		return trade.Evidence{}, r.absent(f)
	}
	if err := r.of(a); err != nil {
		if ge, ok := errors.AsType[*GatewayError](err); ok && ge.Signed && ge.Is(ErrTradeNotExist) {
			return trade.Evidence{}, ErrRefundNotExist
		}
		return trade.Evidence{}, err
	}
	if f.text("out_request_no") != r.RequestNo {
		return trade.Evidence{}, unknown("the answer is for another refund")
	}
	if f.text("refund_status") != "REFUND_SUCCESS" {
		return trade.Evidence{}, unknown("the refund is in a state that no document names")
	}
	amount, err := trade.ParseAmount(f.text("refund_amount"))
	if err != nil {
		return trade.Evidence{}, unknown("the answer names no refund_amount")
	}
	e := g.refunded(r, f)
	e.RefundAmount = amount
	return e, nil
}

// absent reads the answer about a refund that Alipay does not know: 10000, and
// nothing of the refund. The numbers, where it names any, have to be the ones that
// were asked for.
func (r *Refund) absent(f members) error {
	for name, want := range map[string]string{"out_trade_no": r.OutTradeNo, "out_request_no": r.RequestNo, "trade_no": r.TradeNo} {
		if got := f.text(name); got != "" && want != "" && got != want {
			return unknown("the answer is for another refund")
		}
	}
	return ErrRefundNotExist
}
