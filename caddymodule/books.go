// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	// totalsFor is how long at least what the ledger has summed up is shown again,
	// and totalsShare how many times as long as the summing up took: however often
	// anybody scrapes, it takes no more than 2 % of a processor.
	totalsFor   = 5 * time.Second
	totalsShare = 50
	// totalsTimeout bounds one summing up. Prometheus waits 10 s for a scrape.
	totalsTimeout = 5 * time.Second
)

// books show, at each scrape, what the ledgers hold for the accounts of the
// running configuration.
type books struct {
	now    func() time.Time
	errors *prometheus.CounterVec

	mu   sync.Mutex
	open []*book // the newest configuration's last
}

// book is one account's, in one configuration.
type book struct {
	account, appID string
	ledger         ledger.Ledger
	certificates   func() []certificate
	silent         func() time.Time // since when notices are missing; zero if they are not

	mu     sync.Mutex
	at     time.Time     // of totals and err
	fresh  time.Duration // how long they are shown from then on
	totals ledger.Totals
	err    error
}

func newBooks() *books {
	return &books{
		now: time.Now,
		errors: counter("totals_errors_total",
			"Times that the ledger could not sum up what it holds; the gauges of the ledger are then missing.", "account"),
	}
}

// add shows an account until the function that it returns is called. Of those
// with one name the newest is shown.
func (b *books) add(k *book) (remove func()) {
	b.errors.WithLabelValues(k.account) // it exists from the start
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = append(b.open, k)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.open = slices.DeleteFunc(b.open, func(have *book) bool { return have == k })
	}
}

// shown are the newest books, one for each name.
func (b *books) shown() []*book {
	b.mu.Lock()
	defer b.mu.Unlock()
	var shown []*book
	for _, k := range slices.Backward(b.open) {
		if !slices.ContainsFunc(shown, func(have *book) bool { return have.account == k.account }) {
			shown = append(shown, k)
		}
	}
	return shown
}

// sum is the ledger's Totals, or those of a moment ago; false if there are none.
func (b *books) sum(k *book) (t ledger.Totals, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if began := b.now(); k.at.IsZero() || began.Sub(k.at) >= k.fresh || began.Before(k.at) {
		ctx, cancel := context.WithTimeout(context.Background(), totalsTimeout)
		defer cancel()
		if k.totals, k.err = k.ledger.Totals(ctx, k.appID); k.err != nil {
			b.errors.WithLabelValues(k.account).Inc()
		}
		k.at = b.now()
		k.fresh = max(totalsFor, totalsShare*k.at.Sub(began))
	}
	return k.totals, k.err == nil
}

// gauge is one figure of the books.
type gauge struct {
	desc *prometheus.Desc
	of   func(t *ledger.Totals, now time.Time) float64
}

func newGauge(name, help string, of func(t *ledger.Totals, now time.Time) float64) gauge {
	return gauge{describe(name, help), of}
}

// fen is a gauge of money. float64 is exact up to 90 billion yuan.
func fen(name, help string, of func(t *ledger.Totals) trade.Amount) gauge {
	return newGauge(name, help, func(t *ledger.Totals, _ time.Time) float64 { return float64(of(t)) })
}

func number(name, help string, of func(t *ledger.Totals) int) gauge {
	return newGauge(name, help, func(t *ledger.Totals, _ time.Time) float64 { return float64(of(t)) })
}

func age(name, help string, since func(t *ledger.Totals) time.Time) gauge {
	return newGauge(name, help, func(t *ledger.Totals, now time.Time) float64 {
		if s := since(t); !s.IsZero() {
			return max(0, now.Sub(s).Seconds())
		}
		return 0
	})
}

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(metricNamespace, metricSubsystem, name), help, []string{"account"}, nil)
}

