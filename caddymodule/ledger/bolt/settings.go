// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// maxSetting bounds the value of a setting.
const maxSetting = 64 << 10

func checkSetting(name string, value []byte) error {
	if len(name) == 0 || len(name) > maxName {
		return fmt.Errorf("a setting's name has 1 to %d bytes, not %d", maxName, len(name))
	}
	if len(value) > maxSetting {
		return fmt.Errorf("a setting has at most %d bytes, not %d", maxSetting, len(value))
	}
	return nil
}

// Setting implements ledger.Ledger.
func (l *Ledger) Setting(ctx context.Context, name string) (value []byte, err error) {
	if err := checkSetting(name, nil); err != nil {
		return nil, err
	}
	err = l.view(ctx, func(v *view) error {
		stored := v.tx.Bucket(bucketSettings).Get([]byte(name))
		if stored == nil {
			return ledger.ErrNotFound
		}
		value = bytes.Clone(stored)
		return v.settleIf(ctx, func(f *flight) bool { return f.settings })
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// SetSetting implements ledger.Ledger.
func (l *Ledger) SetSetting(ctx context.Context, name string, was, value []byte) error {
	if err := checkSetting(name, value); err != nil {
		return err
	}
	was, value = bytes.Clone(was), append([]byte{}, value...)
	return l.submit(ctx, func(g *group) error { return g.set(name, was, value) })
}

func (g *group) set(name string, was, value []byte) error {
	have, staged := g.settings[name]
	if !staged {
		have = g.tx.Bucket(bucketSettings).Get([]byte(name))
	}
	if (have == nil) != (was == nil) || !bytes.Equal(have, was) {
		return ledger.ErrChanged
	}
	if g.settings == nil {
		g.settings = make(map[string][]byte)
	}
	g.settings[name] = value
	return nil
}

func (g *group) saveSettings() error {
	for name, value := range g.settings {
		if err := g.tx.Bucket(bucketSettings).Put([]byte(name), value); err != nil {
			return err
		}
	}
	return nil
}
