// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

var errDead = fmt.Errorf("%w: the process is dead", ledger.ErrUnavailable)

// mortal is a ledger as one process sees it. After its death nothing that it still
// does has an effect; it dies before or after a write, as chance has it.
type mortal struct {
	ledger.Ledger
	dead   atomic.Bool
	writes atomic.Int32 // how many it still makes; negative for no end
	after  atomic.Bool  // the last one has an effect
}

func (m *mortal) write(do func() error) error {
	if m.dead.Load() {
		return errDead
	}
	if m.writes.Load() < 0 {
		return do()
	}
	if m.writes.Add(-1) >= 0 {
		return do()
	}
	if m.after.Load() && !m.dead.Load() {
		_ = do() // it has the effect, and nobody lives to hear of it
	}
	m.dead.Store(true)
	return errDead
}

func (m *mortal) Change(ctx context.Context, k trade.Key, f func(*trade.Order) (bool, error)) (o trade.Order, err error) {
	err = m.write(func() error { o, err = m.Ledger.Change(ctx, k, f); return err })
	return o, err
}

func (m *mortal) Record(ctx context.Context, e trade.Evidence) (out ledger.Outcome, err error) {
	err = m.write(func() error { out, err = m.Ledger.Record(ctx, e); return err })
	return out, err
}

func (m *mortal) Order(ctx context.Context, k trade.Key) (trade.Order, error) {
	if m.dead.Load() {
		return trade.Order{}, errDead
	}
	return m.Ledger.Order(ctx, k)
}

func (m *mortal) Lease(ctx context.Context, t ledger.Task, k trade.Key, owner string, now, until time.Time) (ok bool, err error) {
	if m.dead.Load() {
		return false, errDead
	}
	return m.Ledger.Lease(ctx, t, k, owner, now, until)
}

func (m *mortal) Release(ctx context.Context, t ledger.Task, k trade.Key, owner string) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Ledger.Release(ctx, t, k, owner)
}

func (m *mortal) Due(ctx context.Context, q ledger.DueQuery) (ledger.Due, error) {
	if m.dead.Load() {
		return ledger.Due{}, errDead
	}
	return m.Ledger.Due(ctx, q)
}

// play is a till at which everything goes wrong that can, and what has to hold.
type play struct {
	*rapid.T
	*till
	life  *mortal
	stop  func()
	asked map[string]trade.Amount // refunds that were taken on
	told  sync.Mutex

	byHand bool // somebody has refunded by hand
}

// live begins a new process on the same ledger. What the one before has begun dies
// with it.
func (p *play) live() {
	if p.stop != nil {
		p.life.dead.Store(true)
		p.line.mu.Lock()
		p.line.dead = true
		p.line.mu.Unlock()
		p.stop()
		if err := p.c.Wait(p.office.t.Context()); err != nil {
			p.Fatal(err)
		}
		p.skip(p.office.t.Context(), leaseFor+time.Second) // its leases end
	}
	p.told.Lock()
	defer p.told.Unlock()
	p.life = &mortal{Ledger: p.ledger}
	p.life.writes.Store(-1)
	p.line = new(line)
	p.client = p.newClient(p.line)
	p.c = New(p.life, p.AppID, p.clock)
	p.c.wait = p.skip
	inquiry, site := p.c.Inquire(p.client), p.c.Open(p.site)
	p.stop = func() { inquiry(); site() }
}

// notices answers the sandbox's notices, as the notify route does.
func (p *play) notices(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.told.Lock()
	defer p.told.Unlock()
	e, err := p.client.Verifier().Notify(r.Header.Get("Content-Type"), body, p.clock())
	if err == nil {
		_, err = p.c.Record(r.Context(), e)
	}
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "success")
}

func (p *play) refunds() {
	no := fmt.Sprintf("R%d", rapid.IntRange(1, 6).Draw(p.T, "number"))
	amount := trade.Amount(rapid.SampledFrom([]int64{1, 1000, 3000, 5888, 8888}).Draw(p.T, "amount"))
	o, err := p.c.Refund(p.office.t.Context(), p.client, p.key, trade.RefundIntent{RequestNo: no, Amount: amount})
	switch {
	case err == nil:
		if had, again := p.asked[no]; again && had != amount {
			p.Fatalf("%s stands for %s and for %s", no, had, amount)
		}
		p.asked[no] = amount
		if i := o.Intent(no); i.Outcome == trade.RefundSucceeded && o.Refunded() < amount {
			p.Fatalf("%+v, refunded %s", i, o.Refunded())
		}
	case errors.Is(err, trade.ErrRefundConflict), errors.Is(err, trade.ErrRefundSum), errors.Is(err, ledger.ErrUnavailable),
		errors.Is(err, trade.ErrFinished), errors.Is(err, trade.ErrTooManyRefunds):
	default:
		p.Fatalf("%s: %v", no, err)
	}
	p.holds()
}

// holds is what must be so at any time.
func (p *play) holds() {
	tr, err := p.Trade("A1")
	if err != nil {
		p.Fatal(err)
	}
	seen, sum := map[string]bool{}, trade.Amount(0)
	for _, r := range tr.Refunds {
		if seen[r.OutRequestNo] {
			p.Fatalf("%s was refunded twice: %+v", r.OutRequestNo, tr.Refunds)
		}
		seen[r.OutRequestNo] = true
		amount, err := trade.ParseAmount(r.RefundAmount)
		if err != nil {
			p.Fatal(err)
		}
		sum += amount
	}
	if sum > 8888 {
		p.Fatalf("refunded %s of 88.88", sum)
	}
	o, err := p.ledger.Order(p.office.t.Context(), p.key)
	if err != nil {
		p.Fatal(err)
	}
	for _, i := range o.Intents {
		if i.Outcome == trade.RefundSucceeded && !seen[i.RequestNo] {
			p.Fatalf("%s is said to have succeeded; the sandbox has %+v", i.RequestNo, tr.Refunds)
		}
	}
	if o.Refunded() > sum {
		p.Fatalf("refunded here %s, at the sandbox %s", o.Refunded(), sum)
	}
}

