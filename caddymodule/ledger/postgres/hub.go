// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	// newsDelay gathers what is told to other processes. NOTIFY locks the whole
	// server's queue while it commits, so it is no part of the transactions that
	// others wait for.
	newsDelay = 10 * time.Millisecond
	// maxNews bounds a message; PostgreSQL takes less than 8000 bytes.
	maxNews = 7500
	// relisten is the longest pause before the listening connection is made anew.
	relisten = 5 * time.Second
)

// hub tells other processes what has changed, and is told by them. What gets lost
// on the way is found by polling (Due).
type hub struct {
	owner string // of this process's messages and rows of sums
	mu    sync.Mutex
	news  []ledger.Change
	ready chan struct{} // news is not empty

	watchers map[*func(ledger.Change)]struct{}
}

func (h *hub) init() {
	h.owner, h.ready = rand.Text(), make(chan struct{}, 1)
	h.watchers = make(map[*func(ledger.Change)]struct{})
}

// message is what travels, as JSON.
type message struct {
	From    string    `json:"from"`
	Changes [][3]text `json:"changes,omitempty"` // app, out_trade_no, site; none: too many
}

// Watch implements ledger.Shared.
func (l *Ledger) Watch(changed func(ledger.Change)) (stop func()) {
	h := &l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers[&changed] = struct{}{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers, &changed)
	}
}

func (h *hub) tellWatchers(changes ...ledger.Change) {
	h.mu.Lock()
	var list []func(ledger.Change)
	for f := range h.watchers {
		list = append(list, *f)
	}
	h.mu.Unlock()
	for _, f := range list {
		for _, c := range changes {
			f(c)
		}
	}
}

// committed takes down what others may wait for: new events, and events that are
// to be told earlier than they know.
func (h *hub) committed(g *group) {
	var news []ledger.Change
	for k, e := range g.orders {
		earlier := !e.TellAt.IsZero() && (e.was.TellAt.IsZero() || e.TellAt.Before(e.was.TellAt))
		if e.dirty && (e.Sequence != e.was.Sequence || earlier) {
			news = append(news, ledger.Change{Key: k, PublicURL: e.PublicURL()})
		}
	}
	if len(news) == 0 {
		return
	}
	h.mu.Lock()
	h.news = append(h.news, news...)
	h.mu.Unlock()
	select {
	case h.ready <- struct{}{}:
	default:
	}
}

// pack takes what waits as one message.
func (h *hub) pack() string {
	h.mu.Lock()
	news := h.news
	h.news = nil
	h.mu.Unlock()
	m := message{From: h.owner}
	size := 0
	for _, c := range news {
		row := [3]text{text(c.Key.AppID), text(c.Key.OutTradeNo), text(c.PublicURL)}
		if size += len(encode(row)) + 1; size > maxNews {
			m.Changes = nil
			break
		}
		m.Changes = append(m.Changes, row)
	}
	return encode(m)
}

// tell sends the news until ctx ends.
func (l *Ledger) tell(ctx context.Context) {
	for {
		select {
		case <-l.hub.ready:
		case <-ctx.Done():
			return
		}
		pause(ctx, newsDelay)
		call, cancel := l.bounded(ctx)
		_, err := l.pool.Exec(call, sqlNotify, l.channel(), l.hub.pack())
		_ = err // others poll
		cancel()
	}
}

func (l *Ledger) channel() string { return "alipay_" + l.schema.name }

// listen hears what others tell until ctx ends. It needs a session of its own,
// which a pooler by transaction cannot give: there, polling has to do.
func (l *Ledger) listen(ctx context.Context) {
	for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, relisten) {
		c := l.current.Load()
		if c.Pooler {
			pause(ctx, relisten)
			continue
		}
		conn, err := pgx.ConnectConfig(ctx, c.connConfig())
		if err == nil {
			if l.hear(ctx, conn) {
				wait = 100 * time.Millisecond
			}
			closing, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = conn.Close(closing)
			cancel()
		}
		pause(ctx, wait)
	}
}

// hear returns when the connection breaks, or ctx ends, and reports whether it
// had been usable.
func (l *Ledger) hear(ctx context.Context, conn *pgx.Conn) (heard bool) {
	if _, err := conn.Exec(ctx, "LISTEN "+quoted(l.channel())); err != nil {
		return false
	}
	l.hub.tellWatchers(ledger.Change{}) // what was told before is lost
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return true
		}
		var m message
		if json.Unmarshal([]byte(n.Payload), &m) != nil || m.From == l.hub.owner {
			continue
		}
		changes := make([]ledger.Change, 0, max(len(m.Changes), 1))
		for _, c := range m.Changes {
			k := trade.Key{AppID: string(c[0]), OutTradeNo: string(c[1])}
			changes = append(changes, ledger.Change{Key: k, PublicURL: string(c[2])})
		}
		if len(changes) == 0 {
			changes = append(changes, ledger.Change{})
		}
		l.hub.tellWatchers(changes...)
	}
}
