// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestMarksKeepTheirTimes: whatever marks are taken by the committer and put back
// by failed commits, the steps are those of the first acceptance of each sequence.
func TestMarksKeepTheirTimes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var a accepts
		a.init(time.Hour, make(chan struct{}, 1))
		defer a.stop()
		k, top := testKey("A"), 0
		var want, stored []mark
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				on := 0
				if len(stored) > 0 {
					on = stored[len(stored)-1].sequence
				}
				m := a.at().of(k)
				got := append(slices.Clone(stored), m.steps(on)...)
				if !slices.EqualFunc(got, want, func(a, b mark) bool { return a.sequence == b.sequence && a.at.Equal(b.at) }) {
					t.Fatalf("steps %+v, want %+v", got, want)
				}
			},
			"accept": func(t *rapid.T) {
				m := mark{sequence: rapid.IntRange(1, 12).Draw(t, "sequence"), at: testTime.Add(time.Duration(len(want)) * time.Second)}
				a.add(k, m.sequence, m.at)
				if m.sequence > top {
					top, want = m.sequence, append(want, m)
				}
			},
			"commit": func(t *rapid.T) {
				taken := a.take()[k]
				late := mark{sequence: top + 1, at: testTime.Add(time.Hour)}
				if rapid.Bool().Draw(t, "meanwhile") {
					a.add(k, late.sequence, late.at)
					top, want = late.sequence, append(want, late)
				}
				if rapid.Bool().Draw(t, "fails") {
					a.putBack()
					return
				}
				on := 0
				if len(stored) > 0 {
					on = stored[len(stored)-1].sequence
				}
				stored = append(stored, taken.steps(on)...)
				a.done()
			},
		})
	})
}

// TestTellingsOutliveAFailedCommit: times that could not be written are written by
// the next commit.
func TestTellingsOutliveAFailedCommit(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{AcceptDelay: time.Hour})
	l.attempted(t, "A", "B")
	paid := testPaid("A")
	part := paid
	part.Refunded, part.RefundRequestNo = 100, "R1"
	for i, e := range [...]func() error{
		func() error { _, err := l.Record(t.Context(), paid); return err },
		func() error { _, err := l.Record(t.Context(), part); return err },
		func() error { return l.Accept(t.Context(), testKey("A"), 1, testTime.Add(time.Minute)) },
	} {
		if err := e(); err != nil {
			t.Fatal(i, err)
		}
	}
	full := errors.New("no space left")
	l.onCommit(func(func() error) error { return full })
	if _, err := l.Attempt(t.Context(), testKey("C"), benchAttempt(testTime)); !errors.Is(err, full) {
		t.Fatal(err)
	}
	l.onCommit(nil)
	if err := l.Accept(t.Context(), testKey("A"), 2, testTime.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		h, err := l.History(t.Context(), testKey("A"))
		if err != nil || len(h.Tellings) != 2 {
			t.Fatalf("%+v, %v", h.Tellings, err)
		}
		for i, how := range h.Tellings {
			if how.Sequence != i+1 || !how.AcceptedAt.Equal(testTime.Add(time.Duration(i+1)*time.Minute)) {
				t.Errorf("telling %d: %+v", i, how)
			}
		}
	}
	check()
	if _, err := l.Attempt(t.Context(), testKey("D"), benchAttempt(testTime)); err != nil {
		t.Fatal(err)
	}
	if l.accepts.waiting() {
		t.Error("the marks have not ridden along")
	}
	check()
}
