// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package archive moves finished orders out of a ledger into files, month by month:
// written, read back and on disk, and only then deleted.
package archive

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// MinAge is how far back the date of a setting has to lie, at least: Alipay refunds
// for twelve months at most, and what it states late finds its order for a while.
const MinAge = 400 * 24 * time.Hour

// Setting says which orders of a ledger are moved to files. Without one nothing is
// ever deleted.
type Setting struct {
	// The folder of the files; it is made if there is none (mode 0700, the files
	// 0600). Each ledger has to have one of its own. Placeholders are replaced.
	// Required.
	Folder string `json:"folder,omitempty"`

	// Orders created before this day, YYYY-MM-DD at +08:00 (Alipay's zone), are moved
	// once they are finished business. It is a fixed day, so that no clock can have
	// more deleted than is written here, and has to be at least 400 days ago.
	// Required.
	Before string `json:"before,omitempty"`

	before time.Time
}

// Cut is the instant with which the day of Before begins.
func (s *Setting) Cut() time.Time { return s.before }

// Same reports whether both mean the same; nil is no archive.
func (s *Setting) Same(t *Setting) bool {
	if s == nil || t == nil {
		return s == t
	}
	return s.Folder == t.Folder && s.before.Equal(t.before)
}

func parseDay(s string) (time.Time, error) {
	day, err := time.ParseInLocation(time.DateOnly, s, trade.Zone)
	if err != nil {
		return day, fmt.Errorf("archive: %q is not a day such as 2024-01-31 (YYYY-MM-DD, at +08:00)", s)
	}
	return day, nil
}

// Provision fills in placeholders, checks the setting and makes the folder.
func (s *Setting) Provision(now time.Time) (err error) {
	if s == nil {
		return nil
	}
	if s.before, err = parseDay(s.Before); err != nil {
		return err
	}
	if latest := now.Add(-MinAge); s.before.After(latest) {
		return fmt.Errorf("archive: %s is less than 400 days ago; Alipay refunds for up to 12 months, and an order must be here until then: name %s or an earlier day",
			s.Before, latest.In(trade.Zone).Format(time.DateOnly))
	}
	if s.Folder, err = caddy.NewReplacer().ReplaceOrErr(s.Folder, true, true); err != nil {
		return fmt.Errorf("archive: folder: %w", err)
	}
	if s.Folder == "" {
		return errors.New("archive: the folder is missing")
	}
	if s.Folder, err = filepath.Abs(s.Folder); err != nil {
		return fmt.Errorf("archive: folder: %w", err)
	}
	if err := os.MkdirAll(s.Folder, 0o700); err != nil {
		return fmt.Errorf("archive: making the folder: %w", err)
	}
	return nil
}

// UnmarshalCaddyfile reads an option of a ledger's block:
//
//	archive <folder> before <YYYY-MM-DD>
func (s *Setting) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 3 || args[0] == "" || args[1] != "before" {
		return d.Err("archive takes a folder and a day: archive <folder> before <YYYY-MM-DD>")
	}
	if _, err := parseDay(args[2]); err != nil {
		return d.WrapErr(err)
	}
	s.Folder, s.Before = args[0], args[2]
	return nil
}

// Archiving is implemented by a ledger's module that can have a setting.
type Archiving interface {
	// ArchiveSetting is nil if nothing is to be archived.
	ArchiveSetting() *Setting
}
