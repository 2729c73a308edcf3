// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

const (
	maxForm    = 8 << 10 // bytes of a cashier form
	returnWait = 3       // seconds that the paid page shows before it leads back
)

// cashierRoutes are the pages that a payer sees. Their forms carry a token.
func (s *Sandbox) cashierRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /cashier/{token}", s.showCashier)
	for name, act := range map[string]func(*session, url.Values) error{
		"login":  s.cashierLogin,
		"pay":    s.cashierPay,
		"cancel": s.cashierCancel,
		"logout": s.cashierLogout,
	} {
		mux.HandleFunc("POST /cashier/{token}/"+name, s.cashierAction(act))
	}
}

// servePayPage answers page.pay and wap.pay: it leads to the cashier, or shows
// the payer what is wrong. err is what the gateway's checks said.
func (s *Sandbox) servePayPage(w http.ResponseWriter, r *http.Request, req *request, err error) {
	var visit *session
	if err == nil {
		visit, err = s.enter(req, pageMethods[req.method])
	}
	if err != nil {
		s.showGatewayProblem(w, r, err)
		return
	}
	// A fresh address, so that reloading the cashier asks for no second order.
	http.Redirect(w, r, "/cashier/"+visit.token, http.StatusFound)
}

// enter checks an order and opens a visit to the cashier for it.
func (s *Sandbox) enter(req *request, way product) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	outTradeNo, _ := req.biz.text("out_trade_no")
	now := s.clock.Now()
	first := now
	if known := s.orders[outTradeNo]; known != nil && !way.fromLogin {
		first = known.first
	}
	asked, err := s.readOrder(req, way, first)
	if err != nil {
		return nil, err
	}
	visit := session{product: way, asked: asked, charset: req.charset}
	if visit.returnURL, err = returnTarget(req); err != nil {
		return nil, err
	}
	visit.quitURL, _ = req.biz.text("quit_url")
	if visit.quitURL != "" && checkURL(visit.quitURL, maxQuitURL) != "" {
		return nil, bank.Invalid("quit_url 应为 http 或 https 绝对地址")
	}
	express, _ := req.biz.text("timeout_express")
	absolute, _ := req.biz.text("time_expire")
	visit.express = way.fromLogin && express != "" && express != "1c" && absolute == ""
	if err := s.usable(asked); err != nil {
		return nil, err
	}
	return s.openSession(visit)
}

// returnTarget reads return_url. A query of the merchant's own may stand in it, but
// a method there would be the return's second one, which the gateway takes for an
// attack.
func returnTarget(req *request) (string, error) {
	text, err := callbackURL(req, "return_url")
	if err != nil || text == "" {
		return "", err
	}
	target, err := url.Parse(text)
	if err != nil {
		return "", bank.Invalid("return_url 应为 http 或 https 绝对地址")
	}
	if target.Query().Has("method") {
		return "", invalid("suspected-attack", "可疑的攻击请求：return_url 不能带 method 参数")
	}
	return text, nil
}

// usable says whether an order can still be paid.
func (s *Sandbox) usable(asked bank.Order) error {
	trade, err := s.book.Usable(asked, s.clock.Now())
	if errors.Is(err, bank.ErrHasClose) && s.looms("paid_after_close", trade) {
		return nil
	}
	return err
}

func (s *Sandbox) showCashier(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	visit := s.sessions[r.PathValue("token")]
	if visit == nil {
		s.mu.Unlock()
		s.showProblem(w, r, http.StatusNotFound, errNoVisit)
		return
	}
	view, err := s.cashierView(visit)
	s.mu.Unlock()
	if err != nil {
		s.showProblem(w, r, http.StatusOK, err)
		return
	}
	s.showPage(w, r, "cashier", view)
}

// errNoVisit is shown for an address of the cashier that is unknown or old.
var errNoVisit = errors.New("this visit to the cashier is over")

// cashierAction checks a form, acts and leads back to the page, so that a
// reload repeats nothing.
func (s *Sandbox) cashierAction(act func(*session, url.Values) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "the form cannot be read", http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		visit := s.sessions[r.PathValue("token")]
		allowed := visit != nil && r.PostForm.Get("session") == visit.formToken
		if allowed {
			visit.problem = act(visit, r.PostForm)
		}
		s.mu.Unlock()
		if !allowed {
			s.showProblem(w, r, http.StatusForbidden, errNoVisit)
			return
		}
		target := "/cashier/" + visit.token
		if lang := r.PostForm.Get("lang"); lang == "zh" || lang == "en" {
			target += "?lang=" + lang
		}
		http.Redirect(w, r, target, http.StatusSeeOther)
	}
}

