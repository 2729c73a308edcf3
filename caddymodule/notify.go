// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/internal/failpoint"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/tracing"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// What Alipay's server reads: exactly the word, no newline. Anything but
// success makes it send the notice again, about 8 times in 25 hours.
var (
	answerSuccess = []byte("success")
	answerFailure = []byte("failure")
)

// recordTimeout bounds how long a notice waits for the ledger.
const recordTimeout = 15 * time.Second

// serveNotify takes a notice: verified, then recorded, then told to the shop,
// then acknowledged. Whatever is not shown to be Alipay's is answered alike.
func (h *Handler) serveNotify(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		h.refuse(w, reasonNotPost, "a notice is a POST")
		return nil
	}
	body, long, err := readBody(w, r, gateway.MaxNotifyBody)
	switch {
	case long:
		h.refuse(w, string(gateway.ReasonSize), "a notice has at most 64 KiB")
		return nil
	case err != nil:
		h.refuse(w, reasonBrokenOff, "the body ended early")
		return nil
	}
	acc := h.addressee(body)
	_, span := tracing.Start(r.Context(), spanVerify)
	e, err := acc.gateway.Verifier().Notify(r.Header.Get("Content-Type"), body, failpoint.Now())
	span.End(e.OutTradeNo, verified(err), err == nil)
	if err != nil {
		reason, detail := rejection(err)
		h.refuse(w, reason, detail)
		h.diagnose(acc, reason, body, r.URL.RawQuery)
		return nil
	}
	failpoint.Reach(failpoint.Verified)
	setPlaceholder(r, "out_trade_no", e.OutTradeNo)
	out := h.take(context.WithoutCancel(r.Context()), acc, &e)
	acc.meter.answered(out)
	if out.acknowledged() {
		failpoint.Reach(failpoint.Answering)
		answer(w, http.StatusOK, answerSuccess)
	} else {
		answer(w, http.StatusServiceUnavailable, answerFailure)
	}
	return nil
}

// take records a verified notice and delivers what it caused.
func (h *Handler) take(ctx context.Context, acc *Account, e *trade.Evidence) outcome {
	number := zap.String("out_trade_no", e.OutTradeNo)
	recording, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	out, err := acc.courier.Record(recording, *e)
	if err != nil {
		h.logger.Error("cannot record a notice; Alipay will send it again", number, zap.Error(err))
		return notifyUnavailable
	}
	if out.Held != nil {
		if !out.Repeat {
			h.logger.Warn("a signed notice does not fit its order and is held for a person", number, zap.String("reason", string(out.Held.Reason)))
		}
		return notifyHeld
	}
	if !out.Order.Undelivered() {
		return notifyKnown
	}
	if err := acc.courier.Deliver(ctx, &out, e); err != nil {
		logUndelivered(h.logger.With(number), err)
		return untold(err)
	}
	return notifyTold
}

// refuse answers what is not a notice of Alipay for this app.
func (h *Handler) refuse(w http.ResponseWriter, reason, detail string) {
	h.account.meter.rejected(routeNotify, reason)
	h.noise.Warn("refused a notice", zap.String("reason", reason), zap.String("detail", detail))
	answer(w, http.StatusBadRequest, answerFailure)
}

// spanVerify is the name of the step in which a message is proved to be Alipay's.
const spanVerify = "alipay.verify"

// verified says in one word whether a message is Alipay's and, if not, why.
func verified(err error) string {
	if err == nil {
		return "verified"
	}
	reason, _ := rejection(err)
	return reason
}

// rejection takes a verifier's error apart for the log. Its detail holds nothing
// that the client sent.
func rejection(err error) (reason, detail string) {
	if rej, ok := errors.AsType[*gateway.Rejection](err); ok {
		return string(rej.Reason), rej.Detail
	}
	return "unknown", err.Error()
}

func answer(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["Cache-Control"] = []string{"no-store"}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; Alipay then sends the notice again
}
