// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package teashop

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// This file is all that the shop has to do with Alipay. It trusts the request
// headers X-Alipay-Trade-*, for Caddy in front of it deletes whatever a client
// sends under such names, and nothing but Caddy can reach the shop.

// lookUp tells Caddy what an order costs: GET /alipay/orders/{out_trade_no}.
// The request carries the visitor's cookies, so the shop decides who may pay.
// Any answer but 200 goes to the visitor's browser as it is.
func (s *Shop) lookUp(w http.ResponseWriter, r *http.Request) {
	number := r.PathValue("out_trade_no")
	customer := s.customer(r)
	if customer == "" {
		http.Redirect(w, r, "/login?next="+url.QueryEscape("/orders/"+number), http.StatusSeeOther)
		return
	}
	order, found := s.orders.find(number)
	switch {
	case !found || order.Customer != customer:
		s.notFound(w, r)
	case order.Payment.State() != Unpaid:
		s.settled(w, r, order)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{ // Caddy says so if it cannot read this
			"out_trade_no": order.Number,
			"total_amount": yuan(order.Amount),
			"subject":      order.Subject(),
			"quit_url":     s.publicURL + "/orders/" + order.Number, // the way back of a buyer who gives up
		})
	}
}

// delivered is told what happened to an order: POST /pay/notify. Caddy repeats
// a delivery until it is answered success, so the same may come twice, and the
// sequence says what is news. success is answered once the order is saved.
func (s *Shop) delivered(w http.ResponseWriter, r *http.Request) {
	sequence, err := strconv.Atoi(r.Header.Get("X-Alipay-Trade-Sequence"))
	if err != nil || sequence < 1 {
		http.Error(w, "fail: no X-Alipay-Trade-Sequence", http.StatusBadRequest)
		return
	}
	news := Payment{
		Sequence: sequence,
		Status:   r.Header.Get("X-Alipay-Trade-Status"),
		TradeNo:  r.Header.Get("X-Alipay-Trade-No"),
		Refunded: r.Header.Get("X-Alipay-Trade-Refunded-Amount"),
		PaidAt:   r.Header.Get("X-Alipay-Trade-Paid-At"),
		Source:   r.Header.Get("X-Alipay-Trade-Source"),
	}
	found, err := s.orders.update(r.Header.Get("X-Alipay-Trade-Out-Trade-No"), func(o *Order) {
		if o.Payment.Sequence < sequence {
			o.Payment = news
		}
	})
	switch {
	case err != nil:
		s.log.Error("an order cannot be saved", "error", err)
		http.Error(w, "fail: the order cannot be saved", http.StatusServiceUnavailable)
	case !found:
		http.Error(w, "fail: no such order", http.StatusNotFound)
	default:
		_, _ = w.Write([]byte("success")) // if it gets lost, the delivery comes again
	}
}

// returned welcomes the buyer back: GET /pay/return. It only shows what the
// headers prove by now; recording is for delivered. Without a status nothing is
// proved yet, and the page asks again by itself.
func (s *Shop) returned(w http.ResponseWriter, r *http.Request) {
	number := r.Header.Get("X-Alipay-Trade-Out-Trade-No")
	if number == "" { // not through Caddy: nothing is proved
		s.notFound(w, r)
		return
	}
	proved := Payment{
		Status:   r.Header.Get("X-Alipay-Trade-Status"),
		TradeNo:  r.Header.Get("X-Alipay-Trade-No"),
		Refunded: r.Header.Get("X-Alipay-Trade-Refunded-Amount"),
		PaidAt:   r.Header.Get("X-Alipay-Trade-Paid-At"),
	}
	s.show(w, r, http.StatusOK, "return", returnPage{
		Number: number, Amount: r.Header.Get("X-Alipay-Trade-Total-Amount"),
		Payment: proved, Headers: tradeHeaders(r.Header),
	})
}

// tradeHeaders lists the verified headers, for the page to show how the shop knows.
func tradeHeaders(h http.Header) []header {
	var list []header
	for name, values := range h {
		if strings.HasPrefix(name, "X-Alipay-Trade-") {
			list = append(list, header{name, strings.Join(values, ", ")})
		}
	}
	slices.SortFunc(list, func(a, b header) int { return strings.Compare(a.Name, b.Name) })
	return list
}
