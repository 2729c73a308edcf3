// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// docs is the page that describes each type of problem under its own heading.
// The types are part of the contract: what is there once keeps its meaning.
const docs = "https://github.com/caddy-alipay/caddy-alipay/blob/main/docs/errors.md#"

// Problem is an error as a caller sees it (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`

	// SubCode is Alipay's, where Alipay has refused.
	SubCode string `json:"sub_code,omitempty"`
	// Refund is the refund that has failed.
	Refund *Refund `json:"refund,omitempty"`

	slug  string
	allow string // methods, for the Allow header
	cause error
}

func (p *Problem) Error() string {
	if p.cause != nil {
		return p.Detail + ": " + p.cause.Error()
	}
	return p.Detail
}

func (p *Problem) Unwrap() error { return p.cause }

// kind is a type of problem.
type kind struct {
	slug, title string
	status      int
}

// The types of problems. docs/errors.md has a heading for each.
var (
	unauthorized     = kind{"unauthorized", "A token is needed", http.StatusUnauthorized}
	notFound         = kind{"not-found", "No such path", http.StatusNotFound}
	noAccount        = kind{"no-account", "No such account", http.StatusNotFound}
	methodNotAllowed = kind{"method-not-allowed", "The path does not take this method", http.StatusMethodNotAllowed}
	invalidParameter = kind{"invalid-parameter", "A parameter of the query is not valid", http.StatusBadRequest}
	malformedBody    = kind{"malformed-body", "The body is not the JSON object that it should be", http.StatusBadRequest}
	bodyTooLarge     = kind{"body-too-large", "The body is too large", http.StatusRequestEntityTooLarge}
	notJSON          = kind{"unsupported-media-type", "The body is not sent as JSON", http.StatusUnsupportedMediaType}
	invalidMember    = kind{"invalid-member", "A member of the body is not valid", http.StatusUnprocessableEntity}

	orderNotFound  = kind{"order-not-found", "No such order", http.StatusNotFound}
	refundNotFound = kind{"refund-not-found", "No such refund", http.StatusNotFound}
	eventNotFound  = kind{"event-not-found", "No such event", http.StatusNotFound}
	heldNotFound   = kind{"held-not-found", "No such held statement", http.StatusNotFound}

	orderNotPaid      = kind{"order-not-paid", "The order is not paid", http.StatusConflict}
	orderPaid         = kind{"order-paid", "The order is paid", http.StatusConflict}
	orderFinished     = kind{"order-finished", "Alipay refunds the order no more", http.StatusConflict}
	orderContradicted = kind{"order-contradicted", "A person has to decide about the order first", http.StatusConflict}
	noTrade           = kind{"no-trade", "There is no trade at Alipay", http.StatusConflict}
	closeRefused      = kind{"close-refused", "Alipay has refused to close the trade", http.StatusConflict}

	refundConflict = kind{"refund-conflict", "The out_request_no stands for another amount", http.StatusConflict}
	refundSum      = kind{"refund-sum-exceeded", "The refunds would exceed what was paid", http.StatusUnprocessableEntity}
	tooManyRefunds = kind{"too-many-refunds", "The order has too many refunds", http.StatusConflict}
	refundRefused  = kind{"refund-refused", "Alipay has refused the refund", http.StatusUnprocessableEntity}

	heldDecided   = kind{"held-decided", "It was decided otherwise", http.StatusConflict}
	othersFirst   = kind{"held-others-first", "Other statements have to be decided first", http.StatusConflict}
	notAcceptable = kind{"held-not-acceptable", "The statement cannot be accepted", http.StatusUnprocessableEntity}
	noMoney       = kind{"held-no-payment", "The statement is about no payment", http.StatusUnprocessableEntity}
	ownTrade      = kind{"held-own-trade", "The order itself is paid by this trade", http.StatusConflict}
	needsSite     = kind{"held-needs-site", "Say for which site it is accepted", http.StatusUnprocessableEntity}
	unknownSite   = kind{"unknown-site", "No such site is configured here", http.StatusUnprocessableEntity}
	siteNotHere   = kind{"site-not-here", "The order's site is not configured here", http.StatusConflict}

	alipayUnreachable = kind{"alipay-unreachable", "Alipay gave no answer that can be believed", http.StatusBadGateway}
	alipayTimeout     = kind{"alipay-timeout", "Alipay did not answer in time", http.StatusGatewayTimeout}
	alipayRefused     = kind{"alipay-refused", "Alipay has refused the call", http.StatusBadGateway}
	ledgerUnavailable = kind{"ledger-unavailable", "The ledger is unavailable", http.StatusServiceUnavailable}
	internal          = kind{"internal", "Something is wrong here", http.StatusInternalServerError}
)

func problem(k kind, detail string) *Problem {
	return &Problem{Type: docs + k.slug, Title: k.title, Status: k.status, Detail: detail, slug: k.slug}
}

func (p *Problem) because(err error) *Problem {
	p.cause = err
	return p
}

// refuse answers with a problem document.
func refuse(w http.ResponseWriter, p *Problem) {
	if p.allow != "" {
		w.Header().Set("Allow", p.allow)
	}
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	write(w, "application/problem+json", p.Status, p)
}

// known are errors whose own text tells a caller enough.
var known = []struct {
	err  error
	kind kind
}{
	{trade.ErrNotPaid, orderNotPaid},
	{trade.ErrFinished, orderFinished},
	{trade.ErrContradicted, orderContradicted},
	{courier.ErrWithheld, orderContradicted},
	{trade.ErrRefundConflict, refundConflict},
	{trade.ErrRefundSum, refundSum},
	{trade.ErrTooManyRefunds, tooManyRefunds},
	{trade.ErrDecided, heldDecided},
	{trade.ErrNotAcceptable, notAcceptable},
	{trade.ErrOthersFirst, othersFirst},
	{trade.ErrNoMoney, noMoney},
	{trade.ErrOwnTrade, ownTrade},
	{trade.ErrNeedsSite, needsSite},
	{courier.ErrNoSite, siteNotHere},
}

// problemOf makes a problem of any error. What is not known to be fit for a
// caller's eyes is not shown.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			return problem(k.kind, k.err.Error())
		}
	}
	switch {
	case errors.Is(err, ledger.ErrCursor):
		return problem(invalidParameter, "cursor is not one that this listing has handed out")
	case errors.Is(err, ledger.ErrUnavailable):
		return problem(ledgerUnavailable, "the ledger could not be read or written; nothing was recorded, and the call may be repeated").because(err)
	case errors.Is(err, gateway.ErrUnknown):
		return unreachable(err)
	}
	if ge, ok := errors.AsType[*gateway.GatewayError](err); ok {
		p := problem(alipayRefused, ge.Error()).because(err)
		p.SubCode = ge.SubCode
		return p
	}
	return problem(internal, "the call could not be carried out; the log says why").because(err)
}

// unreachable says whether Alipay was slow or wrong. Either way nothing has
// changed here.
func unreachable(err error) *Problem {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return problem(alipayTimeout, "Alipay did not answer in time; nothing has changed here, and the call may be repeated").because(err)
	}
	p := problem(alipayUnreachable, "Alipay could not be reached, or its answer could not be believed; nothing has changed here, and the call may be repeated").because(err)
	if ge, ok := errors.AsType[*gateway.GatewayError](err); ok {
		p.SubCode = ge.SubCode
	}
	return p
}
