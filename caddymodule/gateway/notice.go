// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// MaxNotifyBody bounds a notice, in bytes. Alipay's are of 1 to 3 KiB.
const MaxNotifyBody = 64 << 10

const formType = "application/x-www-form-urlencoded"

// Notify verifies an asynchronous notice (document 00dn7l) and says what it
// states. contentType is the request's header, body its body and nothing else:
// parameters of the URL are not part of a notice. now is when it was received.
//
// The cheap checks come first, and an RSA operation is made only for a message
// that has every mark of a notice to this app, at most four of them. The error
// is a *Rejection. What the statement means for the order (whether it exists,
// amount, seller) is for trade.Fold to say.
func (v *Verifier) Notify(contentType string, body []byte, now time.Time) (trade.Evidence, error) {
	ps, charset, rejection := v.readNotice(contentType, body)
	if rejection != nil {
		return trade.Evidence{}, rejection
	}
	r, rejection := v.verify(ps)
	if rejection != nil {
		return trade.Evidence{}, rejection
	}
	if ambiguous(ps, r) {
		return trade.Evidence{}, reject(ReasonAmbiguous, "a value holds another parameter, so that the signed text can be read in two ways")
	}
	e, ok := statement(ps, charset)
	if !ok {
		return trade.Evidence{}, reject(ReasonEncoding, "an identifier is not text in the message's charset")
	}
	e.AppID = v.appID
	e.ReceivedAt = now
	e.Raw = append([]byte(nil), body...)
	e.ContentType = charset.formType()
	return e, nil
}

// readNotice makes every check that costs no RSA operation.
func (v *Verifier) readNotice(contentType string, body []byte) (params, charset, *Rejection) {
	if !isForm(contentType) {
		return nil, 0, reject(ReasonContentType, "the content type is not "+formType)
	}
	if len(body) == 0 || len(body) > MaxNotifyBody {
		return nil, 0, reject(ReasonSize, "the body is empty or over 64 KiB")
	}
	ps, rejection := parseForm(body)
	if rejection != nil {
		return nil, 0, rejection
	}
	if !ps.sort() {
		return nil, 0, reject(ReasonDuplicateKey, "a parameter occurs twice")
	}
	if _, has := ps.find("method"); has {
		return nil, 0, reject(ReasonMethod, "the message has a method: notices have none, a buyer's return has one")
	}
	if ps.get("notify_type") != "trade_status_sync" {
		return nil, 0, reject(ReasonNotifyType, "notify_type is not trade_status_sync")
	}
	for _, key := range [...]string{"notify_id", "out_trade_no", "trade_status"} {
		if ps.get(key) == "" {
			return nil, 0, reject(ReasonMissing, "the notice has no "+key)
		}
	}
	c, rejection := v.checkCommon(ps)
	return ps, c, rejection
}

// checkCommon makes the checks that notices and returns share.
func (v *Verifier) checkCommon(ps params) (charset, *Rejection) {
	if ps.get("app_id") != v.appID {
		return 0, reject(ReasonAppID, "app_id is not this account's")
	}
	if ps.get("sign_type") != "RSA2" {
		return 0, reject(ReasonSignType, "sign_type is not RSA2: set the app's signing mode to RSA2 in Alipay's console")
	}
	c, ok := charsetOf(ps.get("charset"))
	if !ok {
		return 0, reject(ReasonCharset, "charset is neither utf-8 nor gbk")
	}
	return c, nil
}

func isForm(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), formType)
}

// statement maps a verified notice to evidence (parameter list: document
// 00dn7l). It fails if a field that is used is not text.
func statement(ps params, c charset) (trade.Evidence, bool) {
	f := fields{ps: ps, charset: c, ok: true}
	e := trade.Evidence{
		Source:          trade.SourceNotify,
		OutTradeNo:      f.text("out_trade_no"),
		TradeNo:         f.text("trade_no"),
		Status:          trade.Status(f.text("trade_status")),
		SellerID:        f.text("seller_id"),
		BuyerID:         f.text("buyer_id"),
		RefundRequestNo: f.text("out_biz_no"),
		PaidAt:          parseTime(ps.get("gmt_payment")),
		RefundedAt:      parseTime(ps.get("gmt_refund")),
		ClosedAt:        parseTime(ps.get("gmt_close")),
		NotifyID:        f.text("notify_id"),
	}
	if e.BuyerID == "" {
		e.BuyerID = f.text("buyer_open_id")
	}
	if total, err := trade.ParseAmount(ps.get("total_amount")); err == nil {
		e.Total = total
	}
	setRefund(&e, ps.get("refund_fee"), ps.get("gmt_refund") != "")
	return e, f.ok
}

// setRefund reads refund_fee, the sum refunded so far. Payments carry
// refund_fee=0.00, too, so that only gmt_refund or a sum above zero tells of a
// refund. A refund without a readable sum is a full one if it closed the trade.
func setRefund(e *trade.Evidence, fee string, refunded bool) {
	if fee == "" && !refunded {
		return
	}
	sum, err := trade.ParseSum(fee)
	switch {
	case err == nil && sum > 0:
		e.Refunded = sum
	case err == nil && !refunded:
	case e.Status == trade.StatusClosed && e.Total > 0 && refunded:
		e.Refunded = e.Total
	default:
		e.RefundAmountMissing = true
	}
}

// parseTime reads Alipay's local time, with or without a fraction of a second.
// What is no time is the zero time: nothing is decided by it.
func parseTime(s string) time.Time {
	if s == "" || len(s) > len("2006-01-02 15:04:05.000000000") {
		return time.Time{}
	}
	t, err := time.ParseInLocation(trade.TimeLayout, s, trade.Zone)
	if err != nil {
		return time.Time{}
	}
	return t
}
