// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// outcome is how a request on one of the handler's own paths ended.
type outcome int

const (
	paySent        outcome = iota // to the cashier
	payAnswered                   // by the shop itself: not found, log in, …
	payPaid                       // already
	payClosed                     // already
	payHeld                       // statements about the order contradict each other
	payBadRequest                 // what the browser sent makes no sense
	payBadOrder                   // the shop's look-up did not work or told no order
	payUnavailable                // the ledger is
	payFailed                     // signing, above all

	returnPaid        // a payment is proved
	returnUnproved    // nothing proves one yet
	returnRejected    // not Alipay's, or not of this order
	returnBadMethod   // not a GET
	returnUnavailable // the ledger is

	notifyTold        // recorded, and the shop has accepted what it caused
	notifyKnown       // nothing to tell: a repeat, or a state without an event
	notifyHeld        // for a person
	notifyUndelivered // recorded; the shop has not accepted, the courier goes on
	notifyNoSite      // recorded; the order's site is not in this configuration
	notifyWithheld    // recorded; the order is held
	notifyUnavailable // the ledger is: nothing was recorded
	notifyRejected    // not Alipay's, or not for this app

	privateHidden // the shop's look-up, asked for from outside

	numOutcomes
)

// outcomes are the words of the metric's labels.
var outcomes = [numOutcomes]struct {
	route route
	word  string
}{
	paySent:        {routePay, "sent"},
	payAnswered:    {routePay, "answered_by_shop"},
	payPaid:        {routePay, "already_paid"},
	payClosed:      {routePay, "already_closed"},
	payHeld:        {routePay, "held"},
	payBadRequest:  {routePay, "bad_request"},
	payBadOrder:    {routePay, "bad_order"},
	payUnavailable: {routePay, "ledger_unavailable"},
	payFailed:      {routePay, "failed"},

	returnPaid:        {routeReturn, "paid"},
	returnUnproved:    {routeReturn, "unproved"},
	returnRejected:    {routeReturn, "rejected"},
	returnBadMethod:   {routeReturn, "bad_request"},
	returnUnavailable: {routeReturn, "ledger_unavailable"},

	notifyTold:        {routeNotify, "told"},
	notifyKnown:       {routeNotify, "nothing_new"},
	notifyHeld:        {routeNotify, "held"},
	notifyUndelivered: {routeNotify, "undelivered"},
	notifyNoSite:      {routeNotify, "no_site"},
	notifyWithheld:    {routeNotify, "withheld"},
	notifyUnavailable: {routeNotify, "ledger_unavailable"},
	notifyRejected:    {routeNotify, "rejected"},

	privateHidden: {routePrivate, "hidden"},
}

// acknowledged reports whether Alipay may forget a notice that ended so.
func (o outcome) acknowledged() bool {
	return o == notifyTold || o == notifyKnown || o == notifyHeld
}

// payFailure is the outcome of a request for the cashier that ended in an error.
func payFailure(err error) outcome {
	switch {
	case errors.Is(err, errAlreadyPaid):
		return payPaid
	case errors.Is(err, errOrderClosed):
		return payClosed
	case errors.Is(err, errOrderHeld):
		return payHeld
	}
	status := http.StatusInternalServerError
	if e, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		status = e.StatusCode
	}
	switch {
	case status < http.StatusInternalServerError:
		return payBadRequest
	case errors.Is(err, errTryLater) && status == http.StatusServiceUnavailable:
		return payUnavailable
	case errors.Is(err, errTryLater), status == http.StatusInternalServerError:
		return payFailed
	}
	return payBadOrder
}

// untold is the outcome of a notice whose events the shop has not accepted.
func untold(err error) outcome {
	switch {
	case errors.Is(err, courier.ErrNoSite):
		return notifyNoSite
	case errors.Is(err, courier.ErrWithheld):
		return notifyWithheld
	}
	return notifyUndelivered
}

// deliveryOutcome says in one word how a delivery ended.
func deliveryOutcome(err error) string {
	if err == nil {
		return deliveryAccepted
	}
	if e, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		if e.StatusCode == http.StatusGatewayTimeout {
			return deliveryTimeout
		}
		return deliveryUnreachable
	}
	return deliveryRefused
}

const (
	deliveryAccepted    = "accepted"
	deliveryRefused     = "refused"     // it answered, and not that it accepts
	deliveryTimeout     = "timeout"     // it did not answer within shop_timeout
	deliveryUnreachable = "unreachable" // or its answer broke off
)

// Reasons of rejections that are not the gateway package's.
const (
	reasonNotPost      = "not_post"
	reasonBrokenOff    = "broken_off"
	reasonUnknownOrder = "unknown_order"
	reasonTotal        = "amount_mismatch"
	reasonSeller       = "seller_mismatch"
	reasonTrade        = "trade_mismatch"
	reasonOther        = "other" // none of the closed set: a fault of ours
)

// rejectionReasons are the words for what is refused on a route.
func rejectionReasons(at route) []string {
	var words []string
	for _, r := range gateway.Reasons() {
		words = append(words, string(r))
	}
	if at == routeReturn {
		words = append(words, reasonUnknownOrder, reasonTotal, reasonSeller, reasonTrade)
	} else {
		words = append(words, reasonNotPost, reasonBrokenOff)
	}
	return words
}

// The closed sets of the domain's words.
var (
	allSources = []trade.Source{trade.SourceNotify, trade.SourceQuery, trade.SourceRefund, trade.SourceBill}
	allEvents  = []trade.EventType{trade.EventPaid, trade.EventFinished, trade.EventClosed, trade.EventRefund}
)
