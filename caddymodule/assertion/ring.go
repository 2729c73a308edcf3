// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package assertion

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Overlap is how long a key is listed after it has signed for the last time: an
// assertion under it may still be on its way, and a process that shares the
// ledger may not have seen the rotation yet.
const Overlap = 24 * time.Hour

// maxPrevious bounds the former keys that are listed, however often somebody
// rotates by hand.
const maxPrevious = 16

// ring is what the ledger keeps: the key that signs, the one that will sign next
// and is listed already, so that no shop is surprised by it, and former ones.
type ring struct {
	Current  jose.JSONWebKey `json:"current"`
	Since    time.Time       `json:"since"` // Current signs since
	Next     jose.JSONWebKey `json:"next"`
	Previous []former        `json:"previous,omitempty"`
}

// former is a key that has signed; its private half is gone.
type former struct {
	Public jose.JSONWebKey `json:"public"`
	Until  time.Time       `json:"until"` // is listed until
}

// newRing makes a ring of two new keys.
func newRing(now time.Time) (ring, error) {
	current, err := newKey()
	if err != nil {
		return ring{}, err
	}
	next, err := newKey()
	return ring{Current: current, Since: now.UTC(), Next: next}, err
}

// rotated is the ring with its next key in use.
func (r ring) rotated(now time.Time) (ring, error) {
	next, err := newKey()
	previous := append([]former{{r.Current.Public(), now.Add(Overlap).UTC()}}, r.Previous...)
	return ring{Current: r.Next, Since: now.UTC(), Next: next, Previous: previous[:min(len(previous), maxPrevious)]}, err
}

// tidied is the ring without the keys that nobody needs any more, and whether
// there were any.
func (r ring) tidied(now time.Time) (ring, bool) {
	var kept []former
	for _, f := range r.Previous {
		if f.Until.After(now) {
			kept = append(kept, f)
		}
	}
	changed := len(kept) != len(r.Previous)
	r.Previous = kept
	return r, changed
}

// due is the ring as it has to be at a time, if the current key signs for the
// given time, and whether it is another.
func (r ring) due(now time.Time, every time.Duration) (next ring, changed bool, err error) {
	r, changed = r.tidied(now)
	if now.Sub(r.Since) < every {
		return r, changed, nil
	}
	r, err = r.rotated(now)
	return r, true, err
}

// public is the JWK Set of the ring.
func (r ring) public() ([]byte, error) {
	keys := []jose.JSONWebKey{r.Current.Public(), r.Next.Public()}
	for _, f := range r.Previous {
		keys = append(keys, f.Public)
	}
	return json.Marshal(jose.JSONWebKeySet{Keys: keys})
}

func newKey() (jose.JSONWebKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	return webKey(private)
}

// webKey is a key under the name that its thumbprint gives it (RFC 7638).
func webKey(private ed25519.PrivateKey) (jose.JSONWebKey, error) {
	if len(private) != ed25519.PrivateKeySize {
		return jose.JSONWebKey{}, errors.New("this is no Ed25519 private key")
	}
	key := jose.JSONWebKey{Key: private, Algorithm: string(jose.EdDSA), Use: "sig"}
	sum, err := key.Thumbprint(crypto.SHA256)
	key.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return key, err
}

func parseRing(data []byte) (ring, error) {
	var r ring
	if err := json.Unmarshal(data, &r); err != nil {
		return r, errors.New("the assertion's keys in the ledger are not readable")
	}
	for _, key := range []jose.JSONWebKey{r.Current, r.Next} {
		if _, ok := key.Key.(ed25519.PrivateKey); !ok || key.KeyID == "" {
			return r, errors.New("the assertion's keys in the ledger are not those of this program")
		}
	}
	return r, nil
}

// ParsePrivateKey reads an Ed25519 private key: PKCS#8 in PEM, as
// openssl genpkey -algorithm ed25519 writes it. The error holds none of the key.
func ParsePrivateKey(data []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("this is no private key in PEM (-----BEGIN PRIVATE KEY-----); make one with: openssl genpkey -algorithm ed25519")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the private key is not readable as PKCS#8; make one with: openssl genpkey -algorithm ed25519")
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("this is a key of another kind (%T) where an Ed25519 key belongs; make one with: openssl genpkey -algorithm ed25519", key)
	}
	return private, nil
}