func (s *Sandbox) cashierLogin(visit *session, form url.Values) error {
	number, err := strconv.Atoi(form.Get("buyer"))
	if err != nil {
		number = 0
	}
	buyer, err := s.buyer(number)
	if err != nil {
		return err
	}
	if trade := s.trade(visit.asked.OutTradeNo); trade != nil && trade.Status == bank.Closed &&
		trade.Paid.IsZero() && s.looms("paid_after_close", trade) {
		visit.buyer = buyer
		return nil
	}
	return s.login(visit, buyer)
}

func (s *Sandbox) cashierPay(visit *session, _ url.Values) error {
	trade := s.trade(visit.asked.OutTradeNo)
	if visit.buyer == nil || trade == nil {
		return nil // the page asks for the login again
	}
	err := s.pay(trade, visit.buyer)
	if err == nil {
		visit.order.payer = visit
	}
	if errors.Is(err, bank.ErrHasSuccess) {
		return nil // paid in another tab: the page says so
	}
	return err
}

// cashierCancel leaves the cashier. The trade stays open, as with Alipay: the
// buyer may come back until it expires.
func (s *Sandbox) cashierCancel(visit *session, _ url.Values) error {
	visit.cancelled = true
	return nil
}

func (s *Sandbox) cashierLogout(visit *session, _ url.Values) error {
	visit.buyer, visit.cancelled = nil, false
	return nil
}

// The steps of the cashier, by which its template chooses.
const (
	stepLogin     = "login"
	stepPay       = "pay"
	stepPaid      = "paid"
	stepClosed    = "closed"
	stepCancelled = "cancelled"
)

// cashierData is what the cashier's template shows.
type cashierData struct {
	Step      string
	Token     string
	FormToken string
	Merchant  string
	Asked     bank.Order
	TradeNo   string
	Expires   string
	Remaining int // seconds of real time, for the countdown
	Buyers    []*bank.Buyer
	Buyer     *bank.Buyer
	Poor      bool
	Problem   string // sub_code of what went wrong
	Text      string // its sub_msg
	Return    string
	Wait      int // seconds until the page leads back by itself
	Quit      string
}

// cashierView looks at a visit under s.mu.
func (s *Sandbox) cashierView(visit *session) (cashierData, error) {
	now := s.clock.Now()
	trade := s.trade(visit.asked.OutTradeNo)
	data := cashierData{
		Token: visit.token, FormToken: visit.formToken, Merchant: s.cfg.MerchantName,
		Asked: visit.asked, Quit: visit.quitURL,
	}
	for _, buyer := range s.book.Buyers { // copies: the page is rendered without s.mu
		shown := *buyer
		data.Buyers = append(data.Buyers, &shown)
		if buyer == visit.buyer {
			data.Buyer = &shown
		}
	}
	expire := visit.asked.Expire
	if trade != nil {
		data.TradeNo, expire = trade.TradeNo, trade.Expire
	}
	data.Expires = alipayTime(expire)
	data.Remaining = s.realSeconds(expire.Sub(now))
	if known := (*bank.Error)(nil); errors.As(visit.problem, &known) {
		data.Problem, data.Text = known.Code, known.Text
	}
	data.Step = s.step(visit, trade, !now.Before(expire))
	if data.Step == stepPay {
		data.Poor = visit.buyer.Balance < trade.Total
	}
	if data.Step != stepPaid {
		return data, nil
	}
	data.Wait = returnWait
	if fault, ok := s.strikes("return_late", trade.OutTradeNo, ""); ok {
		data.Wait = int(fault.Delay.or(30*time.Second) / time.Second)
	}
	var err error
	data.Return, err = s.spoiledReturnURL(visit, trade)
	return data, err
}

func (s *Sandbox) step(visit *session, trade *bank.Trade, expired bool) string {
	closable := trade == nil || !s.looms("paid_after_close", trade)
	switch {
	case trade != nil && !trade.Paid.IsZero():
		return stepPaid
	case closable && (expired || trade != nil && trade.Status == bank.Closed):
		return stepClosed
	case visit.cancelled:
		return stepCancelled
	case visit.buyer == nil || trade == nil:
		return stepLogin
	}
	return stepPay
}

// realSeconds turns a time on the gateway's clock into the browser's.
func (s *Sandbox) realSeconds(d time.Duration) int {
	if s.ownClock != nil && s.cfg.Speed > 0 {
		d = time.Duration(float64(d) / s.cfg.Speed)
	}
	return int((max(d, 0) + time.Second - 1) / time.Second) // 0 only when it is over
}
