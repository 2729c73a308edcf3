// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

// panelRows is how many orders the panel lists, the newest first. The control
// API lists all.
const panelRows = 100

// panelRoutes are the control panel for people.
func (s *Sandbox) panelRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.showPanel)
	mux.HandleFunc("GET /orders/{out_trade_no}", s.showOrder)
	for path, act := range map[string]func(*http.Request) error{
		"/orders/{out_trade_no}/pay":    func(r *http.Request) error { return s.Pay(r.PathValue("out_trade_no"), 1) },
		"/orders/{out_trade_no}/close":  func(r *http.Request) error { return s.CloseTrade(r.PathValue("out_trade_no")) },
		"/orders/{out_trade_no}/finish": func(r *http.Request) error { return s.Finish(r.PathValue("out_trade_no")) },
		"/notices/{id}/resend":          func(r *http.Request) error { return s.Resend(r.PathValue("id")) },
		"/clock":                        s.panelClock,
		"/faults":                       s.panelFaults,
		"/faults/add":                   s.panelAddFault,
		"/faults/clear":                 s.panelClearFaults,
	} {
		mux.HandleFunc("POST "+path, s.panelAction(act))
	}
}

// panelAction acts and leads back to where the form says.
func (s *Sandbox) panelAction(act func(*http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxControl)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "the form cannot be read", http.StatusBadRequest)
			return
		}
		query := url.Values{}
		if lang := r.PostForm.Get("lang"); lang == "zh" || lang == "en" {
			query.Set("lang", lang)
		}
		if err := act(r); err != nil {
			query.Set("error", err.Error())
		}
		target := "/"
		if back := r.PostForm.Get("order"); back != "" {
			target = "/orders/" + url.PathEscape(back)
		}
		if len(query) > 0 {
			target += "?" + query.Encode()
		}
		http.Redirect(w, r, target, http.StatusSeeOther)
	}
}

func (s *Sandbox) panelClock(r *http.Request) error {
	move, err := distance(0, r.PostForm.Get("duration"))
	if err != nil {
		return err
	}
	return s.Advance(r.Context(), move)
}

// panelData is what the panel's template shows.
type panelData struct {
	AppID     string
	SellerID  string
	Balance   string // the seller's
	Now       string
	Moves     []string
	Trades    []Trade
	Faults    Faults
	Text      string // the faults as JSON
	Catalogue []FaultInfo
	Form      faultForm
	Error     string
}

// Delivered counts the notices that the merchant has accepted.
func (t Trade) Delivered() int {
	count := 0
	for _, n := range t.Notices {
		if n.State == stateDelivered {
			count++
		}
	}
	return count
}

func (s *Sandbox) showPanel(w http.ResponseWriter, r *http.Request) {
	current := s.Faults()
	text, err := json.MarshalIndent(current, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	trades := s.latest(panelRows)
	slices.Reverse(trades)
	s.showPage(w, r, "panel", panelData{
		AppID: s.cfg.AppID, SellerID: s.cfg.SellerID, Balance: s.Accounts().Seller.Balance, Now: alipayTime(s.clock.Now()),
		Moves:  []string{"1m", "4m", "10m", "1h", "6h", "24h"},
		Trades: trades, Faults: current, Text: string(text),
		Catalogue: FaultCatalogue(), Form: faultForm{Catalogue: FaultCatalogue()}, Error: r.URL.Query().Get("error"),
	})
}

// orderData is what the page of one order shows.
type orderData struct {
	Trade
	Pretty []noticeData
	Own    []Fault // this order's faults
	Form   faultForm
	Error  string
}

// noticeData is a notice with its fields taken apart for reading.
type noticeData struct {
	Notice
	Rows []attemptData
}

type attemptData struct {
	Attempt
	When   string
	Fields []wire.Param
}

// fieldsOf takes a notice's body apart; what is no form stays whole.
func fieldsOf(body string) []wire.Param {
	if len(body) > maxControl {
		return nil
	}
	fields, err := wire.ParseForm(body)
	if err != nil {
		return []wire.Param{{Key: "", Value: body}}
	}
	for i := range fields {
		fields[i].Value = strings.ToValidUTF8(fields[i].Value, "\uFFFD")
	}
	return fields
}

func (s *Sandbox) showOrder(w http.ResponseWriter, r *http.Request) {
	trade, err := s.Trade(r.PathValue("out_trade_no"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	data := orderData{
		Trade: trade, Own: s.Faults().Orders[trade.OutTradeNo], Error: r.URL.Query().Get("error"),
		Form: faultForm{Order: trade.OutTradeNo, Catalogue: FaultCatalogue()},
	}
	for _, n := range trade.Notices {
		rows := make([]attemptData, 0, len(n.Attempts))
		for _, attempt := range n.Attempts {
			rows = append(rows, attemptData{attempt, alipayTime(attempt.At), fieldsOf(attempt.Request)})
		}
		data.Pretty = append(data.Pretty, noticeData{n, rows})
	}
	s.showPage(w, r, "order", data)
}
