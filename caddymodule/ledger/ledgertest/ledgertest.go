// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package ledgertest is the conformance suite of ledgers: what every ledger has
// to do, in terms of its interface alone. A ledger's own tests call Run.
package ledgertest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// Harness is one ledger under test, empty at first.
type Harness struct {
	Ledger ledger.Ledger
	// Reopen ends the ledger in order and opens it again, as a restart does. The
	// one that was open before must not be used any more, but for what it then
	// answers.
	Reopen func(t testing.TB) ledger.Ledger
	// Break makes every write fail, as a full disk does, until the function that
	// it returns is called.
	Break func(t testing.TB) (repair func())
	// Move, for Moves only, copies the ledger to an empty one, which is used from
	// then on in its place.
	Move func(t testing.TB) ledger.Ledger
}

// Run runs the suite. open is called for each test, at the same time by several.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, tt := range slices.Concat(recordTests(), merchantTests(), wholeTests(), archivingTests()) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			tt.run(&subject{T: t, Ledger: h.Ledger, harness: h})
		})
	}
}

type test struct {
	name string
	run  func(*subject)
}

// recordTests are about orders, evidence and events.
func recordTests() []test {
	return []test{
		{"an attempt makes an order", attemptMakesOrder},
		{"attempts are remembered", attemptsAreRemembered},
		{"attempts are refused", attemptsAreRefused},
		{"unknown names", unknownNames},
		{"apps are apart", appsAreApart},
		{"a payment is recorded", paymentIsRecorded},
		{"a repeat stores nothing", repeatStoresNothing},
		{"events in sequence", eventsInSequence},
		{"originals", originals},
		{"trade numbers lead to orders", tradeNumbers},
		{"another order's trade", foreignTrades},
		{"another order's trade at once", foreignTradesAtOnce},
		{"times and texts come back", timesAndTexts},
		{"an unknown order is held", unknownOrderIsHeld},
		{"held once", heldOnce},
		{"contradictions", contradictions},
		{"held is listed", heldIsListed},
		{"accepting", accepting},
		{"accepting only raises", acceptingOnlyRaises},
		{"telling", telling},
		{"asking", asking},
	}
}

// merchantTests are about what a shop's staff and code do.
func merchantTests() []test {
	return []test{
		{"refunding", refunding},
		{"refunds are refused", refundsAreRefused},
		{"many refunds at once", manyRefunds},
		{"refunds are due", refundsAreDue},
		{"leasing", leasing},
		{"accepting what is held", acceptingHeld},
		{"accepting other terms", acceptingOtherTerms},
		{"dismissing what is held", dismissing},
		{"refunding what is held", refundingHeld},
		{"decisions reach on", decisionsReachOn},
		{"what is given back is not accepted", givenBackIsNotAccepted},
		{"decisions are refused", decisionsAreRefused},
		{"others are decided first", othersFirst},
		{"an open refund is named", openRefundIsNamed},
		{"held by app", heldByApp},
		{"settings", settings},
		{"settings of many", settingsOfMany},
		{"a history", timeline},
		{"tellings", tellings},
		{"one event", oneEvent},
		{"dead events", deadEvents},
		{"totals", totals},
	}
}

// wholeTests are about listings, and about the ledger as a whole.
func wholeTests() []test {
	return []test{
		{"orders are listed", ordersAreListed},
		{"orders by state and time", ordersByStateAndTime},
		{"listing while orders come", listingWhileOrdersCome},
		{"the journal", journal},
		{"limits", limits},
		{"foreign cursors", foreignCursors},
		{"everything survives a restart", survivesRestart},
		{"after the end", afterTheEnd},
		{"a broken disk", brokenDisk},
		{"a cancelled context", cancelledContext},
		{"many statements at once", manyStatements},
		{"many orders at once", manyOrders},
		{"any history", anyHistory},
	}
}

// subject is a ledger in one test.
type subject struct {
	*testing.T
	ledger.Ledger
	harness Harness
	moves   int
}

func (s *subject) reopen() {
	s.Helper()
	s.Ledger = s.harness.Reopen(s.T)
}

const (
	appID  = "2021000000000001"
	seller = "2088102146225135"
	site   = "https://shop.example"
)

// bought is when the first order of a test was sent to the cashier.
var bought = time.Date(2026, 3, 14, 10, 20, 0, 123456000, trade.Zone)

func order(number string) trade.Key { return trade.Key{AppID: appID, OutTradeNo: number} }

// terms are those of an order of 88.88.
func terms() trade.Attempt {
	return trade.Attempt{
		Total: 8888, SellerID: seller, PublicURL: site, Channel: "page", At: bought, ExpiresAt: bought.Add(time.Hour),
	}
}

// says is a statement about an order of 88.88, told by a notice; change alters it.
func says(k trade.Key, status trade.Status, change ...func(*trade.Evidence)) trade.Evidence {
	e := trade.Evidence{
		Source: trade.SourceNotify, AppID: k.AppID, OutTradeNo: k.OutTradeNo, TradeNo: "20260314" + k.OutTradeNo,
		Status: status, Total: 8888, SellerID: seller, ReceivedAt: bought.Add(time.Minute),
		NotifyID: "n-" + k.OutTradeNo + string(status), ContentType: "application/x-www-form-urlencoded; charset=utf-8",
	}
	if status == trade.StatusSuccess || status == trade.StatusFinished {
		e.PaidAt, e.BuyerID = bought.Add(9*time.Second).Truncate(time.Second), "2088101111111111"
	}
	for _, c := range change {
		c(&e)
	}
	e.Raw = fmt.Appendf(nil, "trade_status=%s&out_trade_no=%s&refund_fee=%s&gmt=%s", e.Status, e.OutTradeNo, e.Refunded, e.ReceivedAt)
	return e
}

