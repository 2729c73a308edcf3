// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// TestSilenceProperty holds the state machine against its meaning, computed from
// the whole story: silentAfter payments without a notice, the last of them
// noticeDue ago.
func TestSilenceProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s silence
		now := start
		var learnt []time.Time // since the last notice
		silent := false
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "pause")) * time.Second)
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				if ended := s.noticed(); ended != silent {
					t.Fatalf("a notice ended a silence: %v, want %v", ended, silent)
				}
				learnt, silent = nil, false
			case 1, 2:
				check := s.learnt(trade.Key{AppID: "app", OutTradeNo: fmt.Sprint(i)}, now)
				if learnt = append(learnt, now); len(learnt) == silentAfter {
					if !check.Equal(now.Add(noticeDue)) {
						t.Fatalf("to be checked at %s", check)
					}
				} else if !check.IsZero() {
					t.Fatalf("to be checked at %s after %d payments", check, len(learnt))
				}
			default:
				want := !silent && len(learnt) >= silentAfter && now.Sub(learnt[silentAfter-1]) >= noticeDue
				if got := s.overdue(now) != nil; got != want {
					t.Fatalf("at %s after %v: overdue %v, want %v", now, learnt, got, want)
				}
				if want {
					s.declare()
					silent = true
				}
			}
			if s.silent != silent || s.payments != len(learnt) || len(learnt) > 0 && !s.since.Equal(learnt[0]) {
				t.Fatalf("%+v after %v", s, learnt)
			}
		}
	})
}

// ears write down what an operator is told of silences.
type ears struct {
	mu   sync.Mutex
	told []string
}

func (e *ears) note(what string) func(Silence) {
	return func(s Silence) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.told = append(e.told, fmt.Sprint(what, " ", s.NotifyURL, " ", s.Payments, " since ", s.Since.Sub(start)))
	}
}

func (e *ears) want(t *testing.T, want ...string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Equal(e.told, want) {
		t.Errorf("told %q, want %q", e.told, want)
	}
}

func (o *office) listens() *ears {
	e := new(ears)
	o.t.Cleanup(o.c.Observe(&Observer{Silent: e.note("silent"), Heard: e.note("heard")}))
	o.t.Cleanup(o.c.Close)
	return e
}

// learns has a payment become known by asking.
func (o *office) learns(no string) {
	o.t.Helper()
	o.attempt("app", no, time.Hour)
	e := o.statement(no, trade.StatusSuccess, "T"+no)
	e.Source = trade.SourceQuery
	o.record(e)
}

// passes lets time pass and looks whether notices are missing, as the timer does.
func (o *office) passes(d time.Duration) {
	o.mu.Lock()
	o.now = o.now.Add(d)
	o.mu.Unlock()
	o.c.checkSilence()
}

// TestSilence: one telling when notices have stopped, one when they are back, and
// the same for the next time.
func TestSilence(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	e := o.listens()
	for i := range 2 {
		o.learns(fmt.Sprint("A", i))
		o.passes(time.Minute)
	}
	o.passes(time.Hour)
	e.want(t) // two are too few
	o.learns("A2")
	o.passes(noticeDue - time.Second)
	e.want(t) // its notice may be on its way
	if since := o.c.SilentSince(); !since.IsZero() {
		t.Errorf("silent since %s", since)
	}
	o.learns("A3")
	o.passes(time.Second)
	first := "silent https://shop.example/pay/notify 4 since 0s"
	e.want(t, first)
	if since := o.c.SilentSince(); !since.Equal(start) {
		t.Errorf("silent since %s", since)
	}
	o.learns("A4")
	o.passes(time.Hour)
	e.want(t, first) // once
	o.record(o.statement("none", trade.StatusSuccess, "T"))
	e.want(t, first) // of no site
	o.record(o.statement("A0", trade.StatusSuccess, "TA0"))
	e.want(t, first, "heard https://shop.example/pay/notify 5 since 0s")
	if since := o.c.SilentSince(); !since.IsZero() {
		t.Errorf("silent since %s", since)
	}
	for i := range 3 {
		o.learns(fmt.Sprint("B", i))
	}
	began := o.clock().Sub(start)
	o.passes(noticeDue)
	e.want(t, first, "heard https://shop.example/pay/notify 5 since 0s", fmt.Sprint("silent https://shop.example/pay/notify 3 since ", began))
}

