// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

var testTime = time.Date(2026, 3, 14, 10, 20, 0, 0, trade.Zone)

func testKey(number string) trade.Key { return trade.Key{AppID: benchApp, OutTradeNo: number} }

func testPaid(number string) trade.Evidence {
	e := benchNotice(number, 1, testTime)
	e.TradeNo += number
	return e
}

// hooked is a ledger whose commits go through hook, if there is one.
type hooked struct {
	*Ledger
	path    string
	hook    atomic.Pointer[func(commit func() error) error]
	commits atomic.Int64
}

func openHooked(t *testing.T, o Options) *hooked {
	t.Helper()
	h := &hooked{path: filepath.Join(t.TempDir(), "alipay.db")}
	o.Commit = func(commit func() error) error {
		h.commits.Add(1)
		if hook := h.hook.Load(); hook != nil {
			return (*hook)(commit)
		}
		return commit()
	}
	var err error
	if h.Ledger, err = Open(h.path, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		checkFile(t, h.path)
	})
	return h
}

func (h *hooked) onCommit(f func(commit func() error) error) {
	if f == nil {
		h.hook.Store(nil)
		return
	}
	h.hook.Store(&f)
}

func (h *hooked) attempted(t *testing.T, numbers ...string) {
	t.Helper()
	for _, number := range numbers {
		if _, err := h.Attempt(t.Context(), testKey(number), benchAttempt(testTime)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGroupIsShared: calls of one group see each other's effect, and one that
// fails leaves the others alone.
func TestGroupIsShared(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	attempt := func(number string) func(*group) error {
		return func(g *group) error {
			_, err := g.attempt(testKey(number), benchAttempt(testTime))
			return err
		}
	}
	record := func(e trade.Evidence) func(*group) error {
		return func(g *group) error {
			_, err := g.record(&e)
			return err
		}
	}
	part := testPaid("A")
	part.Refunded = 100
	runs := []func(*group) error{
		attempt("A"), record(testPaid("A")), attempt("A"), record(part), record(testPaid("unknown")), attempt("B"), record(testPaid("unknown")),
	}
	want := []error{nil, nil, trade.ErrPaid, nil, nil, nil, nil}
	calls := make([]*call, len(runs))
	for i, run := range runs {
		calls[i] = &call{ctx: t.Context(), run: run, done: make(chan struct{})}
	}
	l.commitGroup(calls)
	for i, c := range calls {
		if <-c.done; !errors.Is(c.err, want[i]) {
			t.Errorf("call %d: %v, want %v", i, c.err, want[i])
		}
	}
	a, errA := l.Order(t.Context(), testKey("A"))
	_, errB := l.Order(t.Context(), testKey("B"))
	held, errHeld := l.Held(t.Context(), ledger.HeldQuery{})
	if err := errors.Join(errA, errB, errHeld); err != nil || a.Sequence != 2 || len(held.Held) != 1 || l.commits.Load() != 1 {
		t.Errorf("%v: order %+v, %d held, %d commits", err, a, len(held.Held), l.commits.Load())
	}
}

// TestCommitsAreShared: what arrives while a commit is running becomes one group.
func TestCommitsAreShared(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	running, goOn := make(chan struct{}), make(chan struct{})
	l.onCommit(func(commit func() error) error {
		l.onCommit(nil)
		close(running)
		<-goOn
		return commit()
	})
	var wg sync.WaitGroup
	send := func(number string) {
		wg.Go(func() {
			if _, err := l.Attempt(t.Context(), testKey(number), benchAttempt(testTime)); err != nil {
				t.Error(err)
			}
		})
	}
	send("first")
	<-running
	for i := range 100 {
		send(benchNumber(i))
	}
	for len(l.queue) < 100 {
		runtime.Gosched()
	}
	close(goOn)
	wg.Wait()
	if n := l.commits.Load(); n != 2 {
		t.Errorf("101 calls took %d commits", n)
	}
}

// TestPanicEndsTheGroup and nothing else.
func TestPanicEndsTheGroup(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	l.attempted(t, "A")
	err := l.submit(t.Context(), func(*group) error { panic("a mistake of ours") })
	if !errors.Is(err, ledger.ErrUnavailable) || !strings.Contains(err.Error(), "a mistake of ours") {
		t.Errorf("a call that panics: %v", err)
	}
	l.onCommit(func(func() error) error {
		l.onCommit(nil)
		panic("a mistake of the store's")
	})
	if _, err := l.Record(t.Context(), testPaid("A")); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("a commit that panics: %v", err)
	}
	if out, err := l.Record(t.Context(), testPaid("A")); err != nil || len(out.Events) != 1 {
		t.Errorf("the call after them: %+v, %v", out, err)
	}
}

// TestCallerLeaves: a caller does not wait beyond its context. What its group
// has begun comes about; what had not begun does not.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	l.attempted(t, "begun", "waiting")
	running, goOn := make(chan struct{}), make(chan struct{})
	l.onCommit(func(commit func() error) error {
		l.onCommit(nil)
		close(running)
		<-goOn
		return commit()
	})
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 2)
	record := func(number string) {
		_, err := l.Record(ctx, testPaid(number))
		errs <- err
	}
	go record("begun")
	<-running
	go record("waiting")
	for len(l.queue) == 0 {
		runtime.Gosched()
	}
	cancel()
	for range 2 {
		if err := <-errs; !errors.Is(err, context.Canceled) || errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("a caller who left: %v", err)
		}
	}
	close(goOn)
	l.attempted(t, "later") // the groups before it have ended
	begun, _ := l.Order(t.Context(), testKey("begun"))
	waiting, _ := l.Order(t.Context(), testKey("waiting"))
	if !begun.Paid || waiting.Paid {
		t.Errorf("begun: paid %v; waiting: paid %v", begun.Paid, waiting.Paid)
	}
}

