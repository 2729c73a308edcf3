// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import "github.com/caddy-alipay/caddy-alipay/caddymodule/trade"

// recent remembers what shops accepted last, for the moment in which a notice
// and its duplicate have both been recorded and one of them has been delivered
// already. It saves the second delivery, not its correctness: the event id does.
// The courier's lock guards it.
type recent struct {
	accepted map[trade.Key]int
	ring     [1024]trade.Key // the keys in accepted, oldest at next
	next     int
}

func (r *recent) add(k trade.Key, sequence int) {
	if r.accepted == nil {
		r.accepted = make(map[trade.Key]int, len(r.ring))
	}
	if _, known := r.accepted[k]; !known {
		delete(r.accepted, r.ring[r.next])
		r.ring[r.next] = k
		r.next = (r.next + 1) % len(r.ring)
	}
	r.accepted[k] = sequence
}
