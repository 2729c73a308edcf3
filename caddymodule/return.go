// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/internal/failpoint"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/tracing"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// errReturn is what a buyer reads whose way back could not be verified. It does
// not say that nothing was paid: that is not known.
var errReturn = errors.New("无法确认这次跳转，请在一分钟后查看订单，不要重复付款。" +
	" We could not verify this return; please look at your order in a minute, and do not pay again.")

const (
	// noticeGrace is how long a return waits for the notice, which often is on
	// its way at the same moment, before Alipay is asked.
	noticeGrace = 300 * time.Millisecond
	// askTimeout is how long a buyer waits for Alipay's answer to a query.
	askTimeout = 5 * time.Second
)

// serveReturn takes the buyer's way back. Its signature proves where the buyer
// comes from and no payment: what the shop is told comes from the ledger, or
// from asking Alipay.
func (h *Handler) serveReturn(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.Method != http.MethodGet {
		h.account.meter.answered(returnBadMethod)
		return methodNotAllowed(w, "GET")
	}
	acc := h.addressee([]byte(r.URL.RawQuery))
	_, span := tracing.Start(r.Context(), spanVerify)
	ret, err := acc.gateway.Verifier().Return(r.URL.RawQuery)
	span.End(ret.OutTradeNo, verified(err), err == nil)
	if err != nil {
		reason, detail := rejection(err)
		h.diagnoseReturn(acc, reason, r.URL.RawQuery)
		return h.refuseReturn(reason, detail)
	}
	key := trade.Key{AppID: acc.AppID, OutTradeNo: ret.OutTradeNo}
	order, err := acc.ledger.Order(r.Context(), key)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return h.refuseReturn(reasonUnknownOrder, "the order was never sent to the cashier")
	case err != nil:
		acc.meter.answered(returnUnavailable)
		h.logger.Error("cannot read an order", zap.String("out_trade_no", key.OutTradeNo), zap.Error(err))
		return caddyhttp.Error(http.StatusServiceUnavailable, errReturn)
	}
	if reason := misfit(&order, &ret); reason != "" {
		return h.refuseReturn(reason, "the signed return does not fit its order")
	}
	h.prove(r.Context(), acc, &order)
	if order.Paid {
		acc.meter.answered(returnPaid)
	} else {
		acc.meter.answered(returnUnproved)
	}
	failpoint.Reach(failpoint.Answering)
	shop.SetOrder(r.Header, &order)
	if err := h.site.AssertReturn(r.Context(), r.Header); err != nil {
		h.logger.Error("cannot sign what is proved of an order", zap.String("out_trade_no", key.OutTradeNo), zap.Error(err))
		return caddyhttp.Error(http.StatusServiceUnavailable, errReturn)
	}
	caddyhttp.SetVar(r.Context(), verifiedVar, true)
	setTradePlaceholders(r, &order)
	return next.ServeHTTP(w, r)
}

func (h *Handler) refuseReturn(reason, detail string) error {
	h.account.meter.rejected(routeReturn, reason)
	h.noise.Warn("refused a return", zap.String("reason", reason), zap.String("detail", detail))
	return caddyhttp.Error(http.StatusBadRequest, errReturn)
}

// misfit says in one word what of a signed return contradicts the order.
func misfit(o *trade.Order, ret *gateway.Return) string {
	want := o.Latest().SellerID
	switch {
	case ret.Total != o.Total:
		return reasonTotal
	case want != "" && ret.SellerID != "" && ret.SellerID != want:
		return reasonSeller
	case o.Paid && ret.TradeNo != o.TradeNo:
		return reasonTrade
	}
	return ""
}

// prove waits a moment for the notice if nothing has proved a payment yet, then
// asks Alipay. If nothing answers, the order is left with nothing proved.
func (h *Handler) prove(ctx context.Context, acc *Account, o *trade.Order) {
	if o.Paid || o.Contradicted || acc.awaitNotice(ctx, o) {
		return
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	log := h.logger.With(zap.String("out_trade_no", o.OutTradeNo))
	out, err := acc.courier.AskUnlessProved(asking, acc.gateway, o.Key())
	if err != nil {
		log.Warn("could not ask Alipay about an order", zap.Error(err))
		*o = trade.Order{AppID: o.AppID, OutTradeNo: o.OutTradeNo}
		return
	}
	*o = out.Order
}

// awaitNotice reports whether the order is proved paid within noticeGrace.
func (a *Account) awaitNotice(ctx context.Context, o *trade.Order) bool {
	news, end := a.courier.Watch(o.Key())
	defer func() { end() }()
	grace := time.NewTimer(noticeGrace)
	defer grace.Stop()
	for {
		// read only now that the watch is on: nothing falls between the two
		if now, err := a.ledger.Order(ctx, o.Key()); err == nil {
			*o = now
		}
		if o.Paid || o.Contradicted {
			return true
		}
		select {
		case <-news:
			end()
			news, end = a.courier.Watch(o.Key())
		case <-grace.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
