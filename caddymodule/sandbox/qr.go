// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"net/http"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

// stepScanned is the QR page's step between the scan and the login.
const stepScanned = "scanned"

// qrRoutes are the address in qr_code, which the buyer scans, and a page that
// shows it as a shop's till would.
func (s *Sandbox) qrRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /qr/{token}", s.scan)
	mux.HandleFunc("GET /qr/{token}/page", s.showQR)
	mux.HandleFunc("GET /qr/{token}/state", s.showQRState)
}

// scan leads from a QR code's address to the cashier.
func (s *Sandbox) scan(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	visit := s.sessions[r.PathValue("token")]
	if visit != nil {
		visit.scanned = true
	}
	s.mu.Unlock()
	if visit == nil {
		s.showProblem(w, r, http.StatusNotFound, errNoVisit)
		return
	}
	target := "/cashier/" + visit.token
	if r.URL.Query().Has("lang") {
		target += "?lang=" + language(r)
	}
	http.Redirect(w, r, target, http.StatusFound)
}

// qrData is what the QR page shows.
type qrData struct {
	Step     string
	Token    string
	Address  string // what the code says
	Picture  string // the code as an SVG path
	Size     int    // its width and height in units
	Merchant string
	Asked    bank.Order
	TradeNo  string
	Expires  string
}

// showQR shows the code of an order that alipay.trade.precreate made, and
// follows its state.
func (s *Sandbox) showQR(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	visit := s.sessions[r.PathValue("token")]
	if visit == nil {
		s.mu.Unlock()
		s.showProblem(w, r, http.StatusNotFound, errNoVisit)
		return
	}
	data := qrData{
		Step: s.qrStep(visit), Token: visit.token, Merchant: s.cfg.MerchantName, Asked: visit.asked,
		Address: "http://" + r.Host + "/qr/" + visit.token, Expires: alipayTime(visit.asked.Expire),
	}
	if trade := s.trade(visit.asked.OutTradeNo); trade != nil {
		data.TradeNo, data.Expires = trade.TradeNo, alipayTime(trade.Expire)
	}
	s.mu.Unlock()
	var err error
	if data.Picture, data.Size, err = qrPicture(data.Address); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.showPage(w, r, "qr", data)
}

// showQRState answers {"step": "…"}: login, scanned, pay, paid or closed.
func (s *Sandbox) showQRState(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	visit := s.sessions[r.PathValue("token")]
	step := ""
	if visit != nil {
		step = s.qrStep(visit)
	}
	s.mu.Unlock()
	if visit == nil {
		s.reply(w, nil, refuse(http.StatusNotFound, "%v", errNoVisit))
		return
	}
	s.reply(w, map[string]string{"step": step}, nil)
}

// qrStep is the cashier's step as a till sees it, under s.mu: a buyer who has
// cancelled may come back.
func (s *Sandbox) qrStep(visit *session) string {
	trade := s.trade(visit.asked.OutTradeNo)
	expire := visit.asked.Expire
	if trade != nil {
		expire = trade.Expire
	}
	step := s.step(visit, trade, !s.clock.Now().Before(expire))
	if step == stepCancelled || step == stepLogin && visit.scanned {
		return stepScanned
	}
	return step
}
