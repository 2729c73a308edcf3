// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"net/http"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

// Trade is what the control API shows of one order. Field names are Alipay's;
// amounts are yuan with two decimals, times RFC 3339 in +08:00, absent ones "".
type Trade struct {
	OutTradeNo string `json:"out_trade_no"`
	TradeNo    string `json:"trade_no"` // "" before the first login
	// TradeStatus is Alipay's word; TRADE_NOT_EXIST before the first login, as
	// alipay.trade.query would answer.
	TradeStatus    string   `json:"trade_status"`
	TotalAmount    string   `json:"total_amount"`
	RefundedAmount string   `json:"refunded_amount"`
	Subject        string   `json:"subject"`
	Body           string   `json:"body"`
	ProductCode    string   `json:"product_code"`
	PassbackParams string   `json:"passback_params"`
	SellerID       string   `json:"seller_id"`
	BuyerID        string   `json:"buyer_id"`
	BuyerOpenID    string   `json:"buyer_open_id"`
	BuyerLogonID   string   `json:"buyer_logon_id"`
	NotifyURL      string   `json:"notify_url"`
	ReturnURL      string   `json:"return_url"`  // signed, once paid; Trade fills it, Trades does not
	CashierURL     string   `json:"cashier_url"` // path of the latest visit
	QRPage         string   `json:"qr_page"`     // path of the page with its code, of precreate only
	TimeExpire     string   `json:"time_expire"`
	GmtCreate      string   `json:"gmt_create"`
	GmtPayment     string   `json:"gmt_payment"`
	GmtClose       string   `json:"gmt_close"`
	Refunds        []Refund `json:"refunds"`
	Notices        []Notice `json:"notices"`
}

// Refund is one refund of a Trade.
type Refund struct {
	OutRequestNo string `json:"out_request_no"`
	RefundAmount string `json:"refund_amount"`
	RefundReason string `json:"refund_reason"`
	RefundFee    string `json:"refund_fee"` // the sum so far
	GmtRefund    string `json:"gmt_refund"`
}

// Notice is one message to the merchant with its attempts.
type Notice struct {
	ID          string    `json:"id"` // notify_id
	OutTradeNo  string    `json:"out_trade_no"`
	TradeStatus string    `json:"trade_status"`
	RefundFee   string    `json:"refund_fee"` // of a refund's notice
	State       string    `json:"state"`      // pending, delivered, given_up, withheld
	NotifyURL   string    `json:"notify_url"`
	Created     string    `json:"created"`
	NextAttempt string    `json:"next_attempt"`
	Attempts    []Attempt `json:"attempts"`
}

// Trades lists every order, in the order of their first appearance.
func (s *Sandbox) Trades() []Trade {
	return s.latest(maxOrders)
}

// latest lists the last orders, at most count.
func (s *Sandbox) latest(count int) []Trade {
	s.mu.Lock()
	defer s.mu.Unlock()
	orders := s.sequence[max(0, len(s.sequence)-count):]
	list := make([]Trade, 0, len(orders))
	for _, known := range orders {
		list = append(list, s.view(known))
	}
	return list
}

// Trade shows one order. It fails when its page was never opened.
func (s *Sandbox) Trade(outTradeNo string) (Trade, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, err := s.known(outTradeNo)
	if err != nil {
		return Trade{}, err
	}
	view := s.view(known)
	visit := known.payer
	if visit == nil {
		visit = known.latest()
	}
	if visit != nil {
		view.ReturnURL, err = s.returnURL(visit, s.trade(outTradeNo), visit.charset, false)
	}
	return view, err
}

func (s *Sandbox) known(outTradeNo string) (*order, error) {
	known := s.orders[outTradeNo]
	if known == nil {
		return nil, refuse(http.StatusNotFound,
			"no order %q: its pay page was not opened at this gateway, so Alipay would not know it", outTradeNo)
	}
	return known, nil
}

