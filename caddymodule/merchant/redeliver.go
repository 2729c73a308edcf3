// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// redelivery is how one event fared that was told again.
type redelivery struct {
	Event    Event  `json:"event"`
	Accepted bool   `json:"accepted"`         // what the shop did now
	Reason   string `json:"reason,omitempty"` // why it did not accept
}

// redeliver tells the shop of one event once more, whatever has become of it.
func (a *API) redeliver(c *call) (reply, error) {
	if _, err := c.query(); err != nil {
		return reply{}, err
	}
	if _, err := c.body(); err != nil {
		return reply{}, err
	}
	id := c.args["id"]
	d, err := a.Ledger.Event(c.Context(), id)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && d.Order.AppID != a.Gateway.AppID() {
		return reply{}, problem(eventNotFound, "the journal has no event with this id")
	}
	if err != nil {
		return reply{}, err
	}
	d, err = a.Courier.Redeliver(c.Context(), id)
	if err != nil && !errors.Is(err, shop.ErrRefused) {
		return reply{}, err
	}
	r := redelivery{Event: deliveryView(&d), Accepted: err == nil}
	if err != nil {
		r.Reason = err.Error()
	}
	return ok(r)
}

const (
	// defaultBatch and maxBatch bound the events that one call tells again.
	defaultBatch, maxBatch = 100, 500
	// batchAtOnce is how many orders of a batch are told at the same time.
	batchAtOnce = 4
	// batchGivesUp is after how many refusals a batch is ended: the shop is down.
	batchGivesUp = 5
	// batchTime ends a batch that takes long. What was begun goes on.
	batchTime = 50 * time.Second
)

// filter selects events of the journal.
type filter struct {
	kind         trade.EventType
	state        string
	status       trade.Status
	outTradeNo   string
	since, until time.Time
}

func (f *filter) matches(j *ledger.JournalEntry) bool {
	e := &j.Event
	return (f.kind == "" || f.kind == e.Type) &&
		(f.state == "" || f.state == eventView(j).State) &&
		(f.status == "" || f.status == e.Status) &&
		(f.outTradeNo == "" || f.outTradeNo == e.OutTradeNo) &&
		(f.since.IsZero() || !e.At.Before(f.since)) &&
		(f.until.IsZero() || e.At.Before(f.until))
}

func (b *body) filter() (f filter) {
	f = filter{
		kind: trade.EventType(b.text("type")), state: b.text("state"), status: trade.Status(b.text("status")),
		outTradeNo: b.text("out_trade_no"), since: b.time("since"), until: b.time("until"),
	}
	switch f.kind {
	case "", trade.EventPaid, trade.EventFinished, trade.EventClosed, trade.EventRefund:
	default:
		b.fail("type", "is none of trade.paid, trade.finished, trade.closed and refund.succeeded")
	}
	switch f.state {
	case "", accepted, undelivered, dead:
	default:
		b.fail("state", "is none of accepted, undelivered and dead")
	}
	if f.status != "" && !f.status.Known() {
		b.fail("status", "is none of WAIT_BUYER_PAY, TRADE_SUCCESS, TRADE_FINISHED and TRADE_CLOSED")
	}
	if f == (filter{}) {
		b.fail("the filter", "is empty; give at least one of type, state, status, out_trade_no, since and until")
	}
	return f
}

// batch is what was told again, or would be.
type batch struct {
	DryRun   bool         `json:"dry_run"`
	Matched  int          `json:"matched"`
	Accepted int          `json:"accepted"`
	Failed   []redelivery `json:"failed"`
	// GivenUp: the shop has refused so often, or it took so long, that the rest was
	// left out.
	GivenUp bool   `json:"given_up"`
	Next    string `json:"next_cursor"` // to go on after
}

// redeliverMany tells the shop of all events that a filter selects, or counts
// them.
func (a *API) redeliverMany(c *call) (reply, error) {
	if _, err := c.query(); err != nil {
		return reply{}, err
	}
	b, err := c.body("type", "state", "status", "out_trade_no", "since", "until", "after", "limit", "dry_run")
	if err != nil {
		return reply{}, err
	}
	f, after, most := b.filter(), b.text("after"), b.number("limit", 1, maxBatch, defaultBatch)
	done := batch{DryRun: b.flag("dry_run"), Failed: []redelivery{}}
	if b.fault != nil {
		return reply{}, b.fault
	}
	var chosen []ledger.JournalEntry
	done.Next, err = a.journal(c.Context(), after, maxScan, func(j *ledger.JournalEntry) bool {
		if f.matches(j) {
			done.Matched++
			chosen = append(chosen, *j)
		}
		return done.Matched < most
	})
	if err != nil {
		return reply{}, err
	}
	if !done.DryRun {
		if err := a.tellAll(c.Context(), chosen, &done); err != nil {
			return reply{}, err
		}
	}
	return ok(done)
}

// tellAll tells the chosen events, those of one order in their sequence.
func (a *API) tellAll(ctx context.Context, chosen []ledger.JournalEntry, done *batch) error {
	ctx, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	results := make(chan redelivery)
	var orders errgroup.Group
	orders.SetLimit(batchAtOnce)
	go func() {
		for _, events := range byOrder(chosen) {
			orders.Go(func() error { return a.tellOrder(ctx, events, results) })
		}
		_ = orders.Wait() // its error is asked for below
		close(results)
	}()
	for r := range results {
		if r.Accepted {
			done.Accepted++
			continue
		}
		if done.Failed = append(done.Failed, r); len(done.Failed) >= batchGivesUp {
			cancel()
		}
	}
	done.GivenUp = done.Accepted+len(done.Failed) < len(chosen)
	return orders.Wait()
}

func (a *API) tellOrder(ctx context.Context, events []ledger.JournalEntry, results chan<- redelivery) error {
	for i := range events {
		if ctx.Err() != nil {
			return nil
		}
		d, err := a.Courier.Redeliver(ctx, events[i].Event.ID)
		switch {
		case err == nil:
			results <- redelivery{Event: deliveryView(&d), Accepted: true}
		case errors.Is(err, shop.ErrRefused), errors.Is(err, courier.ErrNoSite), errors.Is(err, courier.ErrWithheld):
			results <- redelivery{Event: deliveryView(&d), Reason: err.Error()}
			return nil // its later events would only fare alike
		case ctx.Err() != nil:
			return nil
		default:
			return err
		}
	}
	return nil
}

// byOrder groups entries by their order, in the order of each one's first event.
func byOrder(entries []ledger.JournalEntry) [][]ledger.JournalEntry {
	var groups [][]ledger.JournalEntry
	place := make(map[trade.Key]int)
	for i := range entries {
		at, known := place[entries[i].Key]
		if !known {
			at = len(groups)
			place[entries[i].Key] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], entries[i])
	}
	return groups
}
