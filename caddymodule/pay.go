// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/internal/failpoint"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// maxPayForm bounds the form that a shop's pay button posts, in bytes.
const maxPayForm = 64 << 10

// Texts for buyers, in the two languages of the product. handle_errors shows
// them as {err.message}.
var (
	errAlreadyPaid = errors.New("这个订单已经支付，请勿重复付款。 This order is already paid; please do not pay again.")
	errOrderClosed = errors.New("这个订单已经关闭，请重新下单。 This order is closed; please order again.")
	errOrderHeld   = errors.New("这个订单的付款正在人工核对，请联系商家。 A payment for this order is being checked; please contact the shop.")
	errTryLater    = errors.New("暂时无法付款，请稍后再试。 Paying is not possible right now; please try again in a minute.")
)

// servePay sends a buyer to the cashier. What is paid comes from the shop.
func (h *Handler) servePay(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return methodNotAllowed(w, "GET, POST")
	}
	form, err := payForm(w, r)
	if err != nil {
		return err
	}
	channel, err := channelOf(form.Get("channel"), r.Header)
	if err != nil {
		return err
	}
	offer, err := h.source.Offer(w, r, form, h.site)
	if err != nil {
		h.noise.Warn("no order to pay", zap.Error(err))
		return err
	}
	if offer == nil { // the shop has answered the browser
		h.account.meter.answered(payAnswered)
		return nil
	}
	setPlaceholder(r, "out_trade_no", offer.OutTradeNo)
	acc, err := h.payee(r.Context(), offer)
	if err != nil {
		return err
	}
	cashier, err := h.attempt(r.Context(), acc, offer, channel)
	if err != nil {
		return err
	}
	acc.meter.answered(paySent)
	return answerCashier(w, r, offer.OutTradeNo, cashier)
}

// attempt records that the buyer is sent to the cashier, then signs the way there.
func (h *Handler) attempt(ctx context.Context, acc *Account, offer *trade.Offer, channel string) (*gateway.Cashier, error) {
	now := failpoint.Now()
	expires := offer.Expiry(now, time.Duration(h.Expire))
	if !expires.After(now) || expires.Sub(now) > 15*24*time.Hour+time.Minute {
		err := fmt.Errorf("%w: time_expire %s is not within the next 15 days", trade.ErrOffer, offer.TimeExpire)
		h.logger.Warn("no order to pay", zap.Error(err))
		return nil, caddyhttp.Error(http.StatusBadGateway, err)
	}
	seller := offer.SellerID
	if seller == "" {
		seller = acc.SellerID
	}
	key := trade.Key{AppID: acc.AppID, OutTradeNo: offer.OutTradeNo}
	order, err := acc.ledger.Attempt(context.WithoutCancel(ctx), key, trade.Attempt{
		Total: offer.Total, SellerID: seller, PublicURL: h.site.PublicURL.String(), Channel: channel, At: now, ExpiresAt: expires,
	})
	switch {
	case errors.Is(err, trade.ErrPaid):
		return nil, caddyhttp.Error(http.StatusConflict, errAlreadyPaid)
	case errors.Is(err, trade.ErrClosed):
		return nil, caddyhttp.Error(http.StatusConflict, errOrderClosed)
	case errors.Is(err, trade.ErrContradicted):
		return nil, caddyhttp.Error(http.StatusConflict, errOrderHeld)
	case err != nil:
		h.logger.Error("cannot record the attempt to pay", zap.String("out_trade_no", key.OutTradeNo), zap.Error(err))
		return nil, caddyhttp.Error(http.StatusServiceUnavailable, errTryLater)
	}
	failpoint.Reach(failpoint.Attempted)
	acc.courier.Sent(&order)
	cashier, err := acc.gateway.PagePay(ctx, *offer, gateway.PayOptions{
		Channel: channel, ReturnURL: h.callback(h.Return), NotifyURL: h.callback(h.Notify), ExpiresAt: expires,
	})
	if err != nil {
		h.logger.Error("cannot sign the way to the cashier", zap.String("out_trade_no", key.OutTradeNo), zap.Error(err))
		return nil, caddyhttp.Error(http.StatusInternalServerError, errTryLater)
	}
	return cashier, nil
}

// payForm reads the parameters of /pay from the query and, for POST, the form.
// None may come twice: two readers could read two orders.
func payForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	form, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query of the pay link is not well-formed")
	}
	if r.Method == http.MethodPost && r.ContentLength != 0 {
		mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if mediaType != "application/x-www-form-urlencoded" {
			return nil, caddyhttp.Error(http.StatusUnsupportedMediaType,
				errors.New("the pay form has to be application/x-www-form-urlencoded"))
		}
		body, long, err := readBody(w, r, maxPayForm)
		switch {
		case long:
			return nil, caddyhttp.Error(http.StatusRequestEntityTooLarge, errors.New("the pay form is longer than 64 KiB"))
		case err != nil:
			return nil, badRequest("the pay form broke off")
		}
		posted, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, badRequest("the pay form is not well-formed")
		}
		for name, values := range posted {
			form[name] = append(form[name], values...)
		}
	}
	for _, name := range []string{"out_trade_no", "channel", "order"} {
		if len(form[name]) > 1 {
			return nil, badRequest(name + " is given twice")
		}
	}
	return form, nil
}

func badRequest(text string) error {
	return caddyhttp.Error(http.StatusBadRequest, errors.New(text))
}

// The two ways to pay, page for computers and wap for phones.
const (
	channelPage = "page"
	channelWap  = "wap"
)

// channelOf is the channel that was asked for or, absent, the one that fits the
// browser.
func channelOf(asked string, header http.Header) (string, error) {
	switch asked {
	case channelPage, channelWap:
		return asked, nil
	case "":
		if isPhone(header) {
			return channelWap, nil
		}
		return channelPage, nil
	}
	return "", badRequest("channel is neither page nor wap")
}

// isPhone reports whether the browser says it runs on a phone. Tablets have room
// for the computer's cashier.
func isPhone(header http.Header) bool {
	if hint := header.Get("Sec-CH-UA-Mobile"); hint != "" {
		return hint == "?1"
	}
	ua := header.Get("User-Agent")
	return strings.Contains(ua, "iPhone") || strings.Contains(ua, "Mobile") && !strings.Contains(ua, "iPad")
}
