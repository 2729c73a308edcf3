// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// difference is what a site in shadow mode finds between the shop's own Alipay
// integration and this module. The words are a closed set, for a metric's label.
type difference string

const (
	// shadowAgreed: the shop took a notice that we take, or refused one that we
	// refuse.
	shadowAgreed difference = "agreed"
	// shadowUnverified: the shop took a notice that Alipay has not signed, or that
	// is for another app. Anybody could have sent it.
	shadowUnverified difference = "took_unverified"
	// shadowHeld: the shop took a notice that contradicts what is known of its
	// order: another amount or seller, paid twice, paid after it was closed.
	shadowHeld difference = "took_contradicting"
	// shadowRefused: the shop did not answer success to a notice that is Alipay's.
	shadowRefused difference = "refused_verified"
	// shadowUnread: we could not record the notice, so nothing was compared.
	shadowUnread difference = "not_compared"
)

var allDifferences = []difference{shadowAgreed, shadowUnverified, shadowHeld, shadowRefused, shadowUnread}

// serveShadow lets the shop answer a notice that passes byte for byte, then says
// what this module would have done. Whatever goes wrong here, the shop's answer
// has gone out before.
func (h *Handler) serveShadow(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	body := &heard{ReadCloser: r.Body, most: gateway.MaxNotifyBody}
	r.Body = body
	said := &overheard{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, status: http.StatusOK}
	err := next.ServeHTTP(said, r)
	if r.Method == http.MethodPost && !body.long {
		found := h.compare(r, body.bytes(), err == nil && said.success())
		h.account.meter.shadow.inc(string(found))
	}
	return err
}

// compare verifies, folds and says how the shop's verdict differs from ours.
func (h *Handler) compare(r *http.Request, notice []byte, taken bool) difference {
	acc := h.addressee(notice)
	e, err := acc.gateway.Verifier().Notify(r.Header.Get("Content-Type"), notice, time.Now())
	if err != nil {
		reason, detail := rejection(err)
		if !taken {
			return shadowAgreed
		}
		h.noise.Error("the shop took a notice that is not Alipay's: anybody can make it believe a payment",
			zap.String("reason", reason), zap.String("detail", detail))
		h.diagnose(acc, reason, notice, r.URL.RawQuery)
		return shadowUnverified
	}
	log := h.logger.With(zap.String("out_trade_no", e.OutTradeNo))
	held, err := h.foldShadow(context.WithoutCancel(r.Context()), acc, &e)
	switch {
	case err != nil:
		log.Error("cannot record a notice in shadow mode; it was not compared", zap.Error(err))
		return shadowUnread
	case held != nil && taken:
		log.Error("the shop took a notice that contradicts its order", zap.String("reason", string(held.Reason)))
		return shadowHeld
	case held == nil && !taken:
		log.Warn("the shop did not answer success to a notice of Alipay's")
		return shadowRefused
	}
	return shadowAgreed
}

// foldShadow records a notice of an order that the shop itself has sent to the
// cashier: the first notice makes the order known, those that follow have to
// agree with it. The shop has been told already, by the notice itself.
func (h *Handler) foldShadow(ctx context.Context, acc *Account, e *trade.Evidence) (*trade.Held, error) {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	key := trade.Key{AppID: e.AppID, OutTradeNo: e.OutTradeNo}
	_, err := acc.ledger.Order(ctx, key)
	if errors.Is(err, ledger.ErrNotFound) {
		_, err = acc.ledger.Attempt(ctx, key, trade.Attempt{
			Total: e.Total, SellerID: acc.SellerID, PublicURL: h.site.PublicURL.String(), Channel: "shadow", At: e.ReceivedAt,
		})
	}
	if err != nil {
		return nil, err
	}
	out, err := acc.courier.Record(ctx, *e)
	if err == nil && out.Order.Undelivered() {
		err = acc.ledger.Accept(ctx, key, out.Order.Sequence, e.ReceivedAt)
	}
	return out.Held, err
}

// heard keeps what passes of a body, up to a bound.
type heard struct {
	io.ReadCloser
	kept bytes.Buffer
	most int
	long bool
}

func (b *heard) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.kept.Len()+n > b.most {
		b.long = true
	} else {
		b.kept.Write(p[:n])
	}
	return n, err
}

func (b *heard) bytes() []byte { return b.kept.Bytes() }

// overheard keeps the status of an answer and its first bytes.
type overheard struct {
	*caddyhttp.ResponseWriterWrapper
	status int
	wrote  bool
	head   []byte
}

func (o *overheard) WriteHeader(status int) {
	if !o.wrote && status >= http.StatusOK {
		o.status, o.wrote = status, true
	}
	o.ResponseWriterWrapper.WriteHeader(status)
}

func (o *overheard) Write(p []byte) (int, error) {
	o.wrote = true
	if room := len(answerSuccess) + 1 - len(o.head); room > 0 {
		o.head = append(o.head, p[:min(room, len(p))]...)
	}
	return o.ResponseWriterWrapper.Write(p)
}

// ReadFrom keeps a copy from passing by Write.
func (o *overheard) ReadFrom(r io.Reader) (int64, error) { return io.Copy(writerOnly{o}, r) }

type writerOnly struct{ io.Writer }

// success reports whether Alipay would take the answer for the shop's yes.
func (o *overheard) success() bool {
	return o.status == http.StatusOK && bytes.Equal(o.head, answerSuccess)
}
