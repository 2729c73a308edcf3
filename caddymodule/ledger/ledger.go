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
	// ErrPosition: an imported record is not where it can be. Another record has its
	// position, or what is here is no earlier state of it.
	ErrPosition = errors.New("the record's position in this ledger is taken")
	// ErrChanged: what was to be replaced is no longer what it was.
	ErrChanged = errors.New("somebody else has changed it meanwhile")
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

	// Change has change alter an order, in one transaction, and returns the order
	// after it. It is for what is no evidence: dates of the agenda, refusals of the
	// shop, refunds that are asked for (the methods of trade.Order). change must be
	// pure, for it may run more than once; it reports whether it has changed
	// anything, and its error comes back as it is, with the order unchanged.
	// ErrNotFound: there is no such order.
	Change(ctx context.Context, k trade.Key, change func(*trade.Order) (bool, error)) (trade.Order, error)

	// Order returns one order, or ErrNotFound.
	Order(ctx context.Context, k trade.Key) (trade.Order, error)
	// OrderByTradeNo finds an order by Alipay's number, or ErrNotFound.
	OrderByTradeNo(ctx context.Context, appID, tradeNo string) (trade.Order, error)
	// Orders lists orders by the time they were first sent to the cashier,
	// oldest first.
	Orders(ctx context.Context, q OrderQuery) (OrderPage, error)
	// History is all that is kept about how an order came to be as it is, or
	// ErrNotFound.
	History(ctx context.Context, k trade.Key) (History, error)

	// Undelivered returns the events of an order that the shop has not accepted,
	// in sequence, each with what is needed to tell it; ErrNotFound if there is no
	// such order.
	Undelivered(ctx context.Context, k trade.Key) ([]Delivery, error)
	// Accept notes that the shop has accepted the order's events up to and with
	// the given sequence, and when. It only ever raises the mark, and never above
	// the order's sequence. Every later read sees it; it becomes durable with the
	// next commit, within 50 ms at the latest: to lose it in a crash only means that
	// an event is told twice, with the same id. ErrNotFound: there is no such order.
	Accept(ctx context.Context, k trade.Key, sequence int, at time.Time) error

	// Due leases orders that have something to do now to one owner, the longest
	// overdue first. Until the lease ends or is released, nobody else is given
	// the order for that task.
	Due(ctx context.Context, q DueQuery) (Due, error)
	// Lease leases one order for a task until the given time, and reports false if
	// somebody else has it. One's own lease is prolonged. ErrNotFound: there is no
	// such order.
	Lease(ctx context.Context, t Task, k trade.Key, owner string, now, until time.Time) (bool, error)
	// Release ends a lease early. One that is not held is no error.
	Release(ctx context.Context, t Task, k trade.Key, owner string) error

	// Events lists the journal in the order in which events were caused, after
	// the event with the given id ("": from the start), up to limit (as in
	// OrderQuery). ErrNotFound: the ledger has given out no such id.
	Events(ctx context.Context, after string, limit int) ([]JournalEntry, error)
	// Event is one event with what is needed to tell it, or ErrNotFound.
	Event(ctx context.Context, id string) (Delivery, error)

	// Held lists what waits for a person, oldest first.
	Held(ctx context.Context, q HeldQuery) (HeldPage, error)
	// HeldItem is one held item, decided or not, or ErrNotFound.
	HeldItem(ctx context.Context, id string) (trade.Held, error)
	// Decide takes a person's decision about a held item (trade.Settle) and stores
	// it with the record and the events that it caused, in one transaction.
	// Decisions about one order are taken one after the other, whatever items they
	// are about and whichever processes they come from. Besides ErrUnavailable and
	// ErrNotFound it fails with trade.ErrDecided, ErrNotAcceptable, ErrOthersFirst,
	// ErrNoMoney, ErrOwnTrade, ErrNeedsSite or ErrNoDecision, and has then no effect.
	// Evidence that a decision has answered (trade.Held.Answers) is a repeat: it is
	// neither folded nor held, whatever it would do to the order now; while its item
	// waits for the outcome of a refund, the repeat names it.
	Decide(ctx context.Context, id string, d trade.Decision) (trade.Decided, error)

	// Setting is a value kept with the ledger (keys, above all), or ErrNotFound.
	Setting(ctx context.Context, name string) ([]byte, error)
	// SetSetting replaces the value was of a setting (nil: there is none) by value,
	// of at most 64 KiB, or fails with ErrChanged.
	SetSetting(ctx context.Context, name string, was, value []byte) error

	// Totals are sums and counts over one app's orders, for metrics.
	Totals(ctx context.Context, appID string) (Totals, error)
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

