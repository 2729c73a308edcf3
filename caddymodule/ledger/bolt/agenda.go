// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"reflect"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// What changes often and ends soon is kept apart from the order's record: how
// much the shop has accepted and what is to be done when. An order with nothing
// left to do has no agenda: the shop has accepted everything.

func hasAgenda(o *trade.Order) bool {
	return o.Undelivered() || !o.AskAt.IsZero() || !o.RefundAt.IsZero() || o.UnknownRefund() != nil
}

func appendAgenda(b []byte, r *orderRecord) []byte {
	b = appendUint(b, 1, uint64(r.Sequence-r.Accepted))
	b = appendTime(b, 2, r.TellAt, r.id)
	b = appendUint(b, 3, uint64(r.Refusals))
	b = appendTime(b, 4, r.RefusedSince, r.id)
	b = appendTime(b, 5, r.AskAt, r.id)
	b = appendUint(b, 6, uint64(r.Asked))
	b = appendText(b, 7, r.Refusal)
	b = appendTime(b, 8, r.RefundAt, r.id)
	return appendUint(b, 9, uint64(r.RefundTries))
}

// decodeAgenda adds to the record what is kept apart; data is nil if there is
// nothing to do.
func decodeAgenda(data []byte, r *orderRecord) error {
	r.Accepted = r.Sequence
	f := fields{rest: data}
	for f.next() {
		switch f.num {
		case 1:
			if f.value > uint64(r.Sequence) {
				return fmt.Errorf("%w: the agenda of %d", errDamaged, r.id)
			}
			r.Accepted = r.Sequence - int(f.value)
		case 2:
			r.TellAt = f.time(r.id)
		case 3:
			r.Refusals = int(f.value)
		case 4:
			r.RefusedSince = f.time(r.id)
		case 5:
			r.AskAt = f.time(r.id)
		case 6:
			r.Asked = int(f.value)
		case 7:
			r.Refusal = f.text()
		case 8:
			r.RefundAt = f.time(r.id)
		case 9:
			r.RefundTries = int(f.value)
		}
	}
	return f.failed
}

// plan is what the agenda buckets say of an order.
type plan struct {
	exists   bool
	accepted int
	sequence int
	agenda   trade.Agenda
	site     string
}

func planned(r *orderRecord) plan {
	return plan{exists: hasAgenda(&r.Order), accepted: r.Accepted, sequence: r.Sequence, agenda: r.Agenda, site: r.PublicURL()}
}

func (g *group) saveAgenda(touched []*entry) error {
	agenda, due := g.tx.Bucket(bucketAgenda), []setChange(nil)
	for _, e := range touched {
		was, now := e.was.plan, planned(&e.orderRecord)
		if was == now {
			continue
		}
		var err error
		switch {
		case now.exists:
			err = agenda.Put(idKey(e.id), g.encoded(func(b []byte) []byte { return appendAgenda(b, &e.orderRecord) }))
		case was.exists:
			err = agenda.Delete(idKey(e.id))
		}
		if err != nil {
			return err
		}
		for _, move := range [...][2][]byte{
			{g.dueKey(ledger.TaskTell, was.site, was.agenda.TellAt, e.id), g.dueKey(ledger.TaskTell, now.site, now.agenda.TellAt, e.id)},
			{g.dueKey(ledger.TaskAsk, e.AppID, was.agenda.AskAt, e.id), g.dueKey(ledger.TaskAsk, e.AppID, now.agenda.AskAt, e.id)},
			{g.dueKey(ledger.TaskRefund, e.AppID, was.agenda.RefundAt, e.id), g.dueKey(ledger.TaskRefund, e.AppID, now.agenda.RefundAt, e.id)},
		} {
			if bytes.Equal(move[0], move[1]) {
				continue
			}
			if move[0] != nil {
				due = append(due, setChange{entry: move[0], remove: true})
			}
			if move[1] != nil {
				due = append(due, setChange{entry: move[1]})
			}
		}
	}
	return g.due().apply(due, g.encoded)
}

// taskCodes are the first bytes of keys in the due bucket.
var taskCodes = map[ledger.Task]byte{ledger.TaskTell: 1, ledger.TaskAsk: 2, ledger.TaskRefund: 3}

const dueSize = 1 + 4 + 8 + idSize // task, subject, time, order

// dueKey is where an order waits for its time; nil if it does not. A subject
// that the table of names has no room for shares the number 0.
func (g *group) dueKey(t ledger.Task, subject string, at time.Time, id uint64) []byte {
	if at.IsZero() {
		return nil
	}
	ref, _ := g.ledger.names.ref(subject)
	key := append(make([]byte, 0, dueSize), duePrefix(t, ref)...)
	key = binary.BigEndian.AppendUint64(key, uint64(max(0, at.UnixMicro())))
	return binary.BigEndian.AppendUint64(key, id)
}

func duePrefix(t ledger.Task, ref uint64) []byte {
	return binary.BigEndian.AppendUint32([]byte{taskCodes[t]}, uint32(ref))
}

func (v *view) due() set { return set{bucket: v.tx.Bucket(bucketDue), size: dueSize} }

// parseDue takes a key apart.
func parseDue(key []byte) (at time.Time, id uint64) {
	at = time.UnixMicro(int64(binary.BigEndian.Uint64(key[5:]))).UTC()
	return at, binary.BigEndian.Uint64(key[13:])
}

// Change implements ledger.Ledger.
func (l *Ledger) Change(ctx context.Context, k trade.Key, change func(*trade.Order) (bool, error)) (trade.Order, error) {
	if err := checkKey(k); err != nil {
		return trade.Order{}, err
	}
	marks := l.accepts.at()
	var o trade.Order
	err := l.submit(ctx, func(g *group) (err error) {
		o, err = g.change(k, change)
		return err
	})
	if err != nil {
		return trade.Order{}, err
	}
	o = given(o)
	marks.apply(&o)
	return o, nil
}

func (g *group) change(k trade.Key, change func(*trade.Order) (bool, error)) (trade.Order, error) {
	e, err := g.entry(k)
	if err != nil {
		return trade.Order{}, err
	}
	if e.id == 0 {
		return trade.Order{}, ledger.ErrNotFound
	}
	next := given(e.Order)
	changed, err := change(&next)
	if err != nil || !changed {
		return e.Order, err
	}
	cutTimes(&next)
	agenda := next.Agenda
	next.Agenda, next.Accepted = e.Agenda, e.Accepted // to accept is not what Change is for
	e.dirty = e.dirty || !reflect.DeepEqual(next, e.Order)
	next.Agenda = agenda
	e.Order, e.marked = next, true
	return next, nil
}

// cutTimes cuts those times of an order that Change may set.
func cutTimes(o *trade.Order) {
	for _, t := range []*time.Time{&o.UpdatedAt, &o.TellAt, &o.RefusedSince, &o.AskAt, &o.RefundAt} {
		*t = micros(*t)
	}
	for i := range o.Intents {
		o.Intents[i].At, o.Intents[i].SettledAt = micros(o.Intents[i].At), micros(o.Intents[i].SettledAt)
	}
}
