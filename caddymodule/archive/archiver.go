// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	// maxOrders bounds the orders of one file, and what is remembered of them.
	maxOrders = 50_000
	// leaseFor is how long a process that dies keeps others from archiving.
	leaseFor = 10 * time.Minute
)

// Steps are those of one file, in their order. Tests fail at each.
func Steps() []string {
	return []string{stepExported, stepVerified, stepNamed, stepSynced, stepRemoved}
}

const (
	stepExported = "exported" // all lines are on disk, under a temporary name
	stepVerified = "verified" // they were read back
	stepNamed    = "named"    // the file has its name
	stepSynced   = "synced"   // the name is on disk
	stepRemoved  = "removed"  // some orders are deleted
)

// Store is a ledger that can be archived.
type Store interface {
	ledger.Ledger
	ledger.Archivable
}

// ErrElsewhere: another process archives this ledger.
var ErrElsewhere = errors.New("another process archives this ledger")

// Report is what a run did.
type Report struct {
	Archived int                  // orders that are in files, and deleted
	Files    []string             // their names
	Kept     map[ledger.Keeps]int // orders before the date that had to stay, by reason
}

// Pass is one pass over a ledger.
type Pass struct {
	Store  Store
	Folder string
	Before time.Time // orders created before are archived
	Owner  string    // who does it, unique among all processes
	Now    func() time.Time

	Archived func(orders int)        // told of orders that were deleted; nil: nobody
	Step     func(step string) error // for tests: an error ends the pass there
}

// Run archives all that it may. What it reports is true also if it fails half-way,
// with ErrElsewhere, an error of the ledger or one of the disk; to run again is then
// all there is to do.
func (p Pass) Run(ctx context.Context) (Report, error) {
	if p.Archived == nil {
		p.Archived = func(int) {}
	}
	if p.Step == nil {
		p.Step = func(string) error { return nil }
	}
	r := &run{store: p.Store, folder: p.Folder, before: p.Before, owner: p.Owner, now: p.Now, step: p.Step, done: p.Archived}
	err := r.do(ctx)
	return r.report, err
}

// run is a pass under way.
type run struct {
	store  Store
	folder string
	before time.Time
	owner  string
	now    func() time.Time
	step   func(step string) error
	done   func(orders int)

	report Report
	leased time.Time // the end of the lease
}

// do archives the oldest first.
func (r *run) do(ctx context.Context) error {
	r.report.Kept = make(map[ledger.Keeps]int)
	if err := r.lease(ctx); err != nil {
		return err
	}
	defer r.release(ctx)
	if err := r.sweep(); err != nil {
		return err
	}
	if err := r.walk(ctx); err != nil {
		return err
	}
	return r.store.TidyArchive(ctx, r.before)
}

// lease makes or keeps this run the only one.
func (r *run) lease(ctx context.Context) error {
	now := r.now()
	if now.Add(leaseFor / 2).Before(r.leased) {
		return nil
	}
	until := now.Add(leaseFor)
	ok, err := r.store.LeaseArchive(ctx, r.owner, now, until)
	if err == nil && !ok {
		err = ErrElsewhere
	}
	r.leased = until
	return err
}