func refunded(sum trade.Amount, number string) func(*trade.Evidence) {
	return func(e *trade.Evidence) {
		e.Refunded, e.RefundRequestNo, e.RefundedAt = sum, number, bought.Add(24*time.Hour)
		e.PaidAt, e.BuyerID = bought.Add(9*time.Second).Truncate(time.Second), "2088101111111111"
	}
}

func total(a trade.Amount) func(*trade.Evidence)  { return func(e *trade.Evidence) { e.Total = a } }
func tradeNo(no string) func(*trade.Evidence)     { return func(e *trade.Evidence) { e.TradeNo = no } }
func source(v trade.Source) func(*trade.Evidence) { return func(e *trade.Evidence) { e.Source = v } }

// attempt sends a buyer to the cashier, with the usual terms unless changed.
func (s *subject) attempt(k trade.Key, change ...func(*trade.Attempt)) trade.Order {
	s.Helper()
	a := terms()
	for _, c := range change {
		c(&a)
	}
	o, err := s.Attempt(s.Context(), k, a)
	if err != nil {
		s.Fatalf("attempt of %v: %v", k, err)
	}
	return o
}

func (s *subject) record(e trade.Evidence) ledger.Outcome {
	s.Helper()
	out, err := s.Record(s.Context(), e)
	if err != nil {
		s.Fatalf("recording %s of %s: %v", e.Status, e.OutTradeNo, err)
	}
	return out
}

func (s *subject) order(k trade.Key) trade.Order {
	s.Helper()
	o, err := s.Order(s.Context(), k)
	if err != nil {
		s.Fatalf("order %v: %v", k, err)
	}
	return o
}

func (s *subject) undelivered(k trade.Key) []ledger.Delivery {
	s.Helper()
	list, err := s.Undelivered(s.Context(), k)
	if err != nil {
		s.Fatalf("undelivered of %v: %v", k, err)
	}
	return list
}

// events is the whole journal, read in pages of two.
func (s *subject) events() []ledger.JournalEntry {
	s.Helper()
	list, err := allEvents(s.Context(), s.Ledger, 2)
	if err != nil {
		s.Fatalf("events: %v", err)
	}
	return list
}

func allEvents(ctx context.Context, l ledger.Ledger, limit int) (all []ledger.JournalEntry, err error) {
	after := ""
	for {
		page, err := l.Events(ctx, after, limit)
		if err != nil || len(page) == 0 {
			return all, err
		}
		all = append(all, page...)
		after = page[len(page)-1].Event.ID
	}
}

// held is all that is held, read in pages of two.
func (s *subject) held() []trade.Held {
	s.Helper()
	list, err := allHeld(s.Context(), s.Ledger, ledger.HeldQuery{Limit: 2})
	if err != nil {
		s.Fatalf("held: %v", err)
	}
	return list
}

func allHeld(ctx context.Context, l ledger.Ledger, q ledger.HeldQuery) (all []trade.Held, err error) {
	for {
		page, err := l.Held(ctx, q)
		if err != nil {
			return all, err
		}
		all = append(all, page.Held...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all, nil
		}
	}
}

// orders is a whole listing, read in pages of q.Limit.
func (s *subject) orders(q ledger.OrderQuery) []trade.Order {
	s.Helper()
	list, err := allOrders(s.Context(), s.Ledger, q)
	if err != nil {
		s.Fatalf("orders %+v: %v", q, err)
	}
	return list
}

func allOrders(ctx context.Context, l ledger.Ledger, q ledger.OrderQuery) (all []trade.Order, err error) {
	for {
		page, err := l.Orders(ctx, q)
		if err != nil {
			return all, err
		}
		all = append(all, page.Orders...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all, nil
		}
	}
}

// same fails unless both are deeply equal, times compared as instants.
func same[T any](t interface {
	Helper()
	Fatalf(string, ...any)
}, what string, got, want T,
) {
	t.Helper()
	if g, w := plain(got), plain(want); !reflect.DeepEqual(g, w) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, g, w)
	}
}

// plain is a copy of v with every time in UTC and every empty slice nil.
func plain(v any) any {
	from := reflect.ValueOf(v)
	to := reflect.New(from.Type()).Elem()
	copyPlain(to, from)
	return to.Interface()
}

func copyPlain(to, from reflect.Value) {
	if t, ok := reflect.TypeAssert[time.Time](from); ok {
		to.Set(reflect.ValueOf(t.UTC()))
		return
	}
	switch from.Kind() {
	case reflect.Struct:
		for i := range from.NumField() {
			copyPlain(to.Field(i), from.Field(i))
		}
	case reflect.Slice:
		for i := range from.Len() {
			to.Set(reflect.Append(to, reflect.Zero(to.Type().Elem())))
			copyPlain(to.Index(i), from.Index(i))
		}
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(from.Type().Elem()))
			copyPlain(to.Elem(), from.Elem())
		}
	default:
		to.Set(from)
	}
}
