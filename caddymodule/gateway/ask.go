// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/tracing"
)

// Outcome says in one word how a call to Alipay has ended. The words are a
// closed set, fit for a metric's label.
type Outcome string

// The outcomes.
const (
	OutcomeSucceeded Outcome = "succeeded"
	OutcomeNoTrade   Outcome = "no_trade" // ErrTradeNotExist: no buyer has opened it yet
	OutcomeRefused   Outcome = "refused"  // a *GatewayError of any other kind
	OutcomeUnknown   Outcome = "unknown"  // ErrUnknown
)

// Outcomes lists all of them.
func Outcomes() []Outcome {
	return []Outcome{OutcomeSucceeded, OutcomeNoTrade, OutcomeRefused, OutcomeUnknown}
}

// Call is a call to Alipay that has ended.
type Call struct {
	Method  string // Alipay's name of it, such as alipay.trade.query
	Outcome Outcome
	Took    time.Duration
}

// ask makes one call and returns Alipay's answer, verified, which may be a
// refusal. All calls are made here, so that none is left out of metrics and
// traces. of says whether an answer is a success for what was asked.
func (g *Gateway) ask(ctx context.Context, method string, biz map[string]any, of func(answer) error) (answer, error) {
	ctx, span := tracing.StartCall(ctx, method)
	began := time.Now()
	var a answer
	body, err := g.call(ctx, method, biz)
	if err == nil {
		a, err = g.Verifier().readAnswer(method, body)
	}
	outTradeNo, _ := biz["out_trade_no"].(string)
	ended := err
	if ended == nil {
		ended = of(a)
	}
	outcome := outcomeOf(ended)
	if g.observe != nil {
		g.observe(Call{Method: method, Outcome: outcome, Took: time.Since(began)})
	}
	span.End(outTradeNo, string(outcome), outcome == OutcomeSucceeded || outcome == OutcomeNoTrade)
	return a, err
}

func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return OutcomeSucceeded
	case errors.Is(err, ErrTradeNotExist):
		return OutcomeNoTrade
	case errors.Is(err, ErrUnknown):
		return OutcomeUnknown
	}
	return OutcomeRefused
}
