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
	"time"

	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

const (
	// every is the pause between two runs: what had to stay may be finished by then.
	every = 6 * time.Hour
	// soon is the pause after a run that did not come to its end.
	soon = 15 * time.Minute
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

// Archiver archives one ledger in the background, by the setting that it was given
// last.
type Archiver struct {
	store Store
	owner string
	now   func() time.Time

	mu      sync.Mutex
	setting *Setting
	end     context.CancelFunc // of what Set has begun
	work    sync.WaitGroup
}

// New makes an archiver, which does nothing until Set.
func New(s Store) *Archiver {
	return &Archiver{store: s, owner: rand.Text(), now: time.Now}
}

// Set begins to archive by a setting, in place of the one before; nil ends it. A run
// that is under way ends first, unless the setting is the same.
func (a *Archiver) Set(s *Setting, w Watcher) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.Same(a.setting) {
		return
	}
	a.stop()
	a.setting = s
	if s == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.end = cancel
	a.work.Go(func() { a.loop(ctx, s, w) })
}

func (a *Archiver) stop() {
	if a.end != nil {
		a.end()
		a.end = nil
	}
	a.work.Wait()
}

// Close ends it. A run under way ends with the transaction that it is at.
func (a *Archiver) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stop()
	a.setting = nil
}

func (a *Archiver) loop(ctx context.Context, s *Setting, w Watcher) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		pause := every
		if a.once(ctx, s, w) != Finished {
			pause = soon
		}
		timer.Reset(pause)
	}
}

// once is one run, with its line in the log.
func (a *Archiver) once(ctx context.Context, s *Setting, w Watcher) (o Outcome) {
	p := Pass{Store: a.store, Folder: s.Folder, Before: s.before, Owner: a.owner, Now: a.now, Archived: w.Archived}
	report, err := p.Run(ctx)
	if ctx.Err() != nil { // it was ended
		return Failed
	}
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
