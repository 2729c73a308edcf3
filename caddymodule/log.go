// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// What an operator has to know who may have no idea of notices, in the two
// languages of the product.
const (
	noticesSilent = "支付宝的异步通知收不到了：最近几笔付款都是主动查询才得知的。没有丢单，但商店会晚得知付款。" +
		"请检查 notify_url 能否从公网访问（不能跳转，证书须有效），防火墙或 CDN 是否放行支付宝，日志里有没有 refused a notice。 " +
		"Alipay's notices have stopped arriving: the last payments became known only by asking. None is lost, but the shop hears of them late. " +
		"Check that notify_url can be reached from the internet (no redirect, a valid certificate), " +
		"that no firewall or CDN keeps Alipay out, and whether this log says refused a notice"
	noticesHeard = "支付宝的异步通知恢复了。 Alipay's notices are arriving again"
)

func aboutSilence(s courier.Silence) []zap.Field {
	return []zap.Field{zap.String("notify_url", s.NotifyURL), zap.Time("since", s.Since), zap.Int("payments_learnt_by_asking", s.Payments)}
}

// observer logs what the courier does by itself. Order numbers may appear, buyers
// and signatures do not.
func observer(log *zap.Logger) *courier.Observer {
	return &courier.Observer{
		Told: func(d *ledger.Delivery, _ time.Duration, err error) {
			level, message := zap.InfoLevel, "told the shop of an event"
			if err != nil {
				level, message = zap.WarnLevel, "the shop has not accepted an event; it will be delivered again"
			}
			if c := log.Check(level, message); c != nil {
				c.Write(zap.String("out_trade_no", d.Order.OutTradeNo), zap.String("event", string(d.Event.Type)),
					zap.String("event_id", d.Event.ID), zap.Int("sequence", d.Event.Sequence),
					zap.String("source", string(d.Event.Source)), zap.Int("refusals", d.Order.Refusals), zap.Error(err))
			}
		},
		Asked: func(k trade.Key, out *ledger.Outcome, err error) {
			log := log.With(zap.String("out_trade_no", k.OutTradeNo))
			switch {
			case errors.Is(err, gateway.ErrUnknown):
				log.Warn("Alipay's answer about an order is not known; it will be asked again", zap.Error(err))
			case err != nil:
				log.Warn("could not ask Alipay about an order", zap.Error(err))
			default:
				for i := range out.Events {
					log.Info("learnt by asking", zap.String("event", string(out.Events[i].Type)), zap.String("event_id", out.Events[i].ID))
				}
			}
		},
		Silent: func(s courier.Silence) { log.Error(noticesSilent, aboutSilence(s)...) },
		Heard:  func(s courier.Silence) { log.Warn(noticesHeard, aboutSilence(s)...) },
		Refunded: func(k trade.Key, i *trade.RefundIntent, err error) {
			log := log.With(zap.String("out_trade_no", k.OutTradeNo), zap.String("out_request_no", i.RequestNo))
			switch i.Outcome {
			case trade.RefundSucceeded:
				log.Info("Alipay has refunded")
			case trade.RefundFailed:
				log.Warn("Alipay has refused a refund", zap.String("sub_code", i.Failure))
			default:
				log.Warn("the outcome of a refund is not known; Alipay will be asked", zap.Error(err))
			}
		},
		Trouble: func(what string, k trade.Key, err error) {
			log.Error(what, zap.String("out_trade_no", k.OutTradeNo), zap.Error(err))
		},
	}
}

// logUndelivered logs why a notice's events were not told, where the courier has
// not said so itself.
func logUndelivered(log *zap.Logger, err error) {
	switch {
	case errors.Is(err, shop.ErrRefused): // Told has logged it
	case errors.Is(err, courier.ErrNoSite):
		log.Warn("the order's site is not in this configuration; its events wait for a Caddy that has it", zap.Error(err))
	case errors.Is(err, courier.ErrWithheld):
		log.Warn("the order is held; its events wait for a person", zap.Error(err))
	default:
		log.Error("could not deliver an event; it will be delivered again", zap.Error(err))
	}
}
