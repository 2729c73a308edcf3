// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgertest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

func (s *subject) wantSetting(name string, want []byte) {
	s.Helper()
	got, err := s.Setting(s.Context(), name)
	if want == nil && !errors.Is(err, ledger.ErrNotFound) || want != nil && (err != nil || !bytes.Equal(got, want)) {
		s.Errorf("setting %s: %q, %v, want %q", name, got, err, want)
	}
}

func settings(s *subject) {
	s.wantSetting("key", nil)
	big := bytes.Repeat([]byte{0, 0xff, '\''}, (64<<10)/3)
	steps := []struct {
		was, value []byte
		want       error
	}{
		{[]byte("x"), []byte("one"), ledger.ErrChanged},
		{[]byte{}, []byte("one"), ledger.ErrChanged},
		{nil, []byte("one"), nil},
		{nil, []byte("two"), ledger.ErrChanged},
		{[]byte("on"), []byte("two"), ledger.ErrChanged},
		{[]byte("one"), []byte{}, nil},
		{nil, []byte("two"), ledger.ErrChanged},
		{[]byte{}, big, nil},
		{big, []byte("two"), nil},
	}
	var have []byte
	for i, step := range steps {
		err := s.SetSetting(s.Context(), "key", step.was, step.value)
		if !errors.Is(err, step.want) || errors.Is(err, ledger.ErrUnavailable) {
			s.Errorf("step %d: %v, want %v", i, err, step.want)
		}
		if step.want == nil {
			have = step.value
		}
		s.wantSetting("key", have)
		s.reopen()
		s.wantSetting("key", have)
		s.wantSetting("ke", nil)
		s.wantSetting("key2", nil)
	}
	if err := s.SetSetting(s.Context(), "key", have, make([]byte, 64<<10+1)); err == nil {
		s.Error("a setting of more than 64 KiB was taken")
	}
	s.wantSetting("key", have)
}

// settingsOfMany: of those who replace the same value at once exactly one does.
func settingsOfMany(s *subject) {
	var have []byte
	for round := range 5 {
		const writers = 20
		errs := make([]error, writers)
		value := func(i int) []byte { return fmt.Appendf(nil, "round %d, writer %d", round, i) }
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() { errs[i] = s.SetSetting(s.Context(), "key", have, value(i)) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				s.Errorf("round %d: both %d and %d have replaced it", round, winner, i)
			case !errors.Is(err, ledger.ErrChanged):
				s.Errorf("round %d, writer %d: %v", round, i, err)
			}
		}
		if winner < 0 {
			s.Fatalf("round %d: nobody has replaced it", round)
		}
		have = value(winner)
		s.wantSetting("key", have)
	}
}