// sweep takes away what runs that died have left under temporary names.
func (r *run) sweep() error {
	old, err := filepath.Glob(filepath.Join(r.folder, ".alipay-*.tmp"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if info, err := os.Stat(path); err == nil && r.now().Sub(info.ModTime()) > 24*time.Hour {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// walk goes through the listing of orders, which is by time, and files what it finds
// by months. It ends with a page on which no order is old enough: a clock that was
// wrong for a while can only have orders wait for a later run.
func (r *run) walk(ctx context.Context) error {
	var batch []trade.Key
	month := ""
	flush := func() error {
		err := r.file(ctx, month, batch)
		batch = batch[:0]
		return err
	}
	for q := (ledger.OrderQuery{Limit: ledger.MaxLimit}); ; {
		if err := r.lease(ctx); err != nil {
			return err
		}
		page, err := r.store.Orders(ctx, q)
		if err != nil {
			return err
		}
		old := 0
		for i := range page.Orders {
			o := &page.Orders[i]
			if !o.CreatedAt.Before(r.before) {
				continue
			}
			old++
			if why := ledger.Unfinished(o); why != ledger.KeepsNothing {
				r.report.Kept[why]++
				continue
			}
			of := o.CreatedAt.In(trade.Zone).Format("2006-01")
			if of != month || len(batch) == maxOrders {
				if err := flush(); err != nil {
					return err
				}
				month = of
			}
			batch = append(batch, o.Key())
		}
		if q.Cursor = page.Next; q.Cursor == "" || old == 0 && len(page.Orders) > 0 {
			return flush()
		}
	}
}

// file exports orders of one month to a file, and deletes them once it is safe.
func (r *run) file(ctx context.Context, month string, keys []trade.Key) error {
	if len(keys) == 0 {
		return nil
	}
	name := "alipay-" + month
	w, err := newWriter(r.folder, name)
	if err != nil {
		return err
	}
	list, err := r.export(ctx, w, keys)
	if err != nil || len(list) == 0 {
		w.discard()
		return err
	}
	file, err := r.settle(w, name, list)
	if err != nil {
		w.discard()
		return fmt.Errorf("archiving %s: %w", month, err)
	}
	r.report.Files = append(r.report.Files, file)
	return r.remove(ctx, list)
}

// export writes the orders that are still finished business.
func (r *run) export(ctx context.Context, w *writer, keys []trade.Key) (list []ledger.Exported, err error) {
	for _, k := range keys {
		if err := r.lease(ctx); err != nil {
			return nil, err
		}
		whole, err := r.store.Whole(ctx, k)
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if why := whole.Unfinished(); why != ledger.KeepsNothing {
			r.report.Kept[why]++
			continue
		}
		line, err := whole.Line()
		if err != nil {
			return nil, err
		}
		if err := w.add(line, &whole.Record.Order); err != nil {
			return nil, err
		}
		list = append(list, ledger.Exported{Key: k, Digest: sha256.Sum256(line)})
	}
	return list, nil
}

// settle brings the file to disk, reads it back, and gives it its name.
func (r *run) settle(w *writer, name string, list []ledger.Exported) (file string, err error) {
	want, err := w.finish()
	if err = errors.Join(err, r.step(stepExported)); err != nil {
		return "", err
	}
	next := 0
	got, err := Read(w.file.Name(), func(whole *ledger.Whole, line []byte) error {
		if next >= len(list) || whole.Record.Order.Key() != list[next].Key || sha256.Sum256(line) != list[next].Digest {
			return damaged(errors.New("a line is not what was written"))
		}
		if same, err := whole.Is(&list[next]); err != nil || !same {
			return damaged(errors.New("a line does not read back as what it was"))
		}
		next++
		return nil
	})
	if err == nil && (got != want || next != len(list)) {
		err = damaged(errors.New("it is not what was written"))
	}
	if err = errors.Join(err, r.step(stepVerified)); err != nil {
		return "", err
	}
	if file, err = w.publish(r.folder, name); err != nil {
		return "", err
	}
	if err := r.step(stepNamed); err != nil {
		return "", err
	}
	return file, errors.Join(syncFolder(r.folder), r.step(stepSynced))
}

// remove deletes what is in a file.
func (r *run) remove(ctx context.Context, list []ledger.Exported) error {
	for len(list) > 0 {
		if err := r.lease(ctx); err != nil {
			return err
		}
		n := min(len(list), ledger.MaxRemove)
		removed, err := r.store.Remove(ctx, list[:n])
		if err != nil {
			return err
		}
		r.report.Archived += removed
		if n > removed {
			r.report.Kept[ledger.KeepsChanged] += n - removed
		}
		r.done(removed)
		list = list[n:]
		if err := r.step(stepRemoved); err != nil {
			return err
		}
	}
	return nil
}

// release lets others archive, also after a run that was ended.
func (r *run) release(ctx context.Context) {
	now := r.now()
	_, err := r.store.LeaseArchive(context.WithoutCancel(ctx), r.owner, now, now)
	_ = err // the lease then ends by itself
}
