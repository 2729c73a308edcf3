// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func memoryNames() *names { return &names{refs: make(map[string]uint64)} }

// Generators of anything, also of what no honest caller would store.
var (
	anyText = rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringMatching(`[0-9]{0,64}`),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	anyAmount = rapid.Map(rapid.Int64(), func(n int64) trade.Amount { return trade.Amount(n) })
	anyTime   = rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "none") {
			return time.Time{}
		}
		return time.UnixMicro(rapid.Int64Range(-1<<60, 1<<60).Draw(t, "µs")).UTC()
	})
	anyAttempt = rapid.Custom(func(t *rapid.T) trade.Attempt {
		return trade.Attempt{
			Total: anyAmount.Draw(t, "total"), SellerID: anyText.Draw(t, "seller"), PublicURL: anyText.Draw(t, "url"),
			Channel: anyText.Draw(t, "channel"), At: anyTime.Draw(t, "at"), ExpiresAt: anyTime.Draw(t, "expires"),
			Count: rapid.Int().Draw(t, "count"),
		}
	})
	anyRefund = rapid.Custom(func(t *rapid.T) trade.Refund {
		return trade.Refund{RequestNo: anyText.Draw(t, "number"), Sum: anyAmount.Draw(t, "sum"), At: anyTime.Draw(t, "at")}
	})
	anyIntent = rapid.Custom(func(t *rapid.T) trade.RefundIntent {
		return trade.RefundIntent{
			RequestNo: anyText.Draw(t, "number"), Amount: anyAmount.Draw(t, "amount"), Reason: anyText.Draw(t, "reason"),
			At: anyTime.Draw(t, "at"), Outcome: trade.RefundOutcome(anyText.Draw(t, "outcome")),
			SettledAt: anyTime.Draw(t, "settled"), Failure: anyText.Draw(t, "failure"),
		}
	})
	anyDecision = rapid.Custom(func(t *rapid.T) trade.Decision {
		return trade.Decision{
			Word: trade.Decide(anyText.Draw(t, "word")), At: anyTime.Draw(t, "at"), PublicURL: anyText.Draw(t, "url"),
			RequestNo: anyText.Draw(t, "number"), Outcome: trade.RefundOutcome(anyText.Draw(t, "outcome")), Failure: anyText.Draw(t, "failure"),
		}
	})
	growing = rapid.Map(rapid.SliceOf(rapid.Uint64()), func(list []uint64) []uint64 {
		slices.Sort(list)
		return list
	})
)

// noneNil makes a list compare equal to its decoded form.
func noneNil[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

func TestOrderComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := memoryNames()
		want := orderRecord{id: rapid.Uint64().Draw(t, "id")}
		want.events, want.evidence = noneNil(growing.Draw(t, "events")), noneNil(growing.Draw(t, "evidence"))
		want.Order = trade.Order{
			AppID: anyText.Draw(t, "app"), OutTradeNo: anyText.Draw(t, "number"),
			CreatedAt: anyTime.Draw(t, "created"), UpdatedAt: anyTime.Draw(t, "updated"),
			Attempts: noneNil(rapid.SliceOfN(anyAttempt, 0, 4).Draw(t, "attempts")),
			TradeNo:  anyText.Draw(t, "trade"), Total: anyAmount.Draw(t, "total"),
			SellerID: anyText.Draw(t, "seller"), BuyerID: anyText.Draw(t, "buyer"),
			PaidAt: anyTime.Draw(t, "paid"), ClosedAt: anyTime.Draw(t, "closed"),
			Refunds: noneNil(rapid.SliceOfN(anyRefund, 0, 4).Draw(t, "refunds")),
			Intents: noneNil(rapid.SliceOfN(anyIntent, 0, 4).Draw(t, "intents")),
			Source:  trade.Source(anyText.Draw(t, "source")),
			Waiting: rapid.Bool().Draw(t, "waiting"), Paid: rapid.Bool().Draw(t, "is paid"),
			Finished: rapid.Bool().Draw(t, "finished"), Closed: rapid.Bool().Draw(t, "is closed"),
			Contradicted: rapid.Bool().Draw(t, "contradicted"), Sequence: rapid.Int().Draw(t, "sequence"),
		}
		got, err := decodeOrder(withUnknownField(t, appendOrder(nil, &want, n)), want.id, n)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v:\n got %+v\nwant %+v", err, got, want)
		}
	})
}

