// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func init() {
	caddy.RegisterModule(new(tracer))
	httpcaddyfile.RegisterHandlerDirective("test_tracer", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return new(tracer), nil
	})
}

// tracer begins a span for each request, as Caddy's tracing directive does, with a
// provider of its own that keeps the spans in memory.
type tracer struct{}

var (
	spans    = tracetest.NewSpanRecorder()
	provider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
)

func (*tracer) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_tracer", New: func() caddy.Module { return new(tracer) }}
}

func (*tracer) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (*tracer) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	ctx, span := provider.Tracer("test").Start(r.Context(), "request "+r.URL.Path)
	defer span.End()
	return next.ServeHTTP(w, r.WithContext(ctx))
}

// traced is a world whose site traces its requests.
func traced(t *testing.T) *world {
	return newWorld(t, "test_tracer\nreverse_proxy SHOP", func(w *world) { w.options = "order test_tracer first" })
}

// steps are the spans that a request caused, in the order in which they ended:
// name, order and outcome. All belong to the request's trace.
func steps(t *testing.T, do func()) []string {
	t.Helper()
	spans.Reset()
	do()
	var root sdktrace.ReadOnlySpan
	until(t, "the request's span ends", func() bool {
		for _, s := range spans.Ended() {
			if strings.HasPrefix(s.Name(), "request ") {
				root = s
			}
		}
		return root != nil
	})
	var out []string
	for _, s := range spans.Ended() {
		if s == root {
			continue
		}
		if s.Parent().SpanID() != root.SpanContext().SpanID() || s.EndTime().Before(s.StartTime()) {
			t.Errorf("%s is no child of the request", s.Name())
		}
		attributes := map[string]string{}
		for _, a := range s.Attributes() {
			attributes[string(a.Key)] = a.Value.AsString()
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", s.Name(), attributes["alipay.outcome"], attributes["alipay.out_trade_no"])))
		delete(attributes, "alipay.outcome")
		delete(attributes, "alipay.out_trade_no")
		if len(attributes) > 0 || len(s.Events()) > 0 {
			t.Errorf("%s tells more: %v %v", s.Name(), attributes, s.Events())
		}
	}
	return out
}

// TestTracing: the steps of notices and returns are part of their request's trace,
// and tell an order's number and an outcome and nothing else.
func TestTracing(t *testing.T) {
	w := traced(t)
	w.buy("TR1", "1.00")
	w.buy("TR2", "1.00")
	want := func(what string, do func(), want ...string) {
		t.Helper()
		if got := steps(t, do); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	paid := w.notice("TR1", "1.00")
	want("a payment", func() { w.notify(paid) }, "alipay.verify verified TR1", "alipay.record recorded TR1", "alipay.deliver accepted TR1")
	want("its repeat", func() { w.notify(paid) }, "alipay.verify verified TR1", "alipay.record known TR1")
	want("a forgery", func() { w.post(sign(appKey(), w.notice("TR1", "1.00")).Encode()) }, "alipay.verify signature")
	want("another amount", func() { w.notify(w.notice("TR2", "2.00")) }, "alipay.verify verified TR2", "alipay.record held TR2")
	w.Shop.setDeliver(says(500, "", ""))
	want("a shop that refuses", func() { w.notify(w.notice("TR2", "1.00")) },
		"alipay.verify verified TR2", "alipay.record recorded TR2", "alipay.deliver refused TR2")
	w.Shop.setDeliver(nil)
	want("the way back", func() { w.get("/pay/return?" + w.returnQuery("TR1", "1.00")) }, "alipay.verify verified TR1")
	want("not ours", func() { w.get("/teas") })

	// the shop is told of the trace
	told := w.Shop.deliveries()[0]
	if got := told.Header.Get("Traceparent"); !strings.HasPrefix(got, "00-") || !strings.HasSuffix(got, "-01") {
		t.Errorf("the shop was sent the trace %q", got)
	}
}

// TestTracingOfAsking: a buyer who comes back before the notice sees Alipay asked
// within his own trace, and Alipay is told nothing of it.
func TestTracingOfAsking(t *testing.T) {
	w := traced(t)
	w.Shop.offer("TA1", "1.00")
	w.Gateway.Open(w.pay("TA1").String())
	w.fault("TA1", "notify_never")
	if err := w.Gateway.Pay("TA1", 1); err != nil {
		t.Fatal(err)
	}
	w.Gateway.Wait()
	back := must(url.Parse(must(w.Gateway.Trade("TA1")).ReturnURL)).RequestURI()
	got := steps(t, func() { w.get(back) })
	want := []string{"alipay.verify verified TA1", "alipay.trade.query succeeded TA1", "alipay.record recorded TA1"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	until(t, "the event is delivered", func() bool { return len(w.Shop.events()) == 1 })
}
