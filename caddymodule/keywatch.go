// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"
)

const (
	// keyWatchEvery is how often the key files are looked at.
	keyWatchEvery = 10 * time.Second
	// expiryNotice is how long before its end a certificate is warned of. Alipay
	// issues the next one 30 days ahead.
	expiryNotice = 30 * 24 * time.Hour
	// expiryEvery is how often that is said again.
	expiryEvery = 24 * time.Hour
)

// stamp is how a key file is told from its earlier self.
type stamp struct {
	file     string
	modified time.Time
	size     int64
}

// stamps looks at the files of the last load. A file that cannot be looked at has
// a stamp of its own: it may come back changed.
func (l *keyLoader) stamps() []stamp {
	list := make([]stamp, len(l.files))
	for i, file := range l.files {
		list[i].file = file
		if info, err := os.Stat(file); err == nil {
			list[i].modified, list[i].size = info.ModTime(), info.Size()
		}
	}
	return list
}

// watch has changed key files read again until ctx ends, without a reload of the
// configuration. What cannot be read leaves the old keys in use, and is said.
func (a *Account) watch(ctx context.Context, tick <-chan time.Time) {
	seen := a.keys.stamps()
	warned := a.keys.warnExpiry(time.Now(), time.Time{})
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick:
			if stamps := a.keys.stamps(); !slices.Equal(stamps, seen) {
				seen = stamps
				a.rekey()
			}
			warned = a.keys.warnExpiry(now, warned)
		}
	}
}

// rekey reads the keys again.
func (a *Account) rekey() {
	files := a.keys.files
	cfg, err := a.keys.load()
	cfg.Verified = a.meter.verified
	if err == nil {
		err = a.gateway.Rekey(cfg)
	}
	if err != nil {
		a.keys.files = files // also those that were not reached
		a.keys.logger.Error("changed key files cannot be used; the keys read before stay in use", zap.Error(err))
		return
	}
	a.keys.logger.Info("read changed key files")
}

// warnExpiry warns of certificates that end soon, once a day, and returns when it
// last did.
func (l *keyLoader) warnExpiry(now, warned time.Time) time.Time {
	if now.Sub(warned) < expiryEvery {
		return warned
	}
	for _, c := range l.certificates() {
		switch left := c.expiry.Sub(now); {
		case left <= 0:
			l.logger.Error("a certificate has expired; download the new one from Alipay's console",
				zap.String("option", c.option), zap.Time("expired", c.expiry))
		case left < expiryNotice:
			l.logger.Warn("a certificate expires soon; download the new one from Alipay's console",
				zap.String("option", c.option), zap.Time("expires", c.expiry), zap.Int("days", int(left.Hours()/24)))
		}
	}
	return now
}