// ends lets everything settle and compares the books.
func (p *play) ends() {
	p.faults()
	p.line.losing(nil)
	p.life.writes.Store(-1)
	if p.life.dead.Load() {
		p.live()
	}
	deadline := time.Now().Add(30 * time.Second)
	step := 26 * time.Hour // all of Alipay's repeats
	for o := p.now(); step > time.Hour || o.UnknownRefund() != nil || o.Undelivered(); o = p.now() {
		if time.Now().After(deadline) {
			p.Fatalf("does not settle: %+v", o)
		}
		p.pass(step)
		if err := p.Advance(p.office.t.Context(), step); err != nil {
			p.Fatal(err)
		}
		step = time.Hour
	}
	p.holds()
	o := p.now()
	tr, err := p.Trade("A1")
	if err != nil || tr.RefundedAmount != o.Refunded().String() {
		p.Fatalf("refunded here %s (%+v), at the sandbox %s (%+v), %v", o.Refunded(), o.Refunds, tr.RefundedAmount, tr.Refunds, err)
	}
	for _, i := range o.Intents {
		done := false
		for _, r := range tr.Refunds {
			done = done || r.OutRequestNo == i.RequestNo && r.RefundAmount == i.Amount.String()
		}
		if done != (i.Outcome == trade.RefundSucceeded) {
			p.Fatalf("%+v; the sandbox has %+v", i, tr.Refunds)
		}
	}
	if held, err := p.ledger.Held(p.office.t.Context(), ledger.HeldQuery{}); err != nil || len(held.Held) > 0 {
		p.Fatalf("held: %+v, %v", held, err)
	}
	// A refund of which only the amount was stated, in the very second of one by
	// hand, may have to be told again with its right sum.
	if events := o.Sequence - 1; events < len(o.Refunds) || events > len(o.Refunds) && !p.byHand {
		p.Fatalf("%d events for %d refunds: %+v", events, len(o.Refunds), o.Refunds)
	}
}

// TestRefundsAreSafe: in any interleaving of refunds, lost calls, errors of
// Alipay's, deaths and notices, never more is refunded than was paid, never twice
// under one number, and the books end equal.
func TestRefundsAreSafe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) { playOnce(t, rt) })
}

func playOnce(t *testing.T, rt *rapid.T) {
	p := &play{T: rt, till: &till{office: newOfficeFor(t, inFile(t)())}, asked: map[string]trade.Amount{}}
	defer p.office.end()
	p.close() // its own courier does nothing
	clock := sandbox.NewClock(start, 0)
	p.Gateway = sandboxtest.New(t, sandboxtest.Options{Config: sandbox.Config{Clock: clock}})
	defer p.Sandbox.Close()
	server := httptest.NewServer(http.HandlerFunc(p.notices))
	defer server.Close()
	p.live()
	defer func() {
		p.stop()
		if err := p.c.Wait(t.Context()); err != nil {
			rt.Fatal(err)
		}
	}()
	p.key = p.attempt(p.AppID, "A1", time.Hour)
	p.Buy("A1", "88.88", server.URL, "")
	p.Wait()
	if _, err := p.c.Ask(t.Context(), p.client, p.key); err != nil {
		rt.Fatal(err)
	}
	rt.Repeat(map[string]func(*rapid.T){
		"refund": func(*rapid.T) { p.refunds() },
		"lose": func(rt *rapid.T) {
			p.line.losing(once(rapid.SampledFrom([]string{refunding, asking}).Draw(rt, "call"),
				rapid.SampledFrom([]string{"question", "answer"}).Draw(rt, "what")))
		},
		"fail": func(rt *rapid.T) {
			p.faults(sandbox.Fault{Times: rapid.IntRange(1, 3).Draw(rt, "times"), Name: rapid.SampledFrom([]string{
				"answer_system_error", "answer_system_error_done", "answer_unsigned_error", "answer_unsigned_success", "answer_truncated",
				"answer_500", "answer_other_order", "answer_null", "refund_slow", "refund_seller_balance", "notify_twice", "notify_late",
			}).Draw(rt, "fault")})
		},
		"by hand": func(rt *rapid.T) {
			p.byHand = true
			resp, err := http.PostForm(p.GatewayURL(), p.Form("alipay.trade.refund", sandboxtest.Biz{
				"out_trade_no": "A1", "out_request_no": fmt.Sprintf("H%d", rapid.IntRange(1, 2).Draw(rt, "number")), "refund_amount": "5.00",
			}, nil))
			if err != nil {
				rt.Fatal(err)
			}
			resp.Body.Close() // whatever it says: a person's console
		},
		"die": func(rt *rapid.T) {
			p.life.after.Store(rapid.Bool().Draw(rt, "after"))
			p.life.writes.Store(int32(rapid.IntRange(0, 4).Draw(rt, "writes")))
			p.refunds()
			p.live()
		},
		"time": func(rt *rapid.T) {
			d := time.Duration(rapid.SampledFrom([]int{1, 14, 60, 3600}).Draw(rt, "seconds")) * time.Second
			p.pass(d)
			if err := p.Advance(t.Context(), d); err != nil {
				rt.Fatal(err)
			}
		},
	})
	p.ends()
}
