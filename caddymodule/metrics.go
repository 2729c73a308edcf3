// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// metrics are what this process counts, over all configurations. The series
// outlive a reload: Caddy makes a new registry for each configuration, and each
// one registers the same collectors again. Labels are closed sets: the names of
// the accounts, and words of our own. docs/operations.md explains each metric.
type metrics struct {
	requests   *prometheus.CounterVec
	rejections *prometheus.CounterVec

	deliveries   *prometheus.CounterVec
	deliveryTime *prometheus.HistogramVec
	payments     *prometheus.CounterVec
	events       *prometheus.CounterVec
	held         *prometheus.CounterVec
	shadow       *prometheus.CounterVec
	dropped      *prometheus.CounterVec

	calls    *prometheus.CounterVec
	callTime *prometheus.HistogramVec
	keys     *prometheus.CounterVec

	commitTime     *prometheus.HistogramVec
	commitCalls    *prometheus.HistogramVec
	commitFailures *prometheus.CounterVec

	archived    *prometheus.CounterVec
	archiveRuns *prometheus.CounterVec
	archiveLast *prometheus.GaugeVec

	books *books
}

// theMetrics makes the metrics of this process, once.
var theMetrics = sync.OnceValue(newMetrics)

// Buckets of the histograms: of a commit from a fast disk to a hanging one, of a
// call over HTTP from loopback to the longest time-out.
var (
	commitBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}
	callsBuckets  = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}
	httpBuckets   = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60}
)

func newMetrics() *metrics {
	return &metrics{
		requests: counter("requests_total",
			"Requests on the handler's own paths, by route and how they were answered.", "account", "route", "outcome"),
		rejections: counter("rejections_total",
			"Notices and returns that were refused as not Alipay's or not for this order, by reason.", "account", "route", "reason"),

		deliveries: counter("deliveries_total",
			"Events told to shops, by whether the shop accepted.", "account", "outcome"),
		deliveryTime: histogram("delivery_duration_seconds",
			"Time that shops took to answer a delivery.", httpBuckets, "account"),
		payments: counter("payments_total",
			"Payments that became known, by what proved them first.", "account", "source"),
		events: counter("events_total",
			"Events that were caused and recorded, by type.", "account", "event"),
		held: counter("held_total",
			"Signed statements that were held for a person, by reason.", "account", "reason"),
		shadow: counter("shadow_notices_total",
			"Notices that passed a site in shadow mode, by how the shop's verdict differed from ours.", "account", "difference"),
		dropped: counter("emissions_dropped_total",
			"Caddy events that were not emitted, because too many were still being handled by their subscribers.", "account"),

		calls: counter("gateway_calls_total",
			"Calls to Alipay's gateway, by method and outcome.", "account", "method", "outcome"),
		callTime: histogram("gateway_call_duration_seconds",
			"Time that Alipay's gateway took to answer.", httpBuckets, "account", "method"),

		keys: counter("key_messages_total",
			"Messages that were verified, by the key of Alipay's that did it: the first 16 hex digits of its SHA-256.", "account", "key"),

		commitTime: histogram("ledger_commit_duration_seconds",
			"Time that the ledger took to make one group durable.", commitBuckets, "ledger"),
		commitCalls: histogram("ledger_commit_calls",
			"Calls that shared one commit of the ledger.", callsBuckets, "ledger"),
		commitFailures: counter("ledger_commit_failures_total",
			"Commits of the ledger that failed, and recorded nothing.", "ledger"),

		archived: counter("archived_orders_total",
			"Orders that were moved from the ledger to files.", "ledger"),
		archiveRuns: counter("archive_runs_total",
			"Passes over the ledger for orders to archive, by how they ended.", "ledger", "outcome"),
		archiveLast: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: metricNamespace, Subsystem: metricSubsystem, Name: "archive_last_finished_timestamp_seconds",
			Help: "When the last pass came to its end, as a Unix time; 0 if none has.",
		}, []string{"ledger"}),

		books: newBooks(),
	}
}

// register makes the metrics part of a configuration's registry. That they are
// registered already is no error: apps and tests may share a registry.
func (m *metrics) register(r *prometheus.Registry) error {
	for _, c := range []prometheus.Collector{
		m.requests, m.rejections, m.deliveries, m.deliveryTime, m.payments, m.events, m.held, m.shadow, m.dropped,
		m.calls, m.callTime, m.keys, m.commitTime, m.commitCalls, m.commitFailures,
		m.archived, m.archiveRuns, m.archiveLast, m.books,
	} {
		err := r.Register(c)
		if _, known := errors.AsType[prometheus.AlreadyRegisteredError](err); err != nil && !known {
			return err
		}
	}
	return nil
}

// committed counts the commits of the ledgers of one kind.
func (m *metrics) committed(kind string) func(ledger.Commit) {
	took, calls, failures := m.commitTime.WithLabelValues(kind), m.commitCalls.WithLabelValues(kind), m.commitFailures.WithLabelValues(kind)
	return func(c ledger.Commit) {
		took.Observe(c.Took.Seconds())
		calls.Observe(float64(c.Calls))
		if c.Err != nil {
			failures.Inc()
		}
	}
}

const (
	metricNamespace = "caddy"
	metricSubsystem = "alipay"
)

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: metricNamespace, Subsystem: metricSubsystem, Name: name, Help: help,
	}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: metricNamespace, Subsystem: metricSubsystem, Name: name, Help: help, Buckets: buckets,
	}, labels)
}
