// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"slices"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// next lists what the order's agenda holds, and what only a person can do.
func next(h *ledger.History) []Entry {
	o := &h.Order
	var all []Entry
	if o.Contradicted {
		all = append(all, Entry{Kind: KindContradicted})
	}
	for _, item := range h.Held {
		if item.Waits() {
			all = append(all, Entry{
				Kind: KindDecide, HeldID: item.ID, Reason: string(item.Reason),
				Decision: item.Decision.Word, RequestNo: item.Decision.RequestNo,
			})
		}
	}
	if o.Undelivered() && !o.Contradicted {
		all = append(all, telling(h))
	}
	if i := o.UnknownRefund(); i != nil {
		all = append(all, Entry{
			At: o.RefundAt, Kind: KindAskRefund, RequestNo: i.RequestNo, Amount: i.Amount, Count: o.RefundTries,
		})
	}
	if !o.AskAt.IsZero() {
		all = append(all, Entry{At: o.AskAt, Kind: KindAsk, Count: o.Asked})
	}
	return all
}

// telling is the next event that the shop has not accepted.
func telling(h *ledger.History) Entry {
	o := &h.Order
	e := Entry{At: o.TellAt, Kind: KindTell, Sequence: o.Accepted + 1, Count: o.Refusals, Reason: why(o.Refusal)}
	if o.Dead() {
		e.Kind = KindDead
	}
	if i := slices.IndexFunc(h.Events, func(ev trade.Event) bool { return ev.Sequence == e.Sequence }); i >= 0 {
		e.Event, e.EventID = h.Events[i].Type, h.Events[i].ID
	}
	return e
}