// TestFullQueue: the queue is bounded, and who waits before it may leave too.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	running, goOn := make(chan struct{}), make(chan struct{})
	l.onCommit(func(commit func() error) error {
		l.onCommit(nil)
		close(running)
		<-goOn
		return commit()
	})
	go l.Attempt(context.Background(), testKey("A"), benchAttempt(testTime)) // it blocks the committer, no more
	<-running
	calls := make([]*call, maxQueue)
	for i := range calls {
		calls[i] = &call{ctx: context.Background(), run: func(*group) error { return nil }, done: make(chan struct{})}
		l.queue <- calls[i]
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := make(chan error)
	go func() {
		_, e := l.Record(ctx, testPaid("A"))
		err <- e
	}()
	cancel()
	if e := <-err; !errors.Is(e, context.Canceled) {
		t.Errorf("before a full queue: %v", e)
	}
	close(goOn)
	for _, c := range calls {
		if <-c.done; c.err != nil {
			t.Fatal(c.err)
		}
	}
}

// TestDoubt pins the worst failure of a disk: the last fsync fails, and the
// commit is seen all the same. Nothing of it may be taken as durable, by a
// repeated notice in particular, until a commit has succeeded.
func TestDoubt(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	l.attempted(t, "A")
	l.onCommit(func(commit func() error) error { return errors.Join(commit(), errDisk) })
	for range 3 {
		if out, err := l.Record(t.Context(), testPaid("A")); !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, errDisk) {
			t.Fatalf("while fsync fails: %+v, %v", out, err)
		}
	}
	l.onCommit(nil)
	before := l.commits.Load()
	out, err := l.Record(t.Context(), testPaid("A"))
	if err != nil || !out.Order.Paid || l.commits.Load() != before+1 {
		t.Fatalf("after the repair: %+v, %v, %d commits", out, err, l.commits.Load()-before)
	}
	if out, err := l.Record(t.Context(), testPaid("A")); err != nil || !out.Repeat || l.commits.Load() != before+1 {
		t.Fatalf("once more: %+v, %v, %d commits", out, err, l.commits.Load()-before)
	}
	events, err := l.Events(t.Context(), "", 0)
	if err != nil || len(events) != 1 {
		t.Fatalf("events %+v, %v", events, err)
	}
}

// watched is a context that tells when someone begins to wait for its end.
type watched struct {
	context.Context
	waiting func()
}

func (w watched) Done() <-chan struct{} {
	w.waiting()
	return w.Context.Done()
}

