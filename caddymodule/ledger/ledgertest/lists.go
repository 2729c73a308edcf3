// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// made makes n orders, one a minute, with numbers that do not follow each other.
func (s *subject) made(from, n int) []trade.Order {
	s.Helper()
	var list []trade.Order
	for i := from; i < from+n; i++ {
		k := order(fmt.Sprintf("%d-%d", i*7919%10, i))
		list = append(list, s.attempt(k, func(a *trade.Attempt) { a.At = bought.Add(time.Duration(i) * time.Minute) }))
	}
	return list
}

func ordersAreListed(s *subject) {
	if list := s.orders(ledger.OrderQuery{}); len(list) != 0 {
		s.Fatalf("an empty ledger lists %d orders", len(list))
	}
	want := s.made(0, 7)
	for limit := range 9 {
		same(s, fmt.Sprintf("all, in pages of %d", limit), s.orders(ledger.OrderQuery{Limit: limit}), want)
	}
	same(s, "of the app", s.orders(ledger.OrderQuery{AppID: appID, Limit: 3}), want)
	if list := s.orders(ledger.OrderQuery{AppID: "2021"}); len(list) != 0 {
		s.Fatalf("another app lists %d orders", len(list))
	}
}

func ordersByStateAndTime(s *subject) {
	made := s.made(0, 10)
	told := []trade.Status{trade.StatusNone, trade.StatusWait, trade.StatusSuccess, trade.StatusFinished, trade.StatusClosed}
	want := map[trade.Status][]trade.Order{}
	for i, o := range made {
		status := told[i%len(told)]
		if status != trade.StatusNone {
			s.record(says(o.Key(), trade.StatusWait))
			o = s.record(says(o.Key(), status)).Order
		}
		want[status] = append(want[status], o)
	}
	// a full refund closes a paid order
	full := want[trade.StatusSuccess][1]
	full = s.record(says(full.Key(), trade.StatusClosed, refunded(8888, "R"))).Order
	want[trade.StatusSuccess] = want[trade.StatusSuccess][:1]
	want[trade.StatusClosed] = []trade.Order{want[trade.StatusClosed][0], full, want[trade.StatusClosed][1]}
	for status, list := range want {
		same(s, "status "+string(status), s.orders(ledger.OrderQuery{Status: &status, Limit: 1}), list)
	}
	unknown := trade.Status("PAID")
	if list := s.orders(ledger.OrderQuery{Status: &unknown}); len(list) != 0 {
		s.Fatalf("an unknown status lists %d orders", len(list))
	}
	for i, o := range made {
		all := s.orders(ledger.OrderQuery{Since: o.CreatedAt, Limit: 3})
		if len(all) != len(made)-i || all[0].Key() != o.Key() {
			s.Fatalf("since the creation of order %d: %d orders", i, len(all))
		}
		if rest := s.orders(ledger.OrderQuery{Since: o.CreatedAt.Add(time.Microsecond)}); len(rest) != len(made)-i-1 {
			s.Fatalf("since just after order %d: %d orders", i, len(rest))
		}
	}
	wait := trade.StatusWait
	since := ledger.OrderQuery{Status: &wait, Since: made[2].CreatedAt, AppID: appID}
	same(s, "waiting, since the third", s.orders(since), want[wait][1:])
}

// listingWhileOrdersCome: orders created while a listing is read come at its
// end; none is listed twice or left out.
func listingWhileOrdersCome(s *subject) {
	want := s.made(0, 5)
	var got []trade.Order
	for q := (ledger.OrderQuery{Limit: 2}); ; {
		page, err := s.Orders(s.Context(), q)
		if err != nil {
			s.Fatal(err)
		}
		got = append(got, page.Orders...)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
		if len(want) < 11 {
			want = append(want, s.made(len(want), 2)...)
		}
	}
	same(s, "the listing", got, want)
}

func journal(s *subject) {
	var want []ledger.JournalEntry
	for i, number := range []string{"C", "A", "B"} {
		k := order(number)
		s.attempt(k)
		for _, e := range []trade.Evidence{says(k, trade.StatusSuccess), says(k, trade.StatusSuccess, refunded(5, "R"))} {
			for _, ev := range s.record(e).Events {
				want = append(want, ledger.JournalEntry{Key: k, Event: ev, Accepted: i == 1})
			}
		}
	}
	s.accept(order("A"), 2)
	same(s, "the journal in pages", s.events(), want)
	for i := range want {
		list, err := s.Events(s.Context(), want[i].Event.ID, 0)
		if err != nil || len(list) != len(want)-i-1 {
			s.Fatalf("after event %d: %d, %v", i, len(list), err)
		}
	}
}

// limits: 0 means the default, more than the greatest the greatest.
func limits(s *subject) {
	const n = ledger.MaxLimit + 1
	for i := range n {
		s.record(says(order(fmt.Sprintf("U%03d", i)), trade.StatusSuccess))
		s.attempt(order(fmt.Sprintf("A%03d", i)))
		s.record(says(order(fmt.Sprintf("A%03d", i)), trade.StatusSuccess))
	}
	for limit, want := range map[int]int{0: ledger.DefaultLimit, -1: ledger.DefaultLimit, 7: 7, n: ledger.MaxLimit, 1 << 30: ledger.MaxLimit} {
		orders, err1 := s.Orders(s.Context(), ledger.OrderQuery{Limit: limit})
		held, err2 := s.Held(s.Context(), ledger.HeldQuery{Limit: limit})
		events, err3 := s.Events(s.Context(), "", limit)
		if err := errors.Join(err1, err2, err3); err != nil {
			s.Fatal(err)
		}
		if len(orders.Orders) != want || len(held.Held) != want || len(events) != want {
			s.Errorf("a limit of %d gives %d orders, %d held, %d events", limit, len(orders.Orders), len(held.Held), len(events))
		}
	}
}

func foreignCursors(s *subject) {
	s.made(0, 3)
	s.record(says(order("U1"), trade.StatusSuccess))
	s.record(says(order("U2"), trade.StatusSuccess))
	event := s.record(says(s.orders(ledger.OrderQuery{})[0].Key(), trade.StatusSuccess)).Events[0].ID
	page, err := s.Orders(s.Context(), ledger.OrderQuery{Limit: 1})
	if err != nil {
		s.Fatal(err)
	}
	held, err := s.Held(s.Context(), ledger.HeldQuery{Limit: 1})
	if err != nil {
		s.Fatal(err)
	}
	bad := []string{"x", "0", event + "0", "evt_", "evt_0000000000000000ffffffff", "' OR 1=1", "\x00", "订"}
	for _, cursor := range append(bad, event, held.Next) {
		if _, err := s.Orders(s.Context(), ledger.OrderQuery{Cursor: cursor}); !errors.Is(err, ledger.ErrCursor) {
			s.Errorf("Orders at %q: %v", cursor, err)
		}
	}
	for _, cursor := range append(bad, event, page.Next) {
		if _, err := s.Held(s.Context(), ledger.HeldQuery{Cursor: cursor, Limit: 1}); !errors.Is(err, ledger.ErrCursor) {
			s.Errorf("Held at %q: %v", cursor, err)
		}
	}
	for _, id := range append(bad, page.Next, held.Next) {
		if _, err := s.Events(s.Context(), id, 1); !errors.Is(err, ledger.ErrNotFound) {
			s.Errorf("Events after %q: %v", id, err)
		}
	}
}
