// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package assertion

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// memory is the part of a ledger that a keyring uses.
type memory struct {
	ledger.Ledger
	mu       sync.Mutex
	settings map[string][]byte
	reads    int
	err      error
	changed  int // how often SetSetting says that somebody was faster
}

func (m *memory) Setting(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.err != nil {
		return nil, m.err
	}
	if v, ok := m.settings[name]; ok {
		return v, nil
	}
	return nil, ledger.ErrNotFound
}

func (m *memory) SetSetting(_ context.Context, name string, was, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if m.changed > 0 || !bytes.Equal(m.settings[name], was) || (m.settings[name] == nil) != (was == nil) {
		m.changed--
		return ledger.ErrChanged
	}
	m.settings[name] = value
	return nil
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

const every = 90 * 24 * time.Hour

type fixture struct {
	*memory
	clock    *clock
	troubles []error
}

func newFixture() *fixture {
	return &fixture{
		memory: &memory{settings: map[string][]byte{}},
		clock:  &clock{at: time.Date(2026, 3, 14, 10, 0, 0, 0, time.FixedZone("", -3600))},
	}
}

// process is a keyring of one more process that shares the ledger.
func (f *fixture) process() *Keyring {
	return NewKeyring(KeyringConfig{
		Ledger: f.memory, AppID: "2021", Rotate: every, Now: f.clock.now,
		Trouble: func(err error) { f.troubles = append(f.troubles, err) },
	})
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func jwks(t fataler, k Keys) jose.JSONWebKeySet {
	t.Helper()
	data, err := k.JWKS(context.Background())
	if err != nil {
		t.Fatalf("JWKS: %v", err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(data, &set); err != nil || bytes.Contains(data, []byte(`"d"`)) {
		t.Fatalf("JWKS %s: %v", data, err)
	}
	return set
}

func kids(set jose.JSONWebKeySet) (names []string) {
	for _, k := range set.Keys {
		names = append(names, k.KeyID)
	}
	return names
}

func sign(t fataler, s Signer, claims string) string {
	t.Helper()
	jws, err := s.Sign(context.Background(), []byte(claims))
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	return jws
}

// signedBy verifies a JWS with another implementation than the one that made it,
// and returns the name of its key.
func signedBy(t fataler, jws, claims string, key any, alg jose.SignatureAlgorithm) string {
	t.Helper()
	parsed, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{alg})
	if err != nil {
		t.Fatalf("%s: %v", jws, err)
	}
	payload, err := parsed.Verify(key)
	if err != nil || string(payload) != claims {
		t.Fatalf("%s: %q, %v", jws, payload, err)
	}
	return parsed.Signatures[0].Protected.KeyID
}

func TestKeyringSigns(t *testing.T) {
	t.Parallel()
	f := newFixture()
	k := f.process()
	if set := jwks(t, k); len(set.Keys) != 0 || len(f.settings) != 0 {
		t.Fatalf("keys were made though nobody signs: %v", kids(set))
	}
	jws := sign(t, k, `{"sub":"A1"}`)
	set := jwks(t, k)
	kid := signedBy(t, jws, `{"sub":"A1"}`, set, jose.EdDSA)
	if names := kids(set); len(names) != 2 || names[0] != kid || len(kid) != 43 {
		t.Errorf("signed under %q, listed are %v", kid, names)
	}
	for _, key := range set.Keys {
		if key.Algorithm != "EdDSA" || key.Use != "sig" || !key.IsPublic() {
			t.Errorf("listed: %+v", key)
		}
	}
	header, _, _ := strings.Cut(jws, ".")
	if got := must(encoding.DecodeString(header)); string(got) != `{"alg":"EdDSA","typ":"JWT","kid":"`+kid+`"}` {
		t.Errorf("header %s", got)
	}
	reads := f.reads
	for range 100 {
		sign(t, k, "{}")
	}
	if f.reads != reads {
		t.Errorf("signing read the ledger %d times", f.reads-reads)
	}
}

// TestProcessesAgree: whoever comes first makes the keys, and all sign under them.
func TestProcessesAgree(t *testing.T) {
	t.Parallel()
	f := newFixture()
	var wait sync.WaitGroup
	names := make([]string, 32)
	for i := range names {
		wait.Go(func() {
			k := f.process()
			names[i] = signedBy(t, sign(t, k, "{}"), "{}", jwks(t, k), jose.EdDSA)
		})
	}
	wait.Wait()
	slices.Sort(names)
	if names[0] != names[len(names)-1] {
		t.Errorf("signed under %v", slices.Compact(names))
	}
}

func TestRotationByAge(t *testing.T) {
	t.Parallel()
	f := newFixture()
	k, other := f.process(), f.process()
	sign(t, k, "{}")
	sign(t, other, "{}")
	first := kids(jwks(t, k))
	f.clock.advance(every - time.Second)
	if got := kids(jwks(t, k)); !slices.Equal(got, first) {
		t.Errorf("before the time: %v, want %v", got, first)
	}
	f.clock.advance(time.Second)
	jwks(t, other) // has just looked
	f.clock.advance(readEvery - time.Second)
	if got := signedBy(t, sign(t, k, "{}"), "{}", jwks(t, other), jose.EdDSA); got != first[1] {
		t.Errorf("signed under %s, want the key listed as next, %s", got, first[1])
	}
	second := kids(jwks(t, k))
	if len(second) != 3 || second[0] != first[1] || second[2] != first[0] {
		t.Errorf("after the time: %v, before: %v", second, first)
	}
	f.clock.advance(Overlap)
	if got := kids(jwks(t, other)); !slices.Equal(got, second[:2]) {
		t.Errorf("after the overlap: %v, want %v", got, second[:2])
	}
}

// TestRotations holds, for any history of several processes: what is signed now
// verifies under what any of them lists now, under what was listed before the
// last rotation, and under what is listed up to the end of the overlap.
func TestRotations(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFixture()
		processes := []*Keyring{f.process(), f.process(), f.process()}
		sign(t, processes[0], "{}")
		earlier := jwks(t, processes[0])
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			p := rapid.SampledFrom(processes).Draw(t, "process")
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0: // a shop reads the list, and lives with it over one rotation
				earlier = jwks(t, p)
				if _, err := p.Rotate(t.Context()); err != nil {
					t.Fatalf("Rotate: %v", err)
				}
				f.clock.advance(2 * readEvery)
			case 1:
				f.clock.advance(time.Duration(rapid.IntRange(int(readEvery), int(every/2)).Draw(t, "pause")))
				earlier = jwks(t, p)
			default:
				claims := fmt.Sprintf(`{"sub":"A%d"}`, f.reads)
				jws := sign(t, p, claims)
				signedBy(t, jws, claims, earlier, jose.EdDSA)
				for _, other := range processes {
					signedBy(t, jws, claims, jwks(t, other), jose.EdDSA)
				}
				f.clock.advance(Overlap - time.Second)
				signedBy(t, jws, claims, jwks(t, p), jose.EdDSA)
			}
		}
	})
}

