// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"math/rand/v2"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// tellGaps are the pauses after the first refusals of an event. Then it is told
// every tellEvery until tellFor after the first refusal, which is longer than
// Alipay's own 25 hours and survives a weekend.
var tellGaps = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
}

const (
	tellEvery = 3 * time.Hour
	tellFor   = 72 * time.Hour
)

// nextTelling is when an order's event is told again that the shop has refused
// now, at at; zero if it has been refused for too long.
func nextTelling(o *trade.Order, at time.Time) time.Time {
	gap := tellEvery
	if o.Refusals < len(tellGaps) {
		gap = tellGaps[o.Refusals]
	}
	next := at.Add(jitter(gap))
	if o.Refusals > 0 && next.Sub(o.RefusedSince) > tellFor {
		return time.Time{}
	}
	return next
}

// askGaps are the pauses between questions about an order of which nothing has
// been heard: dense while the buyer may be at the cashier, then sparse.
var askGaps = []time.Duration{
	30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute,
}

const (
	askEvery = 2 * time.Hour
	// afterExpiry leaves Alipay a moment to close what has expired.
	afterExpiry = time.Minute
	// closingFor is how long after its expiry an order is still asked about, if
	// nothing but unknown results came.
	closingFor = 24 * time.Hour
)

// nextAsking is when Alipay is asked again about an order that it has not settled
// at at; zero if nothing can come of it any more. The last regular question comes
// just after the order's expiry.
func nextAsking(o *trade.Order, at time.Time, unknown bool) time.Time {
	gap := askEvery
	if o.Asked < len(askGaps) {
		gap = askGaps[o.Asked]
	}
	next := at.Add(jitter(gap))
	expires := o.Latest().ExpiresAt
	if expires.IsZero() {
		return next
	}
	last := expires.Add(afterExpiry)
	switch {
	case at.Before(last):
		if next.After(last) {
			return last
		}
		return next
	case unknown && at.Sub(expires) < closingFor:
		return next
	}
	return time.Time{}
}

// refundGaps are the pauses between looks at a refund whose outcome is unknown.
// Alipay asks for 10 s before the first.
var refundGaps = []time.Duration{
	12 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
}

// refundEvery is the pause after that, until the outcome is known: money is never
// given up.
const refundEvery = time.Hour

// nextRefund is when a refund is looked at again whose outcome is still unknown at
// at, after so many tries.
func nextRefund(tries int, at time.Time) time.Time {
	first := refundGaps[0] // its tenth is jitter enough, and tells when the last look was
	return at.Add(refundGap(tries) - first + jitter(first))
}

func refundGap(tries int) time.Duration {
	if tries > 0 && tries <= len(refundGaps) {
		return refundGaps[tries-1]
	}
	return refundEvery
}

// refundAskable is the earliest time at which an order's unknown refund may be
// looked at again because somebody asks for it: 10 s after the last look.
func refundAskable(o *trade.Order) time.Time {
	return o.RefundAt.Add(10*time.Second - refundGap(o.RefundTries-1) + refundGaps[0]/10)
}

// jitter spreads a pause by a tenth to either side, so that what failed together
// does not come back together.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}
