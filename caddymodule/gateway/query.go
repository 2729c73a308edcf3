// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Query asks what Alipay knows of an order (alipay.trade.query, document
// 02ekfq). The error is ErrTradeNotExist, ErrUnknown, or a *GatewayError that
// may be neither. The statement has no seller: the answer names none.
func (g *Gateway) Query(ctx context.Context, outTradeNo string) (trade.Evidence, error) {
	const method = "alipay.trade.query"
	a, err := g.ask(ctx, method, map[string]any{"out_trade_no": outTradeNo}, func(a answer) error { return a.of(outTradeNo) })
	if err != nil {
		return trade.Evidence{}, err
	}
	return g.readQuery(outTradeNo, a)
}

func (g *Gateway) readQuery(outTradeNo string, a answer) (trade.Evidence, error) {
	if err := a.of(outTradeNo); err != nil {
		return trade.Evidence{}, err
	}
	return g.queried(outTradeNo, a.fields), nil
}

// of returns nil if the answer is a success for the given order. The signature
// covers neither the question nor the time: an answer for another order would
// verify as well.
func (a answer) of(outTradeNo string) error {
	if got := a.fields.text("out_trade_no"); got != outTradeNo && (got != "" || a.succeeded()) {
		return unknown("the answer is for another order")
	}
	if !a.succeeded() {
		return gatewayError(a)
	}
	return nil
}

func (g *Gateway) queried(outTradeNo string, f members) trade.Evidence {
	e := trade.Evidence{
		Source:     trade.SourceQuery,
		AppID:      g.appID,
		OutTradeNo: outTradeNo,
		TradeNo:    f.text("trade_no"),
		Status:     trade.Status(f.text("trade_status")),
		BuyerID:    f.text("buyer_user_id"),
		PaidAt:     parseTime(f.text("send_pay_date")),
		ReceivedAt: g.now(),
	}
	if e.BuyerID == "" {
		e.BuyerID = f.text("buyer_open_id")
	}
	if total, err := trade.ParseAmount(f.text("total_amount")); err == nil {
		e.Total = total
	}
	// A closed trade that has a time of payment was refunded in full; one
	// without was closed unpaid.
	if e.Status == trade.StatusClosed && f.text("send_pay_date") != "" {
		e.Refunded = e.Total
		e.RefundAmountMissing = e.Total == 0
	}
	return e
}

// call signs and sends one call, and returns the answer as it came.
func (g *Gateway) call(ctx context.Context, method string, biz map[string]any) ([]byte, error) {
	values, err := g.sign(ctx, method, nil, biz)
	if err != nil {
		return nil, notSent(err)
	}
	return g.send(ctx, values)
}

// notSent wraps ErrUnknown although the call was never made, so that callers
// have one kind of error for "ask again".
func notSent(err error) error { return fmt.Errorf("%w: not asked: %w", ErrUnknown, err) }

// send posts the call as Alipay's own SDKs do: biz_content as the body, all
// else, charset above all, in the URL's query.
func (g *Gateway) send(ctx context.Context, values url.Values) ([]byte, error) {
	form := url.Values{"biz_content": values["biz_content"]}
	values.Del("biz_content")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"?"+values.Encode(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, notSent(err)
	}
	req.Header.Set("Content-Type", formType+";charset=utf-8")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "caddy-alipay")
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, unknown(fmt.Sprintf("HTTP status %d", resp.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%w: the answer broke off: %w", ErrUnknown, err)
	}
	return body, nil
}

// withoutURL drops the URL that net/http puts into its errors: its query holds
// the signature.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
