// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/archive"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// archivers keeps each ledger's archiver over config reloads, so that there is one.
var archivers = caddy.NewUsagePool()

// pooledArchiver holds nothing of the configuration that happened to be first.
type pooledArchiver struct{ *archive.Archiver }

func (p pooledArchiver) Destruct() error {
	p.Close()
	return nil
}

// archiving is an account's part in archiving its ledger.
type archiving struct {
	identity string // the ledger's
	kind     string
	archiver *archive.Archiver // nil: the ledger cannot be archived
	setting  *archive.Setting  // nil: this account's configuration asks for nothing
}

// acquireArchiver takes hold of the archiver of a ledger.
func acquireArchiver(p ledger.Provider, kind string) (a archiving, err error) {
	a.identity, a.kind = p.Identity(), kind
	store, ok := archive.Of(p.Ledger())
	if !ok {
		return a, nil
	}
	val, _, err := archivers.LoadOrNew(a.identity, func() (caddy.Destructor, error) {
		return pooledArchiver{archive.New(store)}, nil
	})
	if err != nil {
		return a, err
	}
	pooled, ok := val.(pooledArchiver)
	if !ok {
		return a, fmt.Errorf("the pool holds a %T for %s", val, a.identity)
	}
	a.archiver = pooled.Archiver
	if c, ok := p.(archive.Archiving); ok {
		a.setting = c.ArchiveSetting()
	}
	return a, nil
}

// release gives the archiver back; the last one ends it.
func (a *archiving) release() error {
	if a.archiver == nil {
		return nil
	}
	a.archiver = nil
	_, err := archivers.Delete(a.identity)
	return err
}

// archives are the settings by ledger. Accounts that share one may say it once, or
// the same.
func (a *App) archives() (map[string]archiving, error) {
	list := make(map[string]archiving)
	for _, name := range slices.Sorted(maps.Keys(a.Accounts)) {
		own := a.Accounts[name].archiving
		have, ok := list[own.identity]
		if ok && have.setting != nil && own.setting != nil && !have.setting.Same(own.setting) {
			return nil, fmt.Errorf("alipay: account %q: another account has the same ledger and a different archive; give both the same", name)
		}
		if !ok || have.setting == nil {
			list[own.identity] = own
		}
	}
	return list, nil
}

// startArchiving has this configuration's settings count; what it returns takes them
// back.
func (a *App) startArchiving() (stop []func()) {
	list, err := a.archives()
	if err != nil { // Provision has refused it
		return nil
	}
	for _, own := range list {
		if own.archiver != nil {
			stop = append(stop, own.archiver.Add(own.setting, theMetrics().archiving(own.kind, a.logger)))
		}
	}
	return stop
}

// archiving counts what the archiver of a ledger of one kind does.
func (m *metrics) archiving(kind string, logger *zap.Logger) archive.Watcher {
	return archive.Watcher{
		Logger:   logger.With(zap.String("ledger", kind)),
		Archived: func(orders int) { m.archived.WithLabelValues(kind).Add(float64(orders)) },
		Ended: func(o archive.Outcome, at time.Time) {
			m.archiveRuns.WithLabelValues(kind, string(o)).Inc()
			if o == archive.Finished {
				m.archiveLast.WithLabelValues(kind).Set(float64(at.Unix()))
			}
		},
	}
}

// showArchiving has the metrics of a kind exist from the start.
func (m *metrics) showArchiving(kind string) {
	m.archived.WithLabelValues(kind)
	m.archiveLast.WithLabelValues(kind)
	for _, o := range []archive.Outcome{archive.Finished, archive.Failed, archive.Elsewhere} {
		m.archiveRuns.WithLabelValues(kind, string(o))
	}
}