// gauges are what Totals is shown as. The two differences have to read 0: their
// terms are kept by different records of the ledger.
var gauges = []gauge{
	fen("books_paid_difference_fen", "Paid, minus accepted by shops, minus undelivered, in fen; anything but 0 means that the books are wrong.",
		func(t *ledger.Totals) trade.Amount { return t.Paid - t.Accepted - t.Undelivered }),
	fen("books_refunded_difference_fen", "Refunded by Alipay, minus refunded in events, in fen; anything but 0 means that the books are wrong.",
		func(t *ledger.Totals) trade.Amount { return t.Refunded - t.RefundedTold }),
	fen("paid_fen", "Sum of all orders proved as paid, in fen.", func(t *ledger.Totals) trade.Amount { return t.Paid }),
	fen("refunded_fen", "Sum of all refunds that Alipay has stated, in fen.", func(t *ledger.Totals) trade.Amount { return t.Refunded }),
	fen("accepted_fen", "Sum of the payments that shops have accepted, in fen.", func(t *ledger.Totals) trade.Amount { return t.Accepted }),
	fen("undelivered_fen", "Sum of the payments that no shop has accepted yet, in fen.", func(t *ledger.Totals) trade.Amount { return t.Undelivered }),
	fen("held_fen", "What buyers have paid by the statements that are held, in fen.", func(t *ledger.Totals) trade.Amount { return t.HeldPaid }),
	number("undelivered_events", "Events that no shop has accepted yet, dead ones included.", func(t *ledger.Totals) int { return t.UndeliveredEvents }),
	number("dead_events", "Events that the courier has given up; they wait for a person.", func(t *ledger.Totals) int { return t.DeadEvents }),
	number("held_items", "Statements that are held and wait for a person.", func(t *ledger.Totals) int { return t.HeldItems }),
	number("unknown_refunds", "Refunds whose outcome at Alipay is not known.", func(t *ledger.Totals) int { return t.Unknown }),
	age("undelivered_age_seconds", "Age of the oldest event that no shop has accepted yet; 0 if there is none.",
		func(t *ledger.Totals) time.Time { return t.UndeliveredSince }),
	age("held_age_seconds", "Age of the oldest statement that is held; 0 if there is none.", func(t *ledger.Totals) time.Time { return t.HeldSince }),
}

var silentDesc = describe("notices_silent_since_timestamp_seconds",
	"When the first payment became known of which Alipay's notice is missing, if notices have stopped arriving; 0 if they have not.")

var expiryDesc = prometheus.NewDesc(prometheus.BuildFQName(metricNamespace, metricSubsystem, "certificate_expiry_timestamp_seconds"),
	"When a certificate of the certificate mode ends, as a Unix time; of several for one option, the one that ends first.", []string{"account", "option"}, nil)

// expiries are the ends of an account's certificates, by option.
func (k *book) expiries() map[string]time.Time {
	ends := make(map[string]time.Time)
	for _, c := range k.certificates() {
		if end, known := ends[c.option]; !known || c.expiry.Before(end) {
			ends[c.option] = c.expiry
		}
	}
	return ends
}

// Describe implements prometheus.Collector.
func (b *books) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range gauges {
		ch <- g.desc
	}
	ch <- silentDesc
	ch <- expiryDesc
	b.errors.Describe(ch)
}

// Collect implements prometheus.Collector.
func (b *books) Collect(ch chan<- prometheus.Metric) {
	for _, k := range b.shown() {
		since := 0.0
		if s := k.silent(); !s.IsZero() {
			since = float64(s.UnixMilli()) / 1000
		}
		ch <- prometheus.MustNewConstMetric(silentDesc, prometheus.GaugeValue, since, k.account)
		for option, end := range k.expiries() {
			ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(end.Unix()), k.account, option)
		}
		t, ok := b.sum(k)
		if !ok {
			continue
		}
		now := b.now()
		for _, g := range gauges {
			ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.of(&t, now), k.account)
		}
	}
	b.errors.Collect(ch)
}
