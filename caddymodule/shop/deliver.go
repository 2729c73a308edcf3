// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// ErrRefused is wrapped by every error of Deliver: the shop has not accepted
// the event, which stays to be delivered again.
var ErrRefused = errors.New("the shop did not accept the event")

// Deliver tells the shop of one event: a POST of the notify path with the
// verified headers and, as its form, Alipay's original notice where the event
// has one. It returns nil if the shop accepted it.
//
// The shop accepts with 2xx and a body that is empty, or is neither HTML nor
// begins with fail: a redirect, a login page and a single-page application's
// fallback are no acceptance.
func (s *Shop) Deliver(ctx context.Context, d *ledger.Delivery) error {
	r, err := s.delivery(ctx, d)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err) // not asked, and to be tried again all the same
	}
	a := newAnswer(nil)
	err = s.call(ctx, server, a, r)
	switch {
	case a.long:
		return fmt.Errorf("%w: %w", ErrRefused, errTooLong)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if reason := refusal(a); reason != "" {
		return fmt.Errorf("%w: %s", ErrRefused, reason)
	}
	if ack := a.header.Get(HeaderAck); s.Strict && ack != d.Event.ID {
		return fmt.Errorf("%w: ack is strict and %s is not the event's id", ErrRefused, HeaderAck)
	}
	return nil
}

func (s *Shop) delivery(ctx context.Context, d *ledger.Delivery) (*http.Request, error) {
	body, contentType := d.Original, d.ContentType
	if body == nil {
		body, contentType = form(d), formType
	}
	h := http.Header{
		"Content-Type": {contentType},
		"User-Agent":   {"caddy-alipay"},
		"Accept":       {"text/plain, */*;q=0.5"},
	}
	SetEvent(h, &d.Order, &d.Event)
	if err := s.assertDelivery(ctx, h, body); err != nil {
		return nil, err
	}
	r := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: s.NotifyPath}, RequestURI: s.NotifyPath,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Host: s.PublicURL.Host,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), RemoteAddr: "127.0.0.1:0",
	}
	if s.PublicURL.Scheme == "https" {
		// the shop must not answer with a redirect to https
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: s.PublicURL.Hostname()}
	}
	return r, nil
}

// byteOrderMark is what some editors put before a script's first word, and PHP
// sends along.
var byteOrderMark = []byte("\ufeff")

// refusal says why an answer is no acceptance; "" if it is one.
func refusal(a *answer) string {
	if a.status == 0 {
		return "it sent no answer"
	}
	if a.status < 200 || a.status > 299 {
		return fmt.Sprintf("it answered %d", a.status)
	}
	body := bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(a.body), byteOrderMark))
	if len(body) == 0 {
		return ""
	}
	if len(body) >= 4 && strings.EqualFold(string(body[:4]), "fail") {
		return "its answer begins with fail"
	}
	if isHTML(a.header.Get("Content-Type"), body) && string(body) != "success" {
		return "it answered a web page (a login page or a fallback?)"
	}
	return ""
}

func isHTML(contentType string, body []byte) bool {
	mediaType, _, _ := mime.ParseMediaType(contentType)
	if mediaType == "text/html" || mediaType == "application/xhtml+xml" {
		return true
	}
	return body[0] == '<' && strings.HasPrefix(http.DetectContentType(body), "text/html")
}

const formType = "application/x-www-form-urlencoded; charset=utf-8"

// form states an event under Alipay's field names, for events that no notice
// of Alipay states by itself. It carries no sign: the headers are its proof.
func form(d *ledger.Delivery) []byte {
	o, e := &d.Order, &d.Event
	v := url.Values{
		"notify_type":  {"trade_status_sync"},
		"notify_time":  {alipayTime(e.At)},
		"charset":      {"utf-8"},
		"version":      {"1.0"},
		"app_id":       {o.AppID},
		"out_trade_no": {o.OutTradeNo},
		"trade_no":     {o.TradeNo},
		"trade_status": {string(e.Status)},
		"total_amount": {o.Total.String()},
	}
	optional := map[string]string{
		"seller_id": o.SellerID, "buyer_id": o.BuyerID, "gmt_payment": alipayTime(o.PaidAt),
	}
	switch e.Type {
	case trade.EventRefund:
		optional["refund_fee"] = e.Refunded.String()
		optional["gmt_refund"] = alipayTime(e.At)
		for _, r := range o.Refunds {
			if r.Sum == e.Refunded {
				optional["out_biz_no"] = r.RequestNo
			}
		}
	case trade.EventClosed:
		optional["gmt_close"] = alipayTime(o.ClosedAt)
	}
	for name, value := range optional {
		if value != "" {
			v.Set(name, value)
		}
	}
	return []byte(v.Encode())
}

func alipayTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(trade.Zone).Format(trade.TimeLayout)
}
