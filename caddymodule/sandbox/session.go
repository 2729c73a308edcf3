// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

const (
	maxOrders   = 100_000 // orders that one sandbox remembers
	maxSessions = 32      // cashier visits kept per order; the oldest go
)

// order is what the sandbox knows of one out_trade_no since its page was first
// opened. The trade comes with the first login.
type order struct {
	outTradeNo string
	charset    string // of the first request, and so of its notices
	first      time.Time
	sessions   []*session
	notices    []*notice
	withheld   []*notice           // waits for a later notice to overtake it
	slow       map[string]bank.Fen // refunds that refund_slow holds, by number
	payer      *session            // the visit that paid, nil for Pay
	refunds    int                 // refund calls seen, for refund_full_once
}

// session is one visit to the cashier: one opening of the merchant's URL.
type session struct {
	token     string // in the cashier's address
	formToken string // in its forms
	product   product
	order     *order
	asked     bank.Order
	charset   string
	returnURL string
	quitURL   string
	express   bool // the time-out counts from the login
	buyer     *bank.Buyer
	cancelled bool
	scanned   bool  // its QR code's address was opened
	problem   error // why the last action failed
}

// openSession notes that a browser opened an order's page. It runs under s.mu.
func (s *Sandbox) openSession(visit session) (*session, error) {
	known := s.orders[visit.asked.OutTradeNo]
	if known == nil {
		var err error
		if known, err = s.addOrder(visit.asked.OutTradeNo, visit.charset); err != nil {
			return nil, err
		}
	}
	visit.token, visit.formToken, visit.order = randomToken(), randomToken(), known
	if len(known.sessions) == maxSessions {
		delete(s.sessions, known.sessions[0].token)
		known.sessions = known.sessions[1:]
	}
	known.sessions = append(known.sessions, &visit)
	s.sessions[visit.token] = &visit
	return &visit, nil
}

func (s *Sandbox) addOrder(outTradeNo, charset string) (*order, error) {
	if len(s.orders) >= maxOrders {
		return nil, bank.ErrSystem
	}
	known := &order{outTradeNo: outTradeNo, charset: charset, first: s.clock.Now()}
	s.orders[outTradeNo] = known
	s.sequence = append(s.sequence, known)
	return known, nil
}

// latest is the newest visit, nil if the order came without one.
func (o *order) latest() *session {
	if len(o.sessions) == 0 {
		return nil
	}
	return o.sessions[len(o.sessions)-1]
}

// trade is the order's trade, nil before the first login.
func (s *Sandbox) trade(outTradeNo string) *bank.Trade {
	trade, err := s.book.Find("", outTradeNo, s.clock.Now())
	if err != nil {
		return nil
	}
	return trade
}

// login makes the buyer's choice known; the trade begins here.
func (s *Sandbox) login(visit *session, buyer *bank.Buyer) error {
	asked, now := visit.asked, s.clock.Now()
	if visit.express && s.trade(asked.OutTradeNo) == nil {
		asked.Expire = now.Add(visit.asked.Expire.Sub(visit.order.first))
	}
	if _, err := s.openTrade(asked, buyer); err != nil {
		return err
	}
	visit.buyer, visit.cancelled = buyer, false
	return nil
}

// openTrade begins or takes up a trade and sees to its end in time.
func (s *Sandbox) openTrade(asked bank.Order, buyer *bank.Buyer) (*bank.Trade, error) {
	now := s.clock.Now()
	fresh := s.trade(asked.OutTradeNo) == nil
	trade, err := s.book.Open(asked, buyer, now)
	if err == nil && fresh {
		s.clock.AfterFunc(trade.Expire.Sub(now), func() { s.expireTrade(trade) })
	}
	return trade, err
}

// expireTrade closes an unpaid trade in time, also when nobody looks.
func (s *Sandbox) expireTrade(trade *bank.Trade) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.book.Expire(trade, s.clock.Now())
	// Somebody may have looked, and so closed it, a moment before this call.
	if trade.Status == bank.Closed && trade.Paid.IsZero() && trade.Closed.Equal(trade.Expire) {
		s.notifyClosed(trade)
	}
}

// pay moves the money and sends what follows from it.
func (s *Sandbox) pay(trade *bank.Trade, buyer *bank.Buyer) error {
	now := s.clock.Now()
	err := s.book.Pay(trade, buyer, now)
	if errors.Is(err, bank.ErrHasClose) && trade.Paid.IsZero() && s.has("paid_after_close", trade) {
		err = s.book.PayClosed(trade, buyer, now)
	}
	if err != nil {
		return err
	}
	s.notifyPaid(trade)
	s.clock.AfterFunc(s.cfg.FinishAfter, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = s.finish(trade) // refunded in full meanwhile: nothing to finish
	})
	return nil
}

func (s *Sandbox) finish(trade *bank.Trade) error {
	if err := s.book.Finish(trade, s.clock.Now()); err != nil {
		return err
	}
	s.notifyFinished(trade)
	return nil
}

func (s *Sandbox) closeTrade(trade *bank.Trade) error {
	if err := s.book.Close(trade, s.clock.Now()); err != nil {
		return err
	}
	s.notifyClosed(trade)
	return nil
}