// TestNothingIsToldBeforeItIsDurable: bbolt shows a commit to readers before its
// last fsync. Who would tell the shop waits for that.
func TestNothingIsToldBeforeItIsDurable(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{})
	l.attempted(t, "A", "B")
	visible, durable := make(chan struct{}), make(chan struct{})
	l.onCommit(func(commit func() error) error {
		err := commit() // all but the last fsync, say
		close(visible)
		<-durable
		return err
	})
	recorded := make(chan error)
	go func() {
		_, err := l.Record(context.Background(), testPaid("A"))
		recorded <- err
	}()
	<-visible
	if o, err := l.Order(t.Context(), testKey("B")); err != nil || o.Paid {
		t.Errorf("another order meanwhile: %+v, %v", o, err)
	}
	if o, err := l.Order(t.Context(), testKey("A")); err != nil || o.Paid {
		t.Errorf("the order meanwhile: paid %v, %v", o.Paid, err)
	}
	var once sync.Once
	ctx := watched{t.Context(), func() {
		once.Do(func() {
			l.onCommit(nil)
			close(durable)
		})
	}}
	list, err := l.Undelivered(ctx, testKey("A"))
	select {
	case <-durable:
	default:
		t.Error("the event was shown before it was durable")
		once.Do(func() { close(durable) })
	}
	if err != nil || len(list) != 1 {
		t.Errorf("undelivered %+v, %v", list, err)
	}
	if err := <-recorded; err != nil {
		t.Error(err)
	}
}

// TestAcceptedMarkIsWrittenInTime without any other commit, and costs none of
// its own if there is one.
func TestAcceptedMarkIsWrittenInTime(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{AcceptDelay: time.Millisecond})
	l.attempted(t, "A")
	if _, err := l.Record(t.Context(), testPaid("A")); err != nil {
		t.Fatal(err)
	}
	before := l.commits.Load()
	if err := l.Accept(t.Context(), testKey("A"), 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	for undelivered(t, l.Ledger) > 0 {
		runtime.Gosched()
	}
	if n := l.commits.Load() - before; n != 1 {
		t.Errorf("%d commits for one mark", n)
	}

	slow := openHooked(t, Options{AcceptDelay: time.Hour})
	slow.attempted(t, "A", "B")
	if _, err := slow.Record(t.Context(), testPaid("A")); err != nil {
		t.Fatal(err)
	}
	if err := slow.Accept(t.Context(), testKey("A"), 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	if n := undelivered(t, slow.Ledger); n != 1 {
		t.Errorf("%d orders undelivered on disk before the next commit", n)
	}
	slow.attempted(t, "C")
	if n := undelivered(t, slow.Ledger); n != 0 {
		t.Errorf("%d orders undelivered on disk after the next commit", n)
	}
}

// undelivered counts what the file says, without the marks in memory.
func undelivered(t *testing.T, l *Ledger) (n int) {
	t.Helper()
	err := l.db.View(func(tx *bbolt.Tx) error {
		for key := range (&view{tx: tx}).due().from(setBottom) {
			if key[0] == taskCodes[ledger.TaskTell] {
				n++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestClose takes what was handed in along, and says so when it cannot.
func TestClose(t *testing.T) {
	t.Parallel()
	l := openHooked(t, Options{AcceptDelay: time.Hour})
	l.attempted(t, "A")
	if _, err := l.Record(t.Context(), testPaid("A")); err != nil {
		t.Fatal(err)
	}
	refund := testPaid("A")
	refund.Refunded = 1
	if _, err := l.Record(t.Context(), refund); err != nil {
		t.Fatal(err)
	}
	if err := l.Accept(t.Context(), testKey("A"), 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	broken, err := Open(l.path, Options{AcceptDelay: time.Hour, Commit: func(func() error) error { return errDisk }})
	if err != nil {
		t.Fatal(err)
	}
	if o, err := broken.Order(t.Context(), testKey("A")); err != nil || o.Accepted != 1 {
		t.Errorf("after Close: %+v, %v", o, err)
	}
	if err := broken.Accept(t.Context(), testKey("A"), 2, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := broken.Close(); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("closing on a broken disk: %v", err)
	}
}