// History is how an order came to be as it is. Its evidence comes without the raw
// messages; of a statement a ledger may keep no more than a timeline shows: source,
// status, sums, a refund's number, and when it arrived.
type History struct {
	Order    trade.Order
	Evidence []trade.Evidence // that has changed the order, in the order of arrival
	Events   []trade.Event    // in sequence
	Tellings []Telling        // by sequence; events that were never told have none
	Held     []trade.Held     // statements about this order that were held, decided or not
}

// Telling is how an event went to the shop.
type Telling struct {
	Sequence     int
	AcceptedAt   time.Time // zero while it is not accepted
	Refusals     int
	RefusedSince time.Time // the first refusal; zero if there was none
	Refusal      string    // why it was refused last, in the courier's words; "" if it never was
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
// Alipay asked about the order (AskAt), TaskRefund about a refund (RefundAt).
const (
	TaskTell   Task = "tell"
	TaskAsk    Task = "ask"
	TaskRefund Task = "refund"
)

// DueQuery asks for work.
type DueQuery struct {
	Task Task
	// Subject is whose work: for TaskTell the public_url of a site, for TaskAsk
	// and TaskRefund an app id.
	Subject string
	// AppID leaves out the orders of other apps: each account has its own courier,
	// and several may share a ledger and a site. "" for all.
	AppID string
	Owner string    // who does it, unique among all processes
	Now   time.Time // what is due up to this is given
	Until time.Time // the end of the lease
	Limit int       // 1 to MaxLimit
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
	Dead     bool // the courier has given it up; only a person has it told again
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

// HeldQuery selects held items.
type HeldQuery struct {
	AppID   string // only statements for this app; "" for all
	Decided bool   // also those that wait for nobody any more
	Cursor  string // next_cursor of the page before; "" for the first
	Limit   int    // as in OrderQuery
}

// HeldPage is one page of held items.
type HeldPage struct {
	Held []trade.Held
	Next string
}

// Totals are sums and counts over one app's orders. Paid, Accepted and Refunded
// are kept up to date with each commit, from different records; what is
// undelivered and held is counted when it is asked for. So these two hold unless
// something was lost: Paid = Accepted + Undelivered, and Refunded = RefundedTold.
type Totals struct {
	Paid         trade.Amount // of all orders proved as paid
	Refunded     trade.Amount // of all orders, as Alipay has stated
	RefundedTold trade.Amount // the same by the events about refunds

	Accepted    trade.Amount // paid, by the trade.paid events that a shop has accepted
	Undelivered trade.Amount // paid, by those that none has accepted yet

	UndeliveredEvents int       // of any kind, dead ones included
	DeadEvents        int       // given up by the courier
	UndeliveredSince  time.Time // when the oldest of them was caused; zero if there is none

	HeldItems int       // that wait for a person
	HeldSince time.Time // the oldest of them; zero if there is none
	// HeldPaid is what buyers have paid by them (trade.Held.Pays): each trade once,
	// and none by which its order is paid.
	HeldPaid trade.Amount
	Unknown  int // refunds whose outcome is unknown
}

// Shared is what a ledger implements beside Ledger whose records other processes
// may change.
type Shared interface {
	// Watch has changed called, one call at a time, when another process has caused
	// events or has them told earlier, until stop is called. It may be told late,
	// twice, or not at all: it only spares waiting.
	Watch(changed func(Change)) (stop func())
}

// Change says which order another process has changed. Its zero value says that
// any may have been.
type Change struct {
	Key       trade.Key
	PublicURL string // the site whose shop is told of its events
}
