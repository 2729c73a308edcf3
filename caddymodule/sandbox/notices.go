// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

// The states of a notice.
const (
	statePending   = "pending"   // an attempt is due or under way
	stateDelivered = "delivered" // the merchant answered success
	stateGivenUp   = "given_up"  // the schedule is over
	stateWithheld  = "withheld"  // a fault keeps it back
)

// notice is one message to the merchant with all its attempts. Retries keep
// the id.
type notice struct {
	id       string
	order    *order
	trade    *bank.Trade
	url      string
	charset  string
	status   bank.Status
	content  wire.Params // UTF-8, without notify_time and sign
	created  time.Time
	state    string
	next     time.Time       // when the next attempt is due; zero: never
	gaps     []time.Duration // until the attempts that are left
	attempts []Attempt
}

// Attempt is one delivery of a notice.
type Attempt struct {
	At           time.Time `json:"at"`            // on the gateway's clock
	URL          string    `json:"url"`           // where it was posted to
	Request      string    `json:"request"`       // the body as sent, cut at 64 KiB
	Status       int       `json:"status"`        // HTTP status, 0 without an answer
	AnswerHeader string    `json:"answer_header"` // its lines, cut at 8 KiB
	Answer       string    `json:"answer"`        // its body, cut at 64 KiB
	Took         string    `json:"took"`          // of real time, until the answer was there
	Error        string    `json:"error"`         // why it did not count, "" on success
}

func (s *Sandbox) notifyPaid(trade *bank.Trade) {
	content := s.content(trade)
	s.notify(trade, content)
	if s.has("paid_twice", trade) {
		twin := append(wire.Params(nil), content...)
		s.notify(trade, twin.Set("trade_no", trade.TradeNo[:len(trade.TradeNo)-9]+"999999999"))
	}
}

// notifyRefund tells of a refund: refund_fee is the sum so far, out_biz_no the
// refund's number; a full refund is TRADE_CLOSED (facts of the notify pages).
func (s *Sandbox) notifyRefund(trade *bank.Trade, refund bank.Refund) {
	if !s.faults.current.Switches.NotifyRefund {
		return
	}
	content := s.content(trade)
	content = append(content,
		wire.Param{Key: "out_biz_no", Value: refund.RequestNo},
		wire.Param{Key: "refund_fee", Value: refund.Total.String()},
		wire.Param{Key: "send_back_fee", Value: refund.Amount.String()},
		wire.Param{Key: "gmt_refund", Value: refund.At.In(zone).Format(timeLayout + ".000")})
	s.notify(trade, content)
}

func (s *Sandbox) notifyClosed(trade *bank.Trade) {
	if s.faults.current.Switches.NotifyClosed {
		s.notify(trade, s.content(trade))
	}
}

func (s *Sandbox) notifyFinished(trade *bank.Trade) {
	if s.faults.current.Switches.NotifyFinished {
		s.notify(trade, s.content(trade))
	}
}

// content is the body of a trade_status_sync notice as the trade stands.
func (s *Sandbox) content(trade *bank.Trade) wire.Params {
	var content wire.Params
	set := func(key, value string) {
		if value != "" {
			content = append(content, wire.Param{Key: key, Value: value})
		}
	}
	set("gmt_create", alipayTime(trade.Created))
	set("subject", trade.Subject)
	set("body", trade.Body)
	if trade.Buyer.OpenID != "" {
		set("buyer_open_id", trade.Buyer.OpenID)
	} else {
		set("buyer_id", trade.Buyer.UserID)
	}
	set("buyer_logon_id", trade.Buyer.LogonID)
	set("seller_id", trade.SellerID)
	set("seller_email", "seller@sandbox.test")
	set("total_amount", trade.Total.String())
	if !trade.Paid.IsZero() {
		total := trade.Total.String()
		set("gmt_payment", alipayTime(trade.Paid))
		set("invoice_amount", total)
		set("receipt_amount", total)
		set("buyer_pay_amount", total)
		set("point_amount", "0.00")
		set("fund_bill_list", fmt.Sprintf(`[{"amount":"%s","fundChannel":"ALIPAYACCOUNT"}]`, total))
	}
	if trade.Status == bank.Closed {
		set("gmt_close", alipayTime(trade.Closed))
	}
	set("passback_params", trade.PassbackParams)
	set("notify_type", "trade_status_sync")
	set("out_trade_no", trade.OutTradeNo)
	set("trade_no", trade.TradeNo)
	set("trade_status", string(trade.Status))
	set("app_id", s.cfg.AppID)
	set("auth_app_id", s.cfg.AppID)
	set("version", "1.0")
	set("sign_type", "RSA2")
	return content
}

// notify records a notice and sends it, under s.mu. A merchant that gave no
// notify_url gets none.
func (s *Sandbox) notify(trade *bank.Trade, content wire.Params) {
	known := s.orders[trade.OutTradeNo]
	if trade.NotifyURL == "" || known == nil {
		return
	}
	n := &notice{
		id: notifyID(s.clock.Now()), order: known, trade: trade, url: trade.NotifyURL,
		charset: known.charset, status: trade.Status, created: s.clock.Now(), state: statePending,
		gaps: retryGaps,
	}
	if s.faults.current.Switches.NotifyRetriesAtOnce {
		n.gaps = append([]time.Duration{0, 0, 0}, retryGaps...)
	}
	n.content = append(slices.Clip(content), wire.Param{Key: "notify_id", Value: n.id})
	known.notices = append(known.notices, n)
	s.notices[n.id] = n
	s.dispatch(n)
}

// notifyID looks like Alipay's: the day, then digits; 34 in all.
func notifyID(now time.Time) string {
	var raw [23]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	for i := range raw {
		raw[i] = '0' + raw[i]%10
	}
	return now.In(zone).Format("20060102") + "222" + string(raw[:])
}
