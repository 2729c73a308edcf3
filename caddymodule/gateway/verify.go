// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// maxRSA bounds the RSA operations that one message can cost, whatever it holds.
const maxRSA = 4

// AlipayKey is a key of Alipay's. SN is its certificate's serial number in
// certificate mode, "" in public key mode.
type AlipayKey struct {
	Public *rsa.PublicKey
	SN     string
}

// Verifier checks what Alipay is said to have sent to one app. It has only the
// keys it was made with: a message can choose among them by naming a
// certificate, and can never make it fetch one. Safe for concurrent use.
type Verifier struct {
	appID string
	keys  []*rsa.PublicKey
	bySN  map[string]*rsa.PublicKey

	// encryptKey decrypts answers of the gateway; nil if their content is plain.
	encryptKey []byte

	// verified is told which key has verified a message, by its KeyName; nil: nobody.
	verified func(key string)
	names    map[*rsa.PublicKey]string

	// check is rsa.VerifyPKCS1v15; tests count its calls.
	check func(key *rsa.PublicKey, hash crypto.Hash, sum, sign []byte) error
}

// NewVerifier makes a Verifier for the app. Several keys overlap while Alipay
// rolls its key; at most four different ones are taken. Certificates of the
// same key (Alipay reissues them so) count once.
func NewVerifier(appID string, keys ...AlipayKey) (*Verifier, error) {
	if appID == "" {
		return nil, errors.New("app_id is empty")
	}
	v := &Verifier{appID: appID, bySN: make(map[string]*rsa.PublicKey), names: make(map[*rsa.PublicKey]string), check: rsa.VerifyPKCS1v15}
	for _, k := range keys {
		if k.Public == nil || k.Public.N == nil {
			return nil, errors.New("one of Alipay's keys is missing")
		}
		if err := checkBits(k.Public); err != nil {
			return nil, fmt.Errorf("a key of Alipay's: %w", err)
		}
		if err := v.add(k); err != nil {
			return nil, err
		}
	}
	switch {
	case len(v.keys) == 0:
		return nil, errors.New("no key of Alipay is configured: without one nothing it says can be believed")
	case len(v.keys) > maxRSA:
		return nil, fmt.Errorf("%d different keys of Alipay are configured, at most %d are taken: remove those it no longer signs with", len(v.keys), maxRSA)
	}
	return v, nil
}

func (v *Verifier) add(k AlipayKey) error {
	key := k.Public
	known := false
	for _, have := range v.keys {
		if sameKey(have, key) {
			key, known = have, true
		}
	}
	if !known {
		v.keys = append(v.keys, key)
		v.names[key] = KeyName(key)
	}
	if k.SN == "" {
		return nil
	}
	if have := v.bySN[k.SN]; have != nil && have != key {
		return fmt.Errorf("two certificates of Alipay have the serial number %q and different keys", k.SN)
	}
	v.bySN[k.SN] = key
	return nil
}

// candidates are the keys that may have signed a message which names certSN.
func (v *Verifier) candidates(certSN string) []*rsa.PublicKey {
	if key := v.bySN[certSN]; key != nil {
		return []*rsa.PublicKey{key}
	}
	return v.keys
}

// verify checks the signature of a message's parameters, which are sorted, and
// says which reading of them is signed. This is the one place where a notice or
// a return is believed.
func (v *Verifier) verify(ps params) (reading, *Rejection) {
	keys := v.candidates(ps.get("alipay_cert_sn"))
	sign, ok := decodeSign(ps.get("sign"), keys)
	if !ok {
		return reading{}, reject(ReasonSignFormat, "sign is not strict base64 of the length of Alipay's key")
	}
	size := 0
	for _, p := range ps {
		size += len(p.key) + len(p.value) + 2
	}
	text := make([]byte, 0, size)
	operations := 0
	for _, r := range readings(ps) {
		text = appendCanonical(text[:0], ps, r)
		sum := sha256.Sum256(text)
		for _, key := range keys {
			if key.Size() != len(sign) {
				continue
			}
			if operations++; operations > maxRSA {
				break
			}
			if v.check(key, crypto.SHA256, sum[:], sign) == nil {
				v.tell(key)
				return r, nil
			}
		}
	}
	return reading{}, reject(ReasonSignature, "not signed by the configured key of Alipay")
}

// Keys are the keys that are believed.
func (v *Verifier) Keys() []AlipayKey {
	list := make([]AlipayKey, len(v.keys))
	for i, key := range v.keys {
		list[i].Public = key
	}
	return list
}

// tell tells whoever wants to know which key has verified a message.
func (v *Verifier) tell(key *rsa.PublicKey) {
	if v.verified != nil {
		v.verified(v.names[key])
	}
}

// decodeSign decodes strictly: no line breaks, no stray bits, and exactly as
// long as one of the keys. Otherwise one signature could be written in many ways.
func decodeSign(text string, keys []*rsa.PublicKey) ([]byte, bool) {
	for _, key := range keys {
		if len(text) != base64.StdEncoding.EncodedLen(key.Size()) {
			continue
		}
		sign, err := base64.StdEncoding.Strict().DecodeString(text)
		return sign, err == nil && len(sign) == key.Size()
	}
	return nil, false
}
