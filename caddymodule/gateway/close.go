// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import "context"

// CloseTrade closes a trade that its buyer has not paid (alipay.trade.close,
// document 02o6e8). The error is ErrTradeNotExist if no buyer has opened it, so
// that there is nothing to close, ErrUnknown, or a *GatewayError: a trade that
// was paid meanwhile is not closed, and only a query tells.
func (g *Gateway) CloseTrade(ctx context.Context, outTradeNo string) error {
	const method = "alipay.trade.close"
	a, err := g.ask(ctx, method, map[string]any{"out_trade_no": outTradeNo}, func(a answer) error { return a.of(outTradeNo) })
	if err != nil {
		return err
	}
	return a.of(outTradeNo)
}