// withUnknownField adds a field of a later version.
func withUnknownField(t *rapid.T, record []byte) []byte {
	if rapid.Bool().Draw(t, "unknown field") {
		record = protowire.AppendTag(record, 1000, protowire.Fixed32Type)
		record = protowire.AppendFixed32(record, 7)
		record = protowire.AppendTag(record, 1001, protowire.BytesType)
		record = protowire.AppendString(record, "later")
	}
	return record
}

func TestEvidenceComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := memoryNames()
		want := trade.Evidence{
			Source: trade.Source(anyText.Draw(t, "source")), AppID: anyText.Draw(t, "app"),
			OutTradeNo: anyText.Draw(t, "number"), TradeNo: anyText.Draw(t, "trade"),
			Status: trade.Status(anyText.Draw(t, "status")), Total: anyAmount.Draw(t, "total"),
			SellerID: anyText.Draw(t, "seller"), BuyerID: anyText.Draw(t, "buyer"),
			Refunded: anyAmount.Draw(t, "refunded"), RefundAmount: anyAmount.Draw(t, "amount"), RefundAmountMissing: rapid.Bool().Draw(t, "missing"),
			RefundRequestNo: anyText.Draw(t, "request"), PaidAt: anyTime.Draw(t, "paid"),
			RefundedAt: anyTime.Draw(t, "refunded at"), ClosedAt: anyTime.Draw(t, "closed"),
			ReceivedAt: anyTime.Draw(t, "received"), NotifyID: anyText.Draw(t, "notify"),
			Raw: noneNil(rapid.SliceOf(rapid.Byte()).Draw(t, "raw")), ContentType: anyText.Draw(t, "type"),
		}
		record := withUnknownField(t, appendEvidence(nil, &want, n))
		got, err := decodeEvidence(record, n)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v:\n got %+v\nwant %+v", err, got, want)
		}
		clear(record) // bbolt's memory goes away; what was decoded must not
		if !reflect.DeepEqual(got, want) {
			t.Fatal("the decoded evidence lies in the record's memory")
		}
	})
}

func TestEventAndHeldComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := memoryNames()
		id := rapid.Uint64().Draw(t, "id")
		want := eventRecord{id: id, order: rapid.Uint64().Draw(t, "order"), evidence: rapid.Int().Draw(t, "evidence")}
		want.Event = trade.Event{
			Type: trade.EventType(anyText.Draw(t, "type")), Sequence: rapid.Int().Draw(t, "sequence"),
			Status: trade.Status(anyText.Draw(t, "status")), Refunded: anyAmount.Draw(t, "refunded"),
			Source: trade.Source(anyText.Draw(t, "source")), At: anyTime.Draw(t, "at"), Direct: rapid.Bool().Draw(t, "direct"),
		}
		want.telling = telling{
			acceptedAt: anyTime.Draw(t, "accepted"), refusals: rapid.Int().Draw(t, "refusals"),
			refusedSince: anyTime.Draw(t, "refused"), refusal: anyText.Draw(t, "refusal"),
		}
		got, err := decodeEvent(withUnknownField(t, appendEvent(nil, &want, n)), id, n)
		if err != nil || got != want {
			t.Fatalf("%v:\n got %+v\nwant %+v", err, got, want)
		}
		held := heldRecord{id: id, place: rapid.Uint64().Draw(t, "place")}
		held.ID, held.Reason, held.At = anyText.Draw(t, "digest"), trade.Reason(anyText.Draw(t, "reason")), anyTime.Draw(t, "held at")
		held.Decision = anyDecision.Draw(t, "decision")
		gotHeld, err := decodeHeld(withUnknownField(t, appendHeld(nil, &held, n)), id, n)
		if err != nil || !reflect.DeepEqual(gotHeld, held) {
			t.Fatalf("%v:\n got %+v\nwant %+v", err, gotHeld, held)
		}
	})
}

func TestAgendaAndSumsComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := orderRecord{id: rapid.Uint64().Draw(t, "id")}
		want.Sequence = rapid.IntRange(0, maxSequence).Draw(t, "sequence")
		want.Accepted = rapid.IntRange(0, want.Sequence).Draw(t, "accepted")
		want.Agenda = trade.Agenda{
			TellAt: anyTime.Draw(t, "tell"), Refusals: rapid.Int().Draw(t, "refusals"), RefusedSince: anyTime.Draw(t, "refused"),
			Refusal: anyText.Draw(t, "refusal"), AskAt: anyTime.Draw(t, "ask"), Asked: rapid.Int().Draw(t, "asked"),
			RefundAt: anyTime.Draw(t, "refund"), RefundTries: rapid.Int().Draw(t, "tries"),
		}
		got := orderRecord{id: want.id, Order: trade.Order{Sequence: want.Sequence}}
		if err := decodeAgenda(withUnknownField(t, appendAgenda(nil, &want)), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v:\n got %+v\nwant %+v", err, got, want)
		}
		s := sums{anyAmount.Draw(t, "paid"), anyAmount.Draw(t, "refunded"), anyAmount.Draw(t, "told"), anyAmount.Draw(t, "accepted")}
		if got, err := decodeSums(withUnknownField(t, appendSums(nil, &s))); err != nil || got != s {
			t.Fatalf("%v: got %+v, want %+v", err, got, s)
		}
	})
}

// TestRoomToAccept: to note that an event was accepted within two minutes makes
// its record no longer.
func TestRoomToAccept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := memoryNames()
		at := testTime.Add(time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, "µs")) * time.Microsecond)
		r := eventRecord{id: idAt(at), Event: trade.Event{Type: trade.EventPaid, Sequence: 1, At: at}}
		before := appendEvent(nil, &r, n)
		r.acceptedAt = at.Add(time.Duration(rapid.Int64Range(0, 2*60*1e6).Draw(t, "later")) * time.Microsecond)
		if after := appendEvent(nil, &r, n); len(after) > len(before) {
			t.Fatalf("%d bytes before, %d after an acceptance %s later", len(before), len(after), r.acceptedAt.Sub(at))
		}
	})
}

// TestNamesBeyondTheTable: what finds no place among the names is written in
// full, and comes back.
func TestNamesBeyondTheTable(t *testing.T) {
	t.Parallel()
	n := memoryNames()
	for i := range maxNames {
		n.add(strings.Repeat("x", i%7) + string(rune(0x4e00+i)))
	}
	want := orderRecord{id: 1, Order: trade.Order{AppID: "2021", SellerID: n.texts[7], Source: trade.Source(strings.Repeat("y", maxNameLength+1))}}
	got, err := decodeOrder(appendOrder(nil, &want, n), 1, n)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v: %+v", err, got)
	}
	if len(n.texts) != maxNames {
		t.Errorf("the table has grown to %d", len(n.texts))
	}
}

