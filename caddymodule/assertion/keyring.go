// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package assertion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

const (
	// readEvery is how old what was read of the ledger may be: a process that
	// shares it signs with a replaced key for no longer. Signing reads no ledger
	// in between.
	readEvery = time.Minute
	// readTimeout bounds one look at the ledger.
	readTimeout = 5 * time.Second
	// maxTries bounds how often a change is tried that others were faster with.
	maxTries = 10
)

// noKeys is the JWK Set of those who have none.
var noKeys = []byte(`{"keys":[]}`)

// Keyring signs with EdDSA under keys that it makes when they are first needed
// and keeps with a ledger, so that all processes which share the ledger sign
// alike. It is safe for concurrent use.
type Keyring struct {
	ledger  ledger.Ledger
	setting string
	every   time.Duration
	now     func() time.Time
	trouble func(error)

	held   atomic.Pointer[reading]
	ageing atomic.Bool // somebody looks at the ledger again
	first  singleflight.Group
}

// reading is what the ledger held at a time, ready for use.
type reading struct {
	ring   ring
	method method
	at     time.Time
}

// KeyringConfig says how a keyring is kept.
type KeyringConfig struct {
	Ledger ledger.Ledger
	AppID  string        // keys of two apps never mix
	Rotate time.Duration // how long a key signs
	// Trouble is told when the ledger cannot be read again, while the keys read
	// before go on to be used. It may be nil.
	Trouble func(error)
	Now     func() time.Time // nil means time.Now
}

// NewKeyring makes a keyring. It does not read the ledger yet.
func NewKeyring(c KeyringConfig) *Keyring {
	k := &Keyring{ledger: c.Ledger, setting: "assertion." + c.AppID, every: c.Rotate, now: c.Now, trouble: c.Trouble}
	if k.now == nil {
		k.now = time.Now
	}
	if k.trouble == nil {
		k.trouble = func(error) {}
	}
	return k
}

// Sign implements Signer.
func (k *Keyring) Sign(ctx context.Context, claims []byte) (string, error) {
	r, err := k.read(ctx)
	if err != nil {
		return "", err
	}
	return r.method.compact(claims), nil
}

// Prepare reads the keys or makes them, so that the first to sign need not wait.
func (k *Keyring) Prepare(ctx context.Context) error {
	_, err := k.read(ctx)
	return err
}

// JWKS is the JWK Set for shops: the key that signs, the next one and those that
// signed until lately. It is empty if no keys were ever needed.
func (k *Keyring) JWKS(ctx context.Context) ([]byte, error) {
	if k.held.Load() == nil {
		if _, err := k.ledger.Setting(ctx, k.setting); errors.Is(err, ledger.ErrNotFound) {
			return noKeys, nil
		}
	}
	r, err := k.read(ctx)
	if err != nil {
		return nil, err
	}
	tidied, _ := r.ring.tidied(k.now())
	return tidied.public()
}

// Rotate puts the next key in use now. The former one stays listed for Overlap.
// It returns the name of the key that now signs.
func (k *Keyring) Rotate(ctx context.Context) (kid string, err error) {
	return k.replace(ctx, func(r ring) (ring, error) { return r.rotated(k.now()) })
}

// Revoke puts new keys in the place of all that there are: for when somebody else
// may have them. What was signed under them, and is not told yet, is refused by
// a shop that looks at the list, and is signed anew at the next try.
func (k *Keyring) Revoke(ctx context.Context) (kid string, err error) {
	return k.replace(ctx, func(ring) (ring, error) { return newRing(k.now()) })
}

func (k *Keyring) replace(ctx context.Context, change func(ring) (ring, error)) (string, error) {
	r, err := k.update(ctx, func(r ring) (ring, bool, error) {
		next, err := change(r)
		return next, true, err
	})
	if err != nil {
		return "", err
	}
	return r.ring.Current.KeyID, nil
}

// read returns the keys, from the ledger if nobody has looked for a while. Only
// the first ever reading, and the one caller who looks again, wait for it.
func (k *Keyring) read(ctx context.Context) (*reading, error) {
	r := k.held.Load()
	if r == nil {
		// whoever comes first reads for all: its own end may not be theirs
		v, err, _ := k.first.Do("", func() (any, error) { return k.look(context.WithoutCancel(ctx)) })
		if err != nil {
			return nil, err
		}
		return v.(*reading), nil
	}
	if age := k.now().Sub(r.at).Abs(); age < readEvery || !k.ageing.CompareAndSwap(false, true) {
		return r, nil
	}
	defer k.ageing.Store(false)
	fresh, err := k.look(context.WithoutCancel(ctx))
	if err != nil {
		k.trouble(err)
		k.held.CompareAndSwap(r, &reading{r.ring, r.method, k.now()}) // not again for each who signs
		return r, nil
	}
	return fresh, nil
}

// look reads the keys and does what is due about them.
func (k *Keyring) look(ctx context.Context) (*reading, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return k.update(ctx, func(r ring) (ring, bool, error) { return r.due(k.now(), k.every) })
}

// update changes the keys in the ledger, as often as others are faster, and
// holds them. Where there are none yet, it makes them first.
func (k *Keyring) update(ctx context.Context, change func(ring) (ring, bool, error)) (*reading, error) {
	for range maxTries {
		was, r, err := k.stored(ctx)
		if err != nil {
			return nil, err
		}
		made := was == nil
		if made {
			if r, err = newRing(k.now()); err != nil {
				return nil, err
			}
		}
		r, changed, err := change(r)
		if err != nil {
			return nil, err
		}
		if made || changed {
			err = k.store(ctx, was, r)
		}
		switch {
		case errors.Is(err, ledger.ErrChanged):
			continue
		case err != nil:
			return nil, err
		}
		return k.hold(r)
	}
	return nil, fmt.Errorf("the assertion's keys: %w, %d times in turn", ledger.ErrChanged, maxTries)
}

func (k *Keyring) stored(ctx context.Context) (data []byte, r ring, err error) {
	data, err = k.ledger.Setting(ctx, k.setting)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, ring{}, nil
	}
	if err != nil {
		return nil, ring{}, fmt.Errorf("cannot read the assertion's keys: %w", err)
	}
	r, err = parseRing(data)
	return data, r, err
}

func (k *Keyring) store(ctx context.Context, was []byte, r ring) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := k.ledger.SetSetting(ctx, k.setting, was, data); err != nil {
		return fmt.Errorf("cannot keep the assertion's keys: %w", err)
	}
	return nil
}

func (k *Keyring) hold(r ring) (*reading, error) {
	m, err := ed25519Method(r.Current)
	if err != nil {
		return nil, err
	}
	held := &reading{r, m, k.now()}
	k.held.Store(held)
	return held, nil
}
