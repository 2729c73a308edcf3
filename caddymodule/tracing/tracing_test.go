// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/tracing"
)

// request is a context with a span, as a request has that Caddy traces.
func request(sampler sdktrace.Sampler) (context.Context, trace.Span, *tracetest.SpanRecorder) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder), sdktrace.WithSampler(sampler))
	ctx, span := provider.Tracer("server").Start(context.Background(), "request")
	return ctx, span, recorder
}

func TestSpan(t *testing.T) {
	t.Parallel()
	ctx, parent, recorder := request(sdktrace.AlwaysSample())
	within, span := tracing.Start(ctx, "alipay record")
	_, call := tracing.StartCall(within, "alipay deliver")
	call.End("A1", "refused", false)
	parent.End() // what outlives its request is recorded all the same
	span.End("", "held", true)
	_, late := tracing.Start(ctx, "alipay deliver")
	late.End("A1", "accepted", true)

	ended := recorder.Ended()
	if len(ended) != 4 {
		t.Fatalf("%d spans", len(ended))
	}
	inner, outer := ended[0], ended[2]
	if inner.Name() != "alipay deliver" || inner.SpanKind() != trace.SpanKindClient || inner.Status().Code != codes.Error ||
		inner.Status().Description != "refused" || inner.Parent().SpanID() != outer.SpanContext().SpanID() {
		t.Errorf("the call is %v", inner)
	}
	if outer.Parent().SpanID() != parent.SpanContext().SpanID() || outer.Status().Code != codes.Unset {
		t.Errorf("the step is %v", outer)
	}
	for i, want := range []map[string]string{
		{"alipay.outcome": "refused", "alipay.out_trade_no": "A1"}, {}, {"alipay.outcome": "held"},
		{"alipay.outcome": "accepted", "alipay.out_trade_no": "A1"},
	} {
		got := ended[i].Attributes()
		for _, a := range got {
			if want[string(a.Key)] != a.Value.AsString() {
				t.Errorf("span %d: %s is %q", i, a.Key, a.Value.AsString())
			}
		}
		if len(got) != len(want) {
			t.Errorf("span %d has %v", i, got)
		}
	}
}

// TestInject: a traced request says so to the shop, any other says nothing.
func TestInject(t *testing.T) {
	t.Parallel()
	ctx, span, _ := request(sdktrace.AlwaysSample())
	h := http.Header{}
	tracing.Inject(ctx, h)
	if want := "00-" + span.SpanContext().TraceID().String() + "-" + span.SpanContext().SpanID().String() + "-01"; h.Get("Traceparent") != want {
		t.Errorf("the header is %q, want %q", h.Get("Traceparent"), want)
	}
	unsampled, _, _ := request(sdktrace.NeverSample())
	for _, ctx := range []context.Context{context.Background(), unsampled} {
		h := http.Header{}
		if tracing.Inject(ctx, h); len(h) != 0 {
			t.Errorf("headers %v", h)
		}
	}
}

// TestUntraced: without a sampled span nothing is recorded, and nothing allocated.
func TestUntraced(t *testing.T) {
	unsampled, _, recorder := request(sdktrace.NeverSample())
	for _, ctx := range []context.Context{context.Background(), unsampled} {
		allocs := testing.AllocsPerRun(100, func() {
			got, span := tracing.Start(ctx, "alipay record")
			if got != ctx {
				t.Error("the context was changed")
			}
			span.End("A1", "recorded", true)
		})
		if allocs != 0 {
			t.Errorf("%v allocations", allocs)
		}
	}
	if n := len(recorder.Ended()); n != 0 {
		t.Errorf("%d spans", n)
	}
}

// BenchmarkUntraced is what a step costs where nothing traces, below as many
// contexts as a request of Caddy has.
func BenchmarkUntraced(b *testing.B) {
	type key int
	ctx := context.Background()
	for i := range 10 {
		ctx = context.WithValue(ctx, key(i), i)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, span := tracing.Start(ctx, "alipay record")
		span.End("A1", "recorded", true)
	}
}
