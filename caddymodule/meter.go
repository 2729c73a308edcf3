// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// meter counts for one account. It holds the series themselves: to look them up
// by their labels would cost a notice more than all the counting does. All of
// them exist from the start, so that a rate is right from the first one on.
type meter struct {
	requests   [numOutcomes]prometheus.Counter
	rejections map[route]words
	deliveries words
	delivering prometheus.Observer
	payments   words
	events     words
	held       words
	shadow     words
	dropped    prometheus.Counter

	// calls are few, so their series are looked up
	calls    *prometheus.CounterVec
	callTime prometheus.ObserverVec

	// keys of Alipay's are few, and known only once they are read
	keys  *prometheus.CounterVec
	known atomic.Pointer[words] // their series, once they were counted
}

// words are the counters of a closed set, reasonOther last: a few comparisons
// cost less than a map's look-up.
type words []word

type word struct {
	text string
	seen prometheus.Counter
}

func (w words) inc(text string) {
	for i := range w {
		if w[i].text == text {
			w[i].seen.Inc()
			return
		}
	}
	w[len(w)-1].seen.Inc()
}

// count makes the counters of a closed set.
func count[T ~string](v *prometheus.CounterVec, set []T) words {
	w := make(words, 0, len(set)+1)
	for _, text := range set {
		w = append(w, word{string(text), v.WithLabelValues(string(text))})
	}
	return append(w, word{reasonOther, v.WithLabelValues(reasonOther)})
}

// meter is the meter of the account with the given name.
func (m *metrics) meter(account string) *meter {
	name := prometheus.Labels{"account": account}
	rejections := m.rejections.MustCurryWith(name)
	of := func(at route) words {
		return count(rejections.MustCurryWith(prometheus.Labels{"route": string(at)}), rejectionReasons(at))
	}
	mt := &meter{
		rejections: map[route]words{routeReturn: of(routeReturn), routeNotify: of(routeNotify)},
		deliveries: count(m.deliveries.MustCurryWith(name), []string{deliveryAccepted, deliveryRefused, deliveryTimeout, deliveryUnreachable}),
		delivering: m.deliveryTime.WithLabelValues(account),
		payments:   count(m.payments.MustCurryWith(name), allSources),
		events:     count(m.events.MustCurryWith(name), allEvents),
		held:       count(m.held.MustCurryWith(name), trade.Reasons()),
		shadow:     count(m.shadow.MustCurryWith(name), allDifferences),
		dropped:    m.dropped.WithLabelValues(account),
		calls:      m.calls.MustCurryWith(name),
		callTime:   m.callTime.MustCurryWith(name),
		keys:       m.keys.MustCurryWith(name),
	}
	for i, o := range outcomes {
		mt.requests[i] = m.requests.WithLabelValues(account, string(o.route), o.word)
	}
	return mt
}

// answered counts a request on one of the handler's own paths.
func (m *meter) answered(o outcome) { m.requests[o].Inc() }

// rejected counts what is not Alipay's or not of its order.
func (m *meter) rejected(at route, reason string) {
	m.rejections[at].inc(reason)
	if at == routeReturn {
		m.answered(returnRejected)
	} else {
		m.answered(notifyRejected)
	}
}

// called counts a call to Alipay.
func (m *meter) called(c gateway.Call) {
	m.calls.WithLabelValues(c.Method, string(c.Outcome)).Inc()
	m.callTime.WithLabelValues(c.Method).Observe(c.Took.Seconds())
}

// verified counts a message that a key of Alipay's has verified. The keys' series
// are remembered as they come: there are four keys at most at a time.
func (m *meter) verified(key string) {
	known := m.known.Load()
	if known != nil {
		for i := range *known {
			if (*known)[i].text == key {
				(*known)[i].seen.Inc()
				return
			}
		}
	}
	w := words{{key, m.keys.WithLabelValues(key)}}
	w[0].seen.Inc()
	if known != nil {
		w = append(w, (*known)[:min(len(*known), maxKnownKeys-1)]...)
	}
	m.known.Store(&w) // whoever is overtaken here looks the series up once more
}

// maxKnownKeys bounds what is compared with a key.
const maxKnownKeys = 8

// recorded counts what became known.
func (m *meter) recorded(out *ledger.Outcome) {
	if out.Held != nil {
		m.held.inc(string(out.Held.Reason))
	}
	for i := range out.Events {
		e := &out.Events[i]
		m.events.inc(string(e.Type))
		if e.Type == trade.EventPaid {
			m.payments.inc(string(e.Source))
		}
	}
}

// told counts a delivery.
func (m *meter) told(took time.Duration, err error) {
	m.deliveries.inc(deliveryOutcome(err))
	m.delivering.Observe(took.Seconds())
}