// Pay pays an order as a buyer would (1 to 5, see the package's documentation):
// it logs in if nobody did, in the latest opened page.
func (s *Sandbox) Pay(outTradeNo string, buyer int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, err := s.known(outTradeNo)
	if err != nil {
		return err
	}
	account, err := s.buyer(buyer)
	if err != nil {
		return err
	}
	if visit := known.latest(); visit != nil && s.trade(outTradeNo) == nil {
		if err := s.login(visit, account); err != nil {
			return err
		}
	}
	trade, err := s.begun(outTradeNo)
	if err != nil {
		return err
	}
	return s.pay(trade, account)
}

// CloseTrade closes an unpaid trade, as alipay.trade.close would.
func (s *Sandbox) CloseTrade(outTradeNo string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	trade, err := s.begun(outTradeNo)
	if err != nil {
		return err
	}
	return s.closeTrade(trade)
}

// Finish ends the time in which a paid trade can be refunded.
func (s *Sandbox) Finish(outTradeNo string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	trade, err := s.begun(outTradeNo)
	if err != nil {
		return err
	}
	return s.finish(trade)
}

func (s *Sandbox) begun(outTradeNo string) (*bank.Trade, error) {
	if _, err := s.known(outTradeNo); err != nil {
		return nil, err
	}
	trade := s.trade(outTradeNo)
	if trade == nil {
		return nil, refuse(http.StatusConflict, "nobody has logged in to pay %q yet, so there is no trade", outTradeNo)
	}
	return trade, nil
}

// Resend sends a notice once more, now, whatever became of it.
func (s *Sandbox) Resend(notifyID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.notices[notifyID]
	if n == nil {
		return refuse(http.StatusNotFound, "no notice %q", notifyID)
	}
	n.state = statePending
	s.send(n)
	return nil
}

// view shows an order under s.mu.
func (s *Sandbox) view(known *order) Trade {
	view := Trade{
		OutTradeNo: known.outTradeNo, TradeStatus: "TRADE_NOT_EXIST", RefundedAmount: "0.00",
		Refunds: []Refund{}, Notices: []Notice{},
	}
	if visit := known.latest(); visit != nil {
		view.CashierURL = "/cashier/" + visit.token
		if visit.product.method == precreate.method {
			view.QRPage = "/qr/" + visit.token + "/page"
		}
		view.describe(visit.asked)
	}
	if trade := s.trade(known.outTradeNo); trade != nil {
		view.fill(trade)
	}
	for _, n := range known.notices {
		view.Notices = append(view.Notices, n.view())
	}
	return view
}

func (t *Trade) describe(asked bank.Order) {
	t.TotalAmount, t.Subject, t.Body = asked.Total.String(), asked.Subject, asked.Body
	t.ProductCode, t.PassbackParams = asked.ProductCode, asked.PassbackParams
	t.SellerID, t.NotifyURL = asked.SellerID, asked.NotifyURL
	t.TimeExpire = controlTime(asked.Expire)
}

func (t *Trade) fill(trade *bank.Trade) {
	t.describe(trade.Order)
	t.TradeNo, t.TradeStatus = trade.TradeNo, string(trade.Status)
	t.RefundedAmount = trade.Refunded.String()
	t.BuyerID, t.BuyerOpenID, t.BuyerLogonID = trade.Buyer.UserID, trade.Buyer.OpenID, trade.Buyer.LogonID
	t.GmtCreate, t.GmtPayment = controlTime(trade.Created), controlTime(trade.Paid)
	t.GmtClose = controlTime(trade.Closed)
	for _, refund := range trade.Refunds {
		t.Refunds = append(t.Refunds, Refund{
			OutRequestNo: refund.RequestNo, RefundAmount: refund.Amount.String(),
			RefundReason: refund.Reason, RefundFee: refund.Total.String(), GmtRefund: controlTime(refund.At),
		})
	}
}

func (n *notice) view() Notice {
	return Notice{
		ID: n.id, OutTradeNo: n.order.outTradeNo, TradeStatus: string(n.status),
		RefundFee: n.content.Get("refund_fee"), State: n.state, NotifyURL: n.url,
		Created: controlTime(n.created), NextAttempt: controlTime(n.next),
		Attempts: append([]Attempt{}, n.attempts...),
	}
}