func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	n := memoryNames()
	text := func(num protowire.Number, b ...byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), b)
	}
	for name, record := range map[string][]byte{
		"cut tag":         {0x80},
		"cut number":      {0x38, 0x80},
		"cut text":        {0x12, 0x7f, 'A'},
		"unknown name":    appendUint(nil, 1, 5),
		"unknown group":   {0x0b},
		"no digit":        text(2, packedText, 0xa1),
		"early end":       text(2, packedText, 0x1f, 0x12),
		"damaged attempt": text(5, 0x80),
		"damaged refund":  text(17, 0x80),
		"cut list":        text(14, 0x80),
		"damaged intent":  text(19, 0x80),
		"intent's name":   text(19, 0x28, 0x09),
	} {
		if _, err := decodeOrder(record, 1, n); !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecode: no file makes a decoder panic or keep more than the record's size
// allows, and what is decoded can be stored and read again.
func FuzzDecode(f *testing.F) {
	seed := memoryNames()
	r := orderRecord{id: 9, events: []uint64{10, 12}, evidence: []uint64{0, 1500}}
	r.Order, _ = trade.Order{}.Attempt(trade.Key{AppID: "2021", OutTradeNo: "A1"}, trade.Attempt{Total: 1, At: time.UnixMicro(9)})
	r.Refunds = []trade.Refund{{RequestNo: "R", Sum: 1, At: time.UnixMicro(20)}}
	r.Intents = []trade.RefundIntent{{RequestNo: "R", Amount: 1, Reason: "late", At: time.UnixMicro(19), Outcome: trade.RefundUnknown}}
	f.Add(appendOrder(nil, &r, seed), uint64(9))
	r.Agenda = trade.Agenda{Refusals: 2, Refusal: "it answered 500", RefundAt: time.UnixMicro(50), RefundTries: 1}
	f.Add(appendAgenda(nil, &r), uint64(9))
	f.Add(appendEvent(nil, &eventRecord{id: 9, order: 8, telling: telling{time.UnixMicro(12), 1, time.UnixMicro(10), "no"}}, seed), uint64(9))
	decision := trade.Decision{Word: trade.DecideRefund, At: time.UnixMicro(9), RequestNo: "R", Outcome: trade.RefundFailed, Failure: "F"}
	f.Add(appendHeld(nil, &heldRecord{id: 9, Held: trade.Held{ID: "d", Decision: decision}}, seed), uint64(9))
	f.Add(appendSums(nil, &sums{paid: 1, accepted: 1}), uint64(9))
	f.Add(appendEvidence(nil, &trade.Evidence{Raw: []byte("raw"), Source: "notify", Total: 5}, seed), uint64(1))
	f.Add([]byte{0x2a, 0x00, 0x2a, 0x00, 0x8a, 0x01, 0x00}, uint64(1<<63))
	f.Fuzz(func(t *testing.T, data []byte, id uint64) {
		n := memoryNames()
		for _, s := range seed.texts {
			n.add(s)
		}
		if r, err := decodeOrder(data, id, n); err == nil {
			if n := len(r.Attempts) + len(r.Refunds) + len(r.Intents) + len(r.events) + len(r.evidence); n > len(data) {
				t.Fatalf("%d bytes became %d entries", len(data), n)
			}
			again, err := decodeOrder(appendOrder(nil, &r, n), id, n)
			if err != nil || !reflect.DeepEqual(again, r) {
				t.Fatalf("%v:\n got %+v\nwant %+v", err, again, r)
			}
		}
		fuzzAgenda(t, data, id)
		if s, err := decodeSums(data); err == nil {
			if again, err := decodeSums(appendSums(nil, &s)); err != nil || again != s {
				t.Fatalf("%v:\n got %+v\nwant %+v", err, again, s)
			}
		}
		if e, err := decodeEvidence(data, n); err == nil {
			if again, err := decodeEvidence(appendEvidence(nil, &e, n), n); err != nil || !reflect.DeepEqual(again, e) {
				t.Fatalf("%v:\n got %+v\nwant %+v", err, again, e)
			}
		}
		if e, err := decodeEvent(data, id, n); err == nil {
			if again, err := decodeEvent(appendEvent(nil, &e, n), id, n); err != nil || again != e {
				t.Fatalf("%v:\n got %+v\nwant %+v", err, again, e)
			}
		}
		if h, err := decodeHeld(data, id, n); err == nil {
			if again, err := decodeHeld(appendHeld(nil, &h, n), id, n); err != nil || !reflect.DeepEqual(again, h) {
				t.Fatalf("%v:\n got %+v\nwant %+v", err, again, h)
			}
		}
	})
}

func fuzzAgenda(t *testing.T, data []byte, id uint64) {
	none := orderRecord{id: id, Order: trade.Order{Sequence: maxSequence}}
	r, again := none, none
	if decodeAgenda(data, &r) != nil {
		return
	}
	if err := decodeAgenda(appendAgenda(nil, &r), &again); err != nil || !reflect.DeepEqual(again, r) {
		t.Fatalf("%v:\n got %+v\nwant %+v", err, again, r)
	}
}
