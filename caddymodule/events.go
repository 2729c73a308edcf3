// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func init() {
	caddy.RegisterModule(new(Origin))
}

const (
	// eventHeld tells that a statement is held for a person.
	eventHeld = "alipay.held"
	// maxEmitting bounds the emissions under way: a subscriber that hangs must
	// not pile up what was paid in memory.
	maxEmitting = 256
)

// eventName is the name of the Caddy event for one of ours: alipay.trade.paid.
func eventName(t trade.EventType) string {
	if t == trade.EventPaid { // by far the commonest, without an allocation
		return "alipay." + string(trade.EventPaid)
	}
	return "alipay." + string(t)
}

// emitter emits Caddy events about what was recorded: alipay.trade.paid,
// alipay.trade.finished, alipay.trade.closed, alipay.refund.succeeded and
// alipay.held. They are for chats and scripts, not for books: an event goes out
// after its record is durable, at most once, in the background, and nobody can
// veto it. What has to arrive is delivered to the shop.
type emitter struct {
	app    *caddyevents.App
	origin caddy.Context // says who emits, and never ends
	logger *zap.Logger
	free   chan struct{} // takes a value for each emission under way
}

func newEmitter(ctx caddy.Context, logger *zap.Logger) (*emitter, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("getting the events app: %w", err)
	}
	events, ok := app.(*caddyevents.App)
	if !ok {
		return nil, fmt.Errorf("the events app is a %T", app)
	}
	origin, err := newOrigin()
	if err != nil {
		return nil, err
	}
	return &emitter{app: events, origin: origin, logger: logger, free: make(chan struct{}, maxEmitting)}, nil
}

// Origin is the module that our events come from, in a configuration's filters and
// in logs. It has no configuration.
type Origin struct{ ctx caddy.Context }

// CaddyModule returns the module's information.
func (*Origin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "alipay.events", New: func() caddy.Module { return new(Origin) }}
}

// Provision keeps the context.
func (o *Origin) Provision(ctx caddy.Context) error {
	o.ctx = ctx
	return nil
}

// newOrigin is a context to emit with. That of a configuration will not do: it ends
// with a reload, which requests outlive, and Caddy drops the events of a context
// that has ended; and where a site has the app loaded, modules that are loaded
// later take the app's place in it, for such contexts share memory.
func newOrigin() (caddy.Context, error) {
	loading, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	mod, err := loading.LoadModuleByID("alipay.events", nil)
	if err != nil {
		return caddy.Context{}, err
	}
	ctx := mod.(*Origin).ctx
	ctx.Context = context.Background()
	return ctx, nil
}

// recorded emits what was recorded, in the order of its sequence. It returns at
// once, and costs next to nothing while nobody has subscribed.
func (e *emitter) recorded(a *Account, out *ledger.Outcome) {
	wanted := out.Held != nil && e.app.ShouldEmit(eventHeld)
	for i := range out.Events {
		wanted = wanted || e.app.ShouldEmit(eventName(out.Events[i].Type))
	}
	if !wanted {
		return
	}
	select {
	case e.free <- struct{}{}:
	default:
		a.meter.dropped.Inc()
		e.logger.Warn("an event was not emitted: too many are still being handled by their subscribers",
			zap.String("out_trade_no", out.Order.OutTradeNo))
		return
	}
	kept := *out
	go func() {
		defer func() { <-e.free }()
		e.emit(a.name, &kept)
	}()
}

func (e *emitter) emit(account string, out *ledger.Outcome) {
	o := &out.Order
	for i := range out.Events {
		ev := &out.Events[i]
		e.send(eventName(ev.Type), map[string]any{
			"account": account, "event_id": ev.ID, "out_trade_no": o.OutTradeNo, "trade_no": o.TradeNo,
			"status": string(ev.Status), "total_amount": o.Total.String(), "refunded_amount": ev.Refunded.String(),
			"source": string(ev.Source), "sequence": ev.Sequence,
		})
	}
	if h := out.Held; h != nil {
		s := &h.Evidence
		e.send(eventHeld, map[string]any{
			"account": account, "held_id": h.ID, "out_trade_no": s.OutTradeNo, "trade_no": s.TradeNo,
			"status": string(s.Status), "total_amount": s.Total.String(), "refunded_amount": s.Refunded.String(),
			"source": string(s.Source), "reason": string(h.Reason),
		})
	}
}

// send emits one event. Its replacer is its own: Caddy adds to the one that it
// finds in the context. A subscriber that panics takes nobody along.
func (e *emitter) send(name string, data map[string]any) {
	defer func() {
		if p := recover(); p != nil { // what it says may be anything, and is not logged
			e.logger.Error("a subscriber of an event panicked", zap.String("event", name), zap.Stack("stack"))
		}
	}()
	ctx := e.origin
	ctx.Context = context.WithValue(ctx.Context, caddy.ReplacerCtxKey, caddy.NewReplacer())
	e.app.Emit(ctx, name, data)
}

// wait returns when all emissions are over, or ctx is. No further one begins.
func (e *emitter) wait(ctx context.Context) {
	for range maxEmitting {
		select {
		case e.free <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

var _ caddy.Provisioner = (*Origin)(nil)
