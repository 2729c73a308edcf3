// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	// noticeDue is how long after a payment became known its notice may still be
	// on its way. Alipay sends the first one at once, the second after 4 minutes.
	noticeDue = 5 * time.Minute
	// silentAfter is how many payments in a row have to be without a notice. One
	// or two may be a buyer who paid while Alipay was slow.
	silentAfter = 3
)

// silence tells when the notices of one site have stopped arriving: when several
// payments in a row were learnt by asking, and noticeDue later no notice had come,
// of these payments or any other. It is pure; the zero value hears notices.
type silence struct {
	since    time.Time // when the first of the payments became known
	missing  []missing // the first silentAfter of them
	silent   bool      // notices have stopped
	payments int       // without a notice, since
}

// missing is a payment whose notice has not come.
type missing struct {
	key    trade.Key
	learnt time.Time
}

// learnt takes in a payment that became known by asking. It says when to check
// again; zero if there is nothing to check yet.
func (s *silence) learnt(k trade.Key, at time.Time) (check time.Time) {
	if s.payments == 0 {
		s.since = at
	}
	s.payments++
	if len(s.missing) < silentAfter {
		s.missing = append(s.missing, missing{k, at})
		return s.due()
	}
	return time.Time{}
}

// due is when silence is certain, unless a notice comes before; zero if that
// takes further payments, or is so already.
func (s *silence) due() time.Time {
	if s.silent || len(s.missing) < silentAfter {
		return time.Time{}
	}
	return s.missing[silentAfter-1].learnt.Add(noticeDue)
}

// overdue are the payments whose notices should have come long ago at now: the
// orders to look at before anybody is told.
func (s *silence) overdue(now time.Time) []missing {
	if due := s.due(); due.IsZero() || now.Before(due) {
		return nil
	}
	return s.missing
}

// declare notes that notices have stopped.
func (s *silence) declare() { s.silent = true }

// noticed takes in a notice. It reports whether that has ended a silence.
func (s *silence) noticed() (ended bool) {
	ended = s.silent
	*s = silence{}
	return ended
}
