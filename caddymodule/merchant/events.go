// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"context"
	"errors"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// Event is an entry of the journal, as the API shows it.
type Event struct {
	ID             string   `json:"id"`
	Type           string   `json:"type"`
	OutTradeNo     string   `json:"out_trade_no"`
	Sequence       int      `json:"sequence"`
	State          string   `json:"state"`
	Status         string   `json:"status"` // the order's, at the event
	RefundedAmount string   `json:"refunded_amount"`
	Source         string   `json:"source"`
	At             *instant `json:"at"`
}

// The states of an event.
const (
	accepted    = "accepted"
	undelivered = "undelivered"
	dead        = "dead" // the courier has given it up
)

func eventView(j *ledger.JournalEntry) Event {
	e := &j.Event
	view := Event{
		ID: e.ID, Type: string(e.Type), OutTradeNo: e.OutTradeNo, Sequence: e.Sequence, State: undelivered,
		Status: string(e.Status), RefundedAmount: e.Refunded.String(), Source: string(e.Source), At: at(e.At),
	}
	switch {
	case j.Accepted:
		view.State = accepted
	case j.Dead:
		view.State = dead
	}
	return view
}

// deliveryView is the event of a delivery, in its state by the order's record.
func deliveryView(d *ledger.Delivery) Event {
	done := d.Event.Sequence <= d.Order.Accepted
	return eventView(&ledger.JournalEntry{Key: d.Order.Key(), Event: d.Event, Accepted: done, Dead: !done && d.Order.Dead()})
}

func (a *API) listEvents(c *call) (reply, error) {
	v, err := c.query("after", "limit")
	if err != nil {
		return reply{}, err
	}
	most, err := limit(v)
	if err != nil {
		return reply{}, err
	}
	list := struct {
		Events []Event `json:"events"`
		Next   string  `json:"next_cursor"`
	}{Events: []Event{}}
	next, err := a.journal(c.Context(), v.Get("after"), maxScan, func(j *ledger.JournalEntry) bool {
		list.Events = append(list.Events, eventView(j))
		return len(list.Events) < most
	})
	list.Next = next
	if err != nil {
		return reply{}, err
	}
	return ok(list)
}

// maxScan bounds how many entries of the journal one call reads.
const maxScan = 50_000

// journal reads this account's entries of the journal, after the event with the
// given id, until take has enough or most entries were read. It returns the id
// after which to go on; "" at the end.
func (a *API) journal(ctx context.Context, after string, most int, take func(*ledger.JournalEntry) bool) (next string, err error) {
	for read := 0; ; {
		entries, err := a.Ledger.Events(ctx, after, ledger.MaxLimit)
		if errors.Is(err, ledger.ErrNotFound) {
			return "", problem(eventNotFound, "the journal has no event with the id that after names")
		}
		if err != nil {
			return "", err
		}
		for i := range entries {
			after = entries[i].Event.ID
			read++
			mine := entries[i].Key.AppID == a.Gateway.AppID()
			if mine && !take(&entries[i]) || read >= most {
				if i == len(entries)-1 && len(entries) < ledger.MaxLimit {
					return "", nil
				}
				return after, nil
			}
		}
		if len(entries) < ledger.MaxLimit {
			return "", nil
		}
	}
}