func TestRotateByHand(t *testing.T) {
	t.Parallel()
	f := newFixture()
	k := f.process()
	sign(t, k, "{}")
	first := kids(jwks(t, k))
	f.changed = 3 // others are faster
	kid, err := k.Rotate(t.Context())
	if err != nil || kid != first[1] {
		t.Fatalf("Rotate: %q, %v", kid, err)
	}
	if got := signedBy(t, sign(t, k, "{}"), "{}", jwks(t, k), jose.EdDSA); got != kid {
		t.Errorf("signed under %s, want %s", got, kid)
	}
	for range 3 * maxPrevious {
		if _, err := k.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(jwks(t, k).Keys); n != 2+maxPrevious {
		t.Errorf("%d keys are listed", n)
	}
	f.changed = maxTries
	if _, err := k.Rotate(t.Context()); !errors.Is(err, ledger.ErrChanged) {
		t.Errorf("Rotate: %v", err)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	f := newFixture()
	k, other := f.process(), f.process()
	sign(t, k, "{}")
	sign(t, other, "{}")
	first := kids(jwks(t, k))
	if _, err := k.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(readEvery)
	for _, process := range []*Keyring{k, other} {
		set := jwks(t, process)
		if signedBy(t, sign(t, process, "{}"), "{}", set, jose.EdDSA) != kids(set)[0] || len(set.Keys) != 2 {
			t.Errorf("listed are %v", kids(set))
		}
		if slices.ContainsFunc(kids(set), func(kid string) bool { return slices.Contains(first, kid) }) {
			t.Errorf("a revoked key is listed: %v of %v", kids(set), first)
		}
	}
}

// TestLedgerAway: without keys nothing is signed, and keys once read outlive the
// ledger's absence.
func TestLedgerAway(t *testing.T) {
	t.Parallel()
	f := newFixture()
	k := f.process()
	f.fail(ledger.ErrUnavailable)
	for range 2 {
		if _, err := k.Sign(t.Context(), []byte("{}")); !errors.Is(err, ledger.ErrUnavailable) {
			t.Fatalf("Sign: %v", err)
		}
	}
	if _, err := k.JWKS(t.Context()); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("JWKS: %v", err)
	}
	f.fail(nil)
	if err := k.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	set := jwks(t, k)
	f.fail(ledger.ErrUnavailable)
	for range 3 {
		f.clock.advance(readEvery)
		for range 5 {
			signedBy(t, sign(t, k, "{}"), "{}", set, jose.EdDSA)
		}
	}
	if len(f.troubles) != 3 || !errors.Is(f.troubles[0], ledger.ErrUnavailable) {
		t.Errorf("told of %v", f.troubles)
	}
	if _, err := k.Rotate(t.Context()); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("Rotate: %v", err)
	}
}

func TestKeysOfAnotherKind(t *testing.T) {
	t.Parallel()
	f := newFixture()
	good := f.process()
	sign(t, good, "{}")
	stored := string(f.settings["assertion.2021"])
	var r ring
	if err := json.Unmarshal([]byte(stored), &r); err != nil {
		t.Fatal(err)
	}
	public := r
	public.Next = r.Next.Public()
	for name, data := range map[string]string{
		"no JSON": "x", "nothing": "{}", "no object": "[]", "cut": stored[:len(stored)/2], "public": string(must(json.Marshal(public))),
	} {
		f.settings["assertion.2021"] = []byte(data)
		_, err := f.process().Sign(t.Context(), []byte("{}"))
		if err == nil || strings.Contains(err.Error(), "\"d\"") || len(err.Error()) > 100 {
			t.Errorf("%s: %v", name, err)
		}
		if string(f.settings["assertion.2021"]) != data {
			t.Errorf("%s: what was there was replaced", name)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
