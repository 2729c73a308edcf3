// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

const (
	// every is the pause between two runs: what had to stay may be finished by then.
	every = 6 * time.Hour
	// soon is the pause after a run that did not come to its end.
	soon = 15 * time.Minute
	// startAfter is the pause before the first pass: a configuration may still fail to
	// start, and is then taken back.
	startAfter = 2 * time.Second
)

// Outcome says in one word how a run ended.
type Outcome string

// The outcomes.
const (
	Finished  Outcome = "finished"
	Failed    Outcome = "failed"
	Elsewhere Outcome = "elsewhere" // another process was at it
)

// Watcher is told what an archiver does.
type Watcher struct {
	Archived func(orders int)
	Ended    func(o Outcome, at time.Time)
	Logger   *zap.Logger
}

// Archiver archives one ledger in the background, over all configurations.
type Archiver struct {
	store Store
	owner string
	now   func() time.Time
	pause time.Duration // before the first pass

	mu      sync.Mutex
	configs []*configured      // the newest counts
	running *Setting           // what is being done; nil: nothing
	end     context.CancelFunc // of what is being done
	work    sync.WaitGroup

	watcher atomic.Pointer[Watcher] // the newest configuration's
}

type configured struct {
	setting *Setting
	watcher Watcher
}

// New makes an archiver, which does nothing until Add.
func New(s Store) *Archiver {
	return &Archiver{store: s, owner: rand.Text(), now: time.Now, pause: startAfter}
}

// Add has a configuration's setting count, nil for none, until it is taken back: then
// the one before counts again, as when a configuration fails to start. A pass under
// way goes on if the setting is the same, and else ends first.
func (a *Archiver) Add(s *Setting, w Watcher) (remove func()) {
	c := &configured{s, w}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.configs = append(a.configs, c)
	a.apply()
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.configs = slices.DeleteFunc(a.configs, func(have *configured) bool { return have == c })
		a.apply()
	}
}

func (a *Archiver) apply() {
	var s *Setting
	if n := len(a.configs); n > 0 {
		s = a.configs[n-1].setting
		a.watcher.Store(&a.configs[n-1].watcher)
	}
	if s.Same(a.running) {
		return
	}
	a.stop()
	if a.running = s; s == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.end = cancel
	a.work.Go(func() { a.loop(ctx, s) })
}

func (a *Archiver) stop() {
	if a.end != nil {
		a.end()
		a.end = nil
	}
	a.work.Wait()
}

// Close ends it. A pass under way ends with the transaction that it is at.
func (a *Archiver) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.configs = nil
	a.apply()
}

func (a *Archiver) loop(ctx context.Context, s *Setting) {
	timer := time.NewTimer(a.pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		pause := every
		if a.once(ctx, s) != Finished {
			pause = soon
		}
		timer.Reset(pause)
	}
}

// once is one run, with its line in the log.
func (a *Archiver) once(ctx context.Context, s *Setting) (o Outcome) {
	p := Pass{Store: a.store, Folder: s.Folder, Before: s.before, Owner: a.owner, Now: a.now, Archived: func(orders int) { a.watcher.Load().Archived(orders) }}
	report, err := p.Run(ctx)
	if ctx.Err() != nil { // it was ended
		return Failed
	}
	w := a.watcher.Load()
	fields := []zap.Field{zap.Int("archived", report.Archived), zap.Strings("files", report.Files)}
	for _, why := range slices.Sorted(maps.Keys(report.Kept)) {
		fields = append(fields, zap.Int("kept_"+string(why), report.Kept[why]))
	}
	switch {
	case errors.Is(err, ErrElsewhere):
		o = Elsewhere
	case err != nil:
		o = Failed
		w.Logger.Error("archiving has failed; nothing is lost, and it is tried again", append(fields, zap.Error(err))...)
	default:
		o = Finished
		w.Logger.Info("archived", fields...)
	}
	w.Ended(o, a.now())
	return o
}

// Of is the store of a ledger, if it can be archived.
func Of(l ledger.Ledger) (Store, bool) {
	s, ok := l.(Store)
	return s, ok
}
