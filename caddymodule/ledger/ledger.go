// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package ledger says what a durable record of orders has to do. Ledgers are
// Caddy guest modules of the namespace alipay.ledger: ledger/bolt keeps one
// file, others can follow without a change here. ledgertest is the conformance
// suite that every ledger runs.
package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

var (
	// ErrNotFound: the ledger has no such order or event.
	ErrNotFound = errors.New("not in the ledger")
	// ErrUnavailable is wrapped by every error that says that the ledger could
	// not be read or written now (disk full, closed, gone): nothing was
	// recorded, and the same call may succeed later.
	ErrUnavailable = errors.New("the ledger is unavailable")
	// ErrCursor: the cursor given to a listing is not one it has handed out.
	ErrCursor = errors.New("not a cursor of this listing")
)

// Ledger keeps one record per order, the evidence that changed it, and the
// events to be told. It is safe for concurrent use, by several processes too
// where the kind allows it.
//
// A call that returns without an error has made its effect durable (the bytes
// are on disk), save Accept, which says otherwise. A call that fails has had no
// effect, with one exception: a caller whose context ends while it waits gets
// the context's error, and the effect may still come about; to repeat the call
// does no harm. Records of one order are changed one after the other; a ledger
// may gather calls for several orders into one commit.
//
// Times come back in UTC and exact to the microsecond.
type Ledger interface {
	// Attempt records that a buyer is sent to the cashier (trade.Order.Attempt)
	// and returns the order after it. Besides ErrUnavailable it fails with
	// trade.ErrPaid, trade.ErrClosed or trade.ErrContradicted, and then returns
	// the order as it is.
	Attempt(ctx context.Context, k trade.Key, a trade.Attempt) (trade.Order, error)

	// Record folds evidence into its order (trade.Fold) and stores the record,
	// the events it caused, or the evidence as held, in one transaction.
	// Evidence that changes nothing is not stored and costs no commit. Evidence
	// with the digest of a held item is the same item: the first is kept.
	Record(ctx context.Context, e trade.Evidence) (Outcome, error)

	// Order returns one order, or ErrNotFound.
	Order(ctx context.Context, k trade.Key) (trade.Order, error)
	// OrderByTradeNo finds an order by Alipay's number, or ErrNotFound.
	OrderByTradeNo(ctx context.Context, appID, tradeNo string) (trade.Order, error)
	// Orders lists orders by the time they were first sent to the cashier,
	// oldest first.
	Orders(ctx context.Context, q OrderQuery) (OrderPage, error)

	// Undelivered returns the events of an order that the shop has not accepted,
	// in sequence, each with what is needed to tell it; ErrNotFound if there is no
	// such order.
	Undelivered(ctx context.Context, k trade.Key) ([]Delivery, error)
	// Accept notes that the shop has accepted the order's events up to and with
	// the given sequence. It only ever raises the mark, and never above the
	// order's sequence. Every later read sees it; it becomes durable with the next
	// commit, within 50 ms at the latest: to lose it in a crash only means that an
	// event is told twice, with the same id. ErrNotFound: there is no such order.
	Accept(ctx context.Context, k trade.Key, sequence int) error

	// Refuse notes that the shop has not accepted an order's next event, and when
	// it is to be told again; a zero next means that only a person has it told
	// again (trade.Order.Refuse). What is out of date changes nothing.
	Refuse(ctx context.Context, k trade.Key, sequence int, at, next time.Time) error
	// AskNext notes that asking Alipay has settled nothing, and when to ask next;
	// zero means no more (trade.Order.AskNext).
	AskNext(ctx context.Context, k trade.Key, next time.Time) error
	// Due leases orders that have something to do now to one owner, the longest
	// overdue first. Until the lease ends or is released, nobody else is given
	// the order for that task.
	Due(ctx context.Context, q DueQuery) (Due, error)
	// Release ends a lease early. One that is not held is no error.
	Release(ctx context.Context, t Task, k trade.Key, owner string) error

	// Events lists the journal in the order in which events were caused, after
	// the event with the given id ("": from the start), up to limit (as in
	// OrderQuery). ErrNotFound: the ledger has given out no such id.
	Events(ctx context.Context, after string, limit int) ([]JournalEntry, error)
	// Held lists what waits for a person, oldest first.
	Held(ctx context.Context, cursor string, limit int) (HeldPage, error)
}

// Provider is what a guest module of the namespace alipay.ledger implements
// beside caddy.Provisioner and caddy.CleanerUpper.
type Provider interface {
	// Ledger is the opened ledger, shared with every configuration that names
	// the same one. It is usable from Provision until Cleanup.
	Ledger() Ledger
	// Identity tells two ledgers apart and holds no secret: the canonical path
	// of a file, host and database of a server.
	Identity() string
}

// Outcome is what Record did.
type Outcome struct {
	Order  trade.Order   // as it stands now
	Events []trade.Event // caused by this evidence, with their ids
	Held   *trade.Held   // set if the evidence is held, now or since an earlier time
	Repeat bool          // nothing was stored: all of it was known
}

// Delivery is one event to be told, with the order as it stands now.
type Delivery struct {
	Order trade.Order
	Event trade.Event
	// Original is the verified message of Alipay that states this very event,
	// as received, and ContentType its media type; nil for an implied event and
	// for one learnt by asking.
	Original    []byte
	ContentType string
}

// Task is something that is done about an order at a certain time.
type Task string

// The tasks: TaskTell has the shop told of the next event (TellAt), TaskAsk has
// Alipay asked (AskAt).
const (
	TaskTell Task = "tell"
	TaskAsk  Task = "ask"
)

// DueQuery asks for work.
type DueQuery struct {
	Task Task
	// Subject is whose work: for TaskTell the public_url of a site, for TaskAsk
	// an app id.
	Subject string
	Owner   string    // who does it, unique among all processes
	Now     time.Time // what is due up to this is given
	Until   time.Time // the end of the lease
	Limit   int       // 1 to MaxLimit
}

// Due is work, leased.
type Due struct {
	Orders []trade.Order
	// Next is when the earliest work that is neither given here nor leased to
	// anybody becomes due, which may be at once if Limit cut the list; zero if
	// there is none. A ledger that several processes share may name an earlier
	// time, to be asked again.
	Next time.Time
}

// JournalEntry is one event of the journal.
type JournalEntry struct {
	Key      trade.Key
	Event    trade.Event
	Accepted bool
}

// Bounds of a listing's page.
const (
	DefaultLimit = 50
	MaxLimit     = 500
)

// OrderQuery selects orders.
type OrderQuery struct {
	AppID  string        // only orders of this app; "" for all
	Status *trade.Status // only orders in this state; nil for all
	Since  time.Time     // only orders created at or after; zero for all
	Cursor string        // next_cursor of the page before; "" for the first
	Limit  int           // 1 to MaxLimit; 0 means DefaultLimit, more means MaxLimit
}

// OrderPage is one page of a listing. Orders created while it is read come at
// its end; none is listed twice or left out. A page may hold fewer orders than
// the limit, even none, and have a next one: a filter that finds little is given
// up after a while and goes on with the next page.
type OrderPage struct {
	Orders []trade.Order
	Next   string // "" on the last page
}

// HeldPage is one page of what waits for a person.
type HeldPage struct {
	Held []trade.Held
	Next string
}
