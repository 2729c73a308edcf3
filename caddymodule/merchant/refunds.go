// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// requestNoForm is what an out_request_no may be here. Alipay bounds its length;
// the letters are those that survive paths, logs and other people's systems.
var requestNoForm = regexp.MustCompile(`^[0-9A-Za-z_.-]{1,64}$`)

// maxReason is how many characters Alipay lets a refund_reason have.
const maxReason = 256

// refund asks for a refund. The same out_request_no with the same amount is the
// same refund, however often it is asked for.
func (a *API) refund(c *call) (reply, error) {
	b, err := c.body("out_request_no", "refund_amount", "refund_reason")
	if err != nil {
		return reply{}, err
	}
	want := trade.RefundIntent{RequestNo: b.text("out_request_no"), Reason: b.text("refund_reason"), Amount: b.amount("refund_amount")}
	if !requestNoForm.MatchString(want.RequestNo) {
		b.fail("out_request_no", "is not 1 to 64 of the characters 0-9, A-Z, a-z, _, . and -; the shop chooses one for each refund of an order")
	}
	if strings.HasPrefix(want.RequestNo, courier.HeldRefundPrefix) {
		b.fail("out_request_no", "may not begin with held-: so begin those that are given out here")
	}
	if utf8.RuneCountInString(want.Reason) > maxReason || strings.ContainsFunc(want.Reason, unicode.IsControl) {
		b.fail("refund_reason", "has more than 256 characters, or control characters")
	}
	if b.fault != nil {
		return reply{}, b.fault
	}
	o, err := a.order(c)
	if err != nil {
		return reply{}, err
	}
	o, err = a.Courier.Refund(c.Context(), a.Gateway, o.Key(), want)
	if err != nil {
		return reply{}, err
	}
	return a.refunded(c, &o, want.RequestNo)
}

// refunded answers how a refund stands.
func (a *API) refunded(c *call, o *trade.Order, requestNo string) (reply, error) {
	view, _ := refundView(o, requestNo)
	switch trade.RefundOutcome(view.Outcome) {
	case trade.RefundSucceeded:
		return ok(view)
	case trade.RefundFailed:
		return reply{}, refused(&view)
	}
	// where it can be looked up; relative, for the API may lie under a prefix
	c.w.Header().Set("Location", "refunds/"+url.PathEscape(requestNo))
	return reply{http.StatusAccepted, view}, nil
}

// refused makes a problem of a refund that Alipay has refused.
func refused(view *Refund) *Problem {
	p := problem(refundRefused, fmt.Sprintf("Alipay has refused the refund, and no money has moved: %s; "+
		"once the cause is mended, the same out_request_no may be sent again", view.SubCode))
	p.SubCode, p.Refund = view.SubCode, view
	return p
}

// showRefund tells how a refund stands. Alipay is asked if its outcome is unknown,
// and if it is none that was asked for here.
func (a *API) showRefund(c *call) (reply, error) {
	o, err := a.order(c)
	if err != nil {
		return reply{}, err
	}
	requestNo := c.args["out_request_no"]
	view, there := refundView(&o, requestNo)
	if there && view.Outcome != string(trade.RefundUnknown) {
		return ok(view)
	}
	if !there && (!o.Paid || !requestNoForm.MatchString(requestNo)) {
		return reply{}, problem(refundNotFound, "no refund with this out_request_no is known of the order")
	}
	o, err = a.Courier.AskRefund(c.Context(), a.Gateway, &o, requestNo)
	switch {
	case err != nil && !there && errors.Is(err, gateway.ErrRefundNotExist):
		return reply{}, problem(refundNotFound, "neither the ledger nor Alipay knows a refund with this out_request_no of the order")
	case err != nil && !there:
		return reply{}, err
	}
	if now, known := refundView(&o, requestNo); known {
		return ok(now)
	}
	return reply{}, problem(refundNotFound, "what Alipay says of this refund does not fit the order, and is held for a person")
}
