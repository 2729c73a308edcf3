// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

// diagnosisPause is how long at least lies between two diagnoses: each may cost
// as much as a dozen notices, and anybody can cause one.
const diagnosisPause = 15 * time.Second

// pause lets one caller through per diagnosisPause.
type pause struct{ until atomic.Int64 }

func (p *pause) over(now time.Time) bool {
	until := p.until.Load()
	return now.UnixNano() >= until && p.until.CompareAndSwap(until, now.Add(diagnosisPause).UnixNano())
}

// diagnose logs which known mistake would make a refused notice verify. It is
// for the operator's eyes: what was refused stays refused.
func (h *Handler) diagnose(acc *Account, reason string, body []byte, rawQuery string) {
	if !h.worthDiagnosing(reason) {
		return
	}
	if d := acc.gateway.Diagnose(body, rawQuery, h.otherKeys(acc)...); d.Word != "" {
		h.logger.Warn("a refused notice would verify but for one mistake", zap.String("mistake", d.Word), zap.String("meaning", d.Sentence))
	}
}

// diagnoseReturn is diagnose for a buyer's way back.
func (h *Handler) diagnoseReturn(acc *Account, reason, rawQuery string) {
	if !h.worthDiagnosing(reason) {
		return
	}
	if d := acc.gateway.DiagnoseReturn(rawQuery, h.otherKeys(acc)...); d.Word != "" {
		h.logger.Warn("a refused return would verify but for one mistake", zap.String("mistake", d.Word), zap.String("meaning", d.Sentence))
	}
}

// worthDiagnosing reports whether a signature was refused, and whether it is time.
func (h *Handler) worthDiagnosing(reason string) bool {
	return (reason == string(gateway.ReasonSignature) || reason == string(gateway.ReasonSignFormat)) && h.diagnosed.over(time.Now())
}

// otherKeys are the keys of Alipay's that other accounts believe.
func (h *Handler) otherKeys(acc *Account) (keys []gateway.AlipayKey) {
	for _, other := range h.app.Accounts {
		if other != acc {
			keys = append(keys, other.gateway.Verifier().Keys()...)
		}
	}
	return keys
}
