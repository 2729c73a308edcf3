// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package tracing adds what is done about a trade to the trace of the request
// that caused it. It makes no tracer of its own: a step is recorded where the
// context holds a span that is sampled, such as that of Caddy's tracing
// directive, and costs one look-up in the context where it does not.
package tracing

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// scope names who made the spans.
const scope = "github.com/caddy-alipay/caddy-alipay"

// The attributes of every span. None holds anything of a buyer.
const (
	attrOrder   = attribute.Key("alipay.out_trade_no")
	attrOutcome = attribute.Key("alipay.outcome")
)

// Span is one step. Its zero value records nothing.
type Span struct{ span trace.Span }

// Start begins a step within our own process.
func Start(ctx context.Context, name string) (context.Context, Span) {
	return start(ctx, name, trace.SpanKindInternal)
}

// StartCall begins a step that somebody else takes: Alipay, or the shop.
func StartCall(ctx context.Context, name string) (context.Context, Span) {
	return start(ctx, name, trace.SpanKindClient)
}

func start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.SpanContext().IsSampled() {
		return ctx, Span{}
	}
	ctx, span := parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind))
	return ctx, Span{span}
}

// End ends a step that was about an order ("": not known) and says in one word
// how; ok is false if that is a failure.
func (s Span) End(outTradeNo, outcome string, ok bool) {
	if s.span == nil {
		return
	}
	s.span.SetAttributes(attrOutcome.String(outcome))
	if outTradeNo != "" {
		s.span.SetAttributes(attrOrder.String(outTradeNo))
	}
	if !ok {
		s.span.SetStatus(codes.Error, outcome)
	}
	s.span.End()
}

// Inject tells whom a request goes to of the trace that it is part of (the header
// traceparent of W3C Trace Context). It is for the shop, and not for Alipay.
func Inject(ctx context.Context, h http.Header) {
	if trace.SpanContextFromContext(ctx).IsSampled() {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
	}
}