// TestNoSilence: a notice in between, a repeat of one, or one that does not fit,
// shows that notices arrive.
func TestNoSilence(t *testing.T) {
	t.Parallel()
	for name, notice := range map[string]func(*office){
		"a payment's": func(o *office) {
			o.attempt("app", "N", time.Hour)
			o.record(o.statement("N", trade.StatusSuccess, "TN"))
		},
		"a late one": func(o *office) { o.record(o.statement("A0", trade.StatusSuccess, "TA0")) },
		"a held one": func(o *office) { o.record(o.statement("A1", trade.StatusSuccess, "TOTHER")) },
		"elsewhere": func(o *office) { // it reached another process
			if _, err := o.ledger.Record(o.t.Context(), o.statement("A0", trade.StatusSuccess, "TA0")); err != nil {
				o.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			e := o.listens()
			for i := range 3 {
				o.learns(fmt.Sprint("A", i))
			}
			notice(o)
			o.passes(noticeDue)
			o.learns("A3")
			o.learns("A4")
			o.passes(time.Hour)
			e.want(t)
		})
	}
}

// silentLedger cannot be read for a while.
type silentLedger struct {
	ledger.Ledger
	broken bool
}

func (l *silentLedger) Order(ctx context.Context, k trade.Key) (trade.Order, error) {
	if l.broken {
		return trade.Order{}, errors.New("the disk is gone")
	}
	return l.Ledger.Order(ctx, k)
}

// TestSilenceAndLostSite: a ledger that cannot be read delays the alarm, and a
// site that left the configuration is named all the same.
func TestSilenceAndLostSite(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	e := o.listens()
	broken := &silentLedger{Ledger: o.ledger, broken: true}
	o.c.ledger = broken
	for i := range 3 {
		o.learns(fmt.Sprint("A", i))
	}
	o.passes(noticeDue)
	e.want(t)
	broken.broken = false
	o.close()
	o.passes(ledgerRetry)
	e.want(t, "silent https://shop.example 3 since 0s")
}

// TestSilenceIsCheckedByItself: nobody has to come for the alarm to be raised.
func TestSilenceIsCheckedByItself(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	e := o.listens()
	for i := range 3 {
		o.learns(fmt.Sprint("A", i))
	}
	o.c.listener.mu.Lock()
	if !o.c.listener.at.Equal(start.Add(noticeDue)) {
		t.Errorf("to be checked at %s", o.c.listener.at)
	}
	o.mu.Lock()
	o.now = o.now.Add(noticeDue)
	o.mu.Unlock()
	o.c.checkAt(o.clock().Add(-time.Second)) // earlier than what is planned: at once
	o.c.listener.mu.Unlock()
	o.until("the alarm is raised", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.told) == 1
	})
}

// TestSilenceOfOneSite: notices of another site of the same account are no sign of
// life of this one.
func TestSilenceOfOneSite(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	e := o.listens()
	for i := range 3 {
		o.learns(fmt.Sprint("A", i))
		no := fmt.Sprint("B", i)
		if _, err := o.ledger.Attempt(t.Context(), trade.Key{AppID: "app", OutTradeNo: no}, trade.Attempt{
			Total: 8888, PublicURL: "https://other.example", Channel: "page", At: o.clock(), ExpiresAt: o.clock().Add(time.Hour),
		}); err != nil {
			t.Fatal(err)
		}
		o.record(o.statement(no, trade.StatusSuccess, "T"+no))
	}
	o.passes(noticeDue)
	first := "silent https://shop.example/pay/notify 3 since 0s"
	e.want(t, first)
	o.record(o.statement("B0", trade.StatusSuccess, "TB0"))
	if since := o.c.SilentSince(); !since.Equal(start) {
		t.Errorf("silent since %s", since)
	}
	o.record(o.statement("A0", trade.StatusSuccess, "TA0"))
	e.want(t, first, "heard https://shop.example/pay/notify 3 since 0s")
}
