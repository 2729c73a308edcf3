// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	// writers is how many transactions of one process are under way at most: while
	// one waits for the disk, another one runs. More would only make the groups
	// smaller.
	writers = 2
	// maxQueue and maxGroup bound what waits. A call that finds the queue full
	// waits for its turn as long as its context lets it.
	maxQueue = 1024
	maxGroup = 256
	// maxTries bounds how often a transaction is tried that others are in the way
	// of, or whose connection breaks.
	maxTries = 4
)

// Ledger is a ledger in a PostgreSQL database, which other processes may use at
// the same time. It implements ledger.Ledger.
type Ledger struct {
	pool    *pgxpool.Pool
	schema  *schema
	salt    []byte
	current atomic.Pointer[Config] // the latest configuration's

	accepts accepts
	known   known
	months  months
	hub     hub

	observer atomic.Pointer[func(ledger.Commit)]

	queue   chan *call
	wake    chan struct{} // accepted marks are due
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed when the writers have ended
	cancel  context.CancelFunc
	work    sync.WaitGroup // writers
	helpers sync.WaitGroup // what listens and tells

	closeOnce sync.Once
	closeErr  error
}

// Open connects to the database that the configuration names, brings its schema
// up to date unless that is left to somebody else, and checks that it is one to
// rely on. Close the ledger when no call is wanted any more.
func Open(ctx context.Context, c *Config) (*Ledger, error) {
	l := &Ledger{
		schema:  &schema{name: c.Schema},
		queue:   make(chan *call, maxQueue),
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	l.current.Store(c)
	l.accepts.init(l.wake)
	l.hub.init()
	pool, err := pgxpool.NewWithConfig(ctx, l.poolConfig(c))
	if err != nil {
		return nil, fmt.Errorf("opening the ledger %s: %w", c.Identity(), err)
	}
	l.pool = pool
	if err := l.prepare(ctx, c); err != nil {
		pool.Close()
		return nil, fmt.Errorf("opening the ledger %s: %w", c.Identity(), err)
	}
	background, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	for i := range writers {
		l.work.Go(func() { l.write(i) })
	}
	go func() {
		l.work.Wait()
		close(l.stopped)
	}()
	l.helpers.Go(func() { l.listen(background) })
	l.helpers.Go(func() { l.tell(background) })
	return l, nil
}

// prepare brings the schema up to date and reads what is held in memory.
func (l *Ledger) prepare(ctx context.Context, c *Config) error {
	if err := migrate(ctx, l.pool, c); err != nil {
		return err
	}
	return l.pool.QueryRow(ctx, l.schema.sql(`SELECT salt FROM {}.clock`)).Scan(&l.salt)
}

// Close writes what has been handed in and closes the connections. Calls that
// come later, and those still waiting, fail with ledger.ErrUnavailable. To close
// twice is fine.
func (l *Ledger) Close() error {
	l.closeOnce.Do(func() {
		close(l.closing)
		<-l.stopped
		l.accepts.stop()
		l.cancel()
		l.helpers.Wait()
		l.pool.Close()
		if l.accepts.waiting() {
			l.closeErr = unavailable("writing", errors.New("what was accepted last will be told again"))
		}
	})
	return l.closeErr
}

func (l *Ledger) closed() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

// usable is the error of a call that need not be tried.
func (l *Ledger) usable(ctx context.Context) error {
	if ctx.Err() != nil {
		return leaving(ctx)
	}
	if l.closed() {
		return unavailable("using it", errClosed)
	}
	return nil
}

// bounded limits one call: the server's own time-outs cannot end one whose
// connection is silent.
func (l *Ledger) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, l.current.Load().callTimeout())
}

// known remembers of some orders how many events they have at least, so that
// Accept need not ask.
type known struct {
	mu        sync.Mutex
	sequences map[trade.Key]int
}

// maxKnown bounds what is remembered; then it is forgotten.
const maxKnown = 8192

func (m *known) add(k trade.Key, sequence int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sequences) >= maxKnown || m.sequences == nil {
		m.sequences = make(map[trade.Key]int)
	}
	m.sequences[k] = max(m.sequences[k], sequence)
}

func (m *known) has(k trade.Key, sequence int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	have, ok := m.sequences[k]
	return ok && sequence <= have
}

// months remembers for which months the journal has its parts.
type months struct {
	mu   sync.Mutex
	have map[int]bool
}

func monthOf(t time.Time) int {
	t = t.UTC()
	return t.Year()*12 + int(t.Month()) - 1
}

func (m *months) has(month int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.have[month]
}

func (m *months) add(list map[int]time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.have == nil {
		m.have = make(map[int]bool)
	}
	for month := range list {
		m.have[month] = true
	}
}

func (m *months) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.have = nil
}

// Accept implements ledger.Ledger. A sequence above the order's counts as the
// order's, one below what is accepted changes nothing.
func (l *Ledger) Accept(ctx context.Context, k trade.Key, sequence int, at time.Time) error {
	if err := l.usable(ctx); err != nil {
		return err
	}
	if l.known.has(k, sequence) {
		if sequence > 0 {
			l.accepts.add(k, mark{sequence: sequence, at: micros(at)})
		}
		return nil
	}
	o, err := l.Order(ctx, k)
	if err != nil {
		return err
	}
	if sequence = min(sequence, o.Sequence); sequence > o.Accepted {
		l.accepts.add(k, mark{sequence: sequence, at: micros(at)})
	}
	return nil
}

// writerRow spreads the rows of sums that processes keep, so that they do not
// wait for each other.
func writerRow(owner string, writer int) int32 {
	h := fnv.New32a()
	h.Write([]byte(owner))
	return int32(h.Sum32()%16)*writers + int32(writer)
}

// Observe implements ledger.Observable.
func (l *Ledger) Observe(f func(ledger.Commit)) { l.observer.Store(&f) }

func (l *Ledger) observed(calls int, began time.Time, err error) {
	if f := l.observer.Load(); f != nil && *f != nil {
		(*f)(ledger.Commit{Calls: calls, Took: time.Since(began), Err: err})
	}
}

// Interface guards
var (
	_ ledger.Ledger     = (*Ledger)(nil)
	_ ledger.Shared     = (*Ledger)(nil)
	_ ledger.Observable = (*Ledger)(nil)
)
