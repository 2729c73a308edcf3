// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"fmt"
	"slices"
	"testing"
)

// TestTimeline: an order that the shop has refused once, and that was refunded in
// part, is told as it went.
func TestTimeline(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.paid("A1", "88.88")
	o.until("the shop is told", func() bool { got := o.order("A1"); return !got.Undelivered() })
	o.call("POST", "/orders/A1/refunds", `{"out_request_no":"R1","refund_amount":"8.88","refund_reason":"broken"}`).want(200, "")
	o.until("the shop is told", func() bool { got := o.order("A1"); return !got.Undelivered() })
	a := o.call("GET", "/orders/A1/timeline", "").want(200, "")
	var kinds []any
	for _, e := range a.list("timeline") {
		kinds = append(kinds, e["kind"])
	}
	for _, kind := range []any{"created", "sent", "statement", "event", "accepted", "refund_asked", "refund_succeeded"} {
		if !slices.Contains(kinds, kind) {
			t.Errorf("%v is missing in %v", kind, kinds)
		}
	}
	if len(a.list("next")) != 0 {
		t.Errorf("%s", a.Body)
	}
	o.call("GET", "/orders/A2/timeline", "").want(404, "order-not-found")
	o.call("GET", "/orders/A1/timeline?x=1", "").want(400, "invalid-parameter")
}

// TestTotals: sums and counts agree with what was done.
func TestTotals(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.paid("A1", "88.88")
	o.until("the shop is told", func() bool { got := o.order("A1"); return !got.Undelivered() })
	o.call("POST", "/orders/A1/refunds", `{"out_request_no":"R1","refund_amount":"8.88"}`).want(200, "")
	o.until("the shop is told", func() bool { got := o.order("A1"); return !got.Undelivered() })
	a := o.call("GET", "/totals", "").want(200, "")
	for name, want := range map[string]any{
		"paid_amount": "88.88", "accepted_amount": "88.88", "undelivered_amount": "0.00", "refunded_amount": "8.88",
		"refunded_amount_told": "8.88", "undelivered_events": 0, "dead_events": 0, "held_items": 0, "held_amount": "0.00", "unknown_refunds": 0,
	} {
		if got := a.fields[name]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	o.call("GET", "/totals?x=1", "").want(400, "invalid-parameter")
}
