// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import "time"

// Commit is a commit of a ledger that has ended.
type Commit struct {
	Calls int           // that took part in it; 0 if it only made acceptances durable
	Took  time.Duration // until it was durable, or had failed
	Err   error         // nil if it is durable
}

// Observable is implemented by ledgers that tell of their commits, for metrics.
// It is optional: a ledger may not know when its database commits.
type Observable interface {
	// Observe has f told of each commit from now on, in place of whoever was told
	// before. f is called by whoever commits, and must be quick.
	Observe(f func(Commit))
}
