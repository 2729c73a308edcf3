// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	strict "github.com/go-jose/go-jose/v4/json" // case-sensitive, refuses doubled members
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	// maxToken bounds a token, in bytes.
	maxToken = 8 << 10
	// maxLife is how far ahead exp may be: a token promises a price.
	maxLife = 24 * time.Hour
	// leeway is how far the shop's clock and ours may be apart.
	leeway = time.Minute
)

// What is wrong with a token. None of the texts holds any of it.
var (
	errNoToken   = errors.New("order is no signed token of at most 8 KiB")
	errHeader    = errors.New("the token's header holds more than alg, typ and kid")
	errAlgorithm = errors.New("the token is not signed by the configured algorithm")
	errSignature = errors.New("the token's signature does not fit")
	errClaims    = errors.New("the token's claims are no JSON object, or hold one twice or of the wrong type")
	errAudience  = errors.New("the token's aud is not this site's public_url")
	errNoEnd     = errors.New("the token has no exp")
	errOver      = errors.New("the token is over")
	errLong      = errors.New("the token's exp is more than 24 hours ahead")
	errEarly     = errors.New("the token's nbf or iat is in the future")
	errNumber    = errors.New("the token's out_trade_no is missing or not 1 to 64 letters, digits, underscores or hyphens")
)

// verifier verifies tokens by one algorithm, under any of its keys.
type verifier struct {
	algorithm jose.SignatureAlgorithm
	keys      []any
}

// claims verifies a token for a site at a time and returns its claims.
func (v *verifier) claims(token, publicURL string, now time.Time) (map[string]json.RawMessage, error) {
	payload, err := v.verified(token)
	if err != nil {
		return nil, err
	}
	var registered jwt.Claims
	var members map[string]strict.RawMessage
	if strict.Unmarshal(payload, &members) != nil || members == nil || strict.Unmarshal(payload, &registered) != nil {
		return nil, errClaims
	}
	if err := inForce(&registered, publicURL, now); err != nil {
		return nil, err
	}
	fields := make(map[string]json.RawMessage, len(members))
	for name, value := range members {
		fields[name] = json.RawMessage(value)
	}
	return fields, nil
}

// verified returns the payload that a token signs.
func (v *verifier) verified(token string) ([]byte, error) {
	if !isCompact(token) {
		return nil, errNoToken
	}
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{v.algorithm})
	if other, ok := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); ok && other != nil {
		return nil, errAlgorithm
	}
	if err != nil {
		return nil, errNoToken
	}
	header := parsed.Signatures[0].Protected
	for name := range header.ExtraHeaders {
		if name != jose.HeaderType {
			return nil, errHeader
		}
	}
	if header.JSONWebKey != nil || header.Nonce != "" {
		return nil, errHeader
	}
	for _, key := range v.keys {
		if payload, err := parsed.Verify(key); err == nil {
			return payload, nil
		}
	}
	return nil, errSignature
}

// isCompact reports whether s is three parts of base64url of a size that is worth
// a closer look.
func isCompact(s string) bool {
	if len(s) > maxToken {
		return false
	}
	dots, before := 0, byte('.')
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '.' && before != '.':
			dots++
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-':
		default:
			return false
		}
		before = c
	}
	return dots == 2 && before != '.'
}

// inForce checks for whom and when a token is good.
func inForce(c *jwt.Claims, publicURL string, now time.Time) error {
	if c.Expiry == nil {
		return errNoEnd
	}
	if c.Expiry.Time().Sub(now) > maxLife+leeway {
		return errLong
	}
	err := c.ValidateWithLeeway(jwt.Expected{AnyAudience: jwt.Audience{publicURL}, Time: now}, leeway)
	switch {
	case errors.Is(err, jwt.ErrInvalidAudience):
		return errAudience
	case errors.Is(err, jwt.ErrExpired):
		return errOver
	case err != nil:
		return errEarly
	}
	return nil
}

// outTradeNo is the order's number.
func outTradeNo(fields map[string]json.RawMessage) (string, error) {
	var number string
	if err := json.Unmarshal(fields["out_trade_no"], &number); err != nil || !trade.ValidOutTradeNo(number) {
		return "", fmt.Errorf("%w: %w", trade.ErrOffer, errNumber)
	}
	return number, nil
}
