// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package ledgercopy carries all that one ledger holds over to another one, of the
// same kind or not, and proves that nothing is missing.
//
// It compares both, record by record, and stores only what differs. So a copy that
// broke off goes on where it was, and one that was made while the source went on
// being used is brought up to date by a second run.
package ledgercopy

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// ErrUsed is wrapped by errors that say that the target is more than a part, or an
// earlier state, of the source: a shop has been served from it. Nothing of it is
// changed.
var ErrUsed = errors.New("the target holds what the source does not: it has been used by itself")

// ErrDiffers is wrapped by errors that say that the target is not the source's
// equal, although all was copied.
var ErrDiffers = errors.New("the copy is not what it should be")

// pageSize is how many records are read, compared and stored at once.
const pageSize = 200

// Step is what a progress bar shows: orders looked at, of how many. The copy reads
// all of them twice: to copy what differs, and to verify.
type Step struct {
	Verifying   bool
	Done, Total int
}

// Copy makes the target hold what the source holds, and then reads all of both again
// and compares. It returns what the target holds. progress is called after each page.
func Copy(ctx context.Context, from, to ledger.Copyable, progress func(Step)) (Report, error) {
	total, err := from.CountOrders(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("reading the source: %w", err)
	}
	source, release, err := from.Frozen(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("reading the source: %w", err)
	}
	defer release()
	c := &pass{source: source, target: to, progress: progress, step: Step{Total: total}}
	if err := c.run(ctx); err != nil {
		return Report{}, err
	}
	v := &pass{source: source, target: to, progress: progress, step: Step{Total: total, Verifying: true}}
	if err := v.run(ctx); err != nil {
		return Report{}, err
	}
	v.report.Stored = c.report.Stored
	return v.report, nil
}

// pass is one reading of both.
type pass struct {
	source   ledger.Exporter
	target   ledger.Copyable
	progress func(Step)
	step     Step
	report   Report
}

func (p *pass) run(ctx context.Context) error {
	if err := p.orders(ctx); err != nil {
		return err
	}
	if err := p.held(ctx); err != nil {
		return err
	}
	return p.settings(ctx) // last: keys are replaced only in what is a copy otherwise
}

// store brings a batch into the target, or says that it should have been there.
func (p *pass) store(ctx context.Context, b *ledger.Batch, what string) error {
	if len(b.Orders)+len(b.Held)+len(b.Settings) == 0 {
		return nil
	}
	if p.step.Verifying {
		return fmt.Errorf("%w: %s", ErrDiffers, what)
	}
	p.report.Stored += len(b.Orders)
	if err := p.target.Import(ctx, *b); err != nil {
		return fmt.Errorf("storing: %w", err)
	}
	return nil
}

// now reads of the target as it is at this moment, and lets it go: a ledger that is
// kept frozen cannot be written to.
func now[T any](ctx context.Context, target ledger.Copyable, read func(ledger.Exporter) ([]T, error)) ([]T, error) {
	x, release, err := target.Frozen(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the target: %w", err)
	}
	defer release()
	list, err := read(x)
	if err != nil {
		return nil, fmt.Errorf("reading the target: %w", err)
	}
	return list, nil
}

func (p *pass) orders(ctx context.Context) error {
	for after, more := uint64(0), true; more; {
		page, err := p.source.Export(ctx, after, pageSize)
		if err != nil {
			return fmt.Errorf("reading the source: %w", err)
		}
		have, err := now(ctx, p.target, func(x ledger.Exporter) ([]ledger.Record, error) { return x.Export(ctx, after, len(page)+1) })
		if err != nil {
			return err
		}
		more = len(page) == pageSize
		batch, err := compare(page, have, more, orderKind)
		if err != nil {
			return err
		}
		if err := p.store(ctx, &ledger.Batch{Orders: batch}, first(batch, orderKind)); err != nil {
			return err
		}
		p.report.addOrders(page)
		p.step.Done += len(page)
		p.progress(p.step)
		if more {
			after = page[len(page)-1].Position
		}
	}
	return nil
}

func (p *pass) held(ctx context.Context) error {
	for after, more := uint64(0), true; more; {
		page, err := p.source.ExportHeld(ctx, after, pageSize)
		if err != nil {
			return fmt.Errorf("reading the source: %w", err)
		}
		have, err := now(ctx, p.target, func(x ledger.Exporter) ([]ledger.HeldRecord, error) { return x.ExportHeld(ctx, after, len(page)+1) })
		if err != nil {
			return err
		}
		more = len(page) == pageSize
		batch, err := compare(page, have, more, heldKind)
		if err != nil {
			return err
		}
		if err := p.store(ctx, &ledger.Batch{Held: batch}, first(batch, heldKind)); err != nil {
			return err
		}
		p.report.Held += len(page)
		if more {
			after = page[len(page)-1].Position
		}
	}
	return nil
}

func (p *pass) settings(ctx context.Context) error {
	want, err := p.source.ExportSettings(ctx)
	if err != nil {
		return fmt.Errorf("reading the source: %w", err)
	}
	have, err := now(ctx, p.target, func(x ledger.Exporter) ([]ledger.NamedSetting, error) { return x.ExportSettings(ctx) })
	if err != nil {
		return err
	}
	values := make(map[string]string, len(have))
	for _, set := range have {
		values[set.Name] = string(set.Value)
	}
	var missing []ledger.NamedSetting
	for _, set := range want {
		if value, ok := values[set.Name]; !ok || value != string(set.Value) {
			missing = append(missing, set)
		}
		delete(values, set.Name)
	}
	for name := range values {
		return fmt.Errorf("%w: the setting %s", ErrUsed, name)
	}
	p.report.Settings = len(want)
	return p.store(ctx, &ledger.Batch{Settings: missing}, "a setting")
}
