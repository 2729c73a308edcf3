// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Issuer is the claim iss of every assertion.
const Issuer = "caddy-alipay"

// assertionLife is how long an assertion is good for. It covers one delivery and
// clocks that are a little apart; each delivery is signed anew.
const assertionLife = 5 * time.Minute

// errAssertion is wrapped when the headers could not be signed.
var errAssertion = errors.New("cannot sign the assertion")

// claims are what an assertion states. Those with a header of their own are its
// value to the letter, so that a shop may compare or simply read them instead.
type claims struct {
	Issuer     string `json:"iss"`
	Audience   string `json:"aud"` // the site's public_url
	IssuedAt   int64  `json:"iat"`
	Expires    int64  `json:"exp"`
	OutTradeNo string `json:"sub"`
	EventID    string `json:"jti,omitempty"`         // deliveries only
	BodySHA256 string `json:"body_sha256,omitempty"` // deliveries only: hex

	TradeNo        string `json:"trade_no,omitempty"`
	Status         string `json:"status,omitempty"`
	TotalAmount    string `json:"total_amount,omitempty"`
	RefundedAmount string `json:"refunded_amount,omitempty"`
	AppID          string `json:"app_id,omitempty"`
	SellerID       string `json:"seller_id,omitempty"`
	BuyerID        string `json:"buyer_id,omitempty"`
	PaidAt         string `json:"paid_at,omitempty"`
	Source         string `json:"source,omitempty"`
	Event          string `json:"event,omitempty"`
	Sequence       string `json:"sequence,omitempty"`
}

// AssertReturn signs what SetOrder has set on the buyer's way back.
func (s *Shop) AssertReturn(ctx context.Context, h http.Header) error {
	return s.assert(ctx, h, "")
}

// assertDelivery signs what SetEvent has set, and the body that comes with it.
func (s *Shop) assertDelivery(ctx context.Context, h http.Header, body []byte) error {
	if s.Signer == nil {
		return nil
	}
	digest := sha256.Sum256(body)
	return s.assert(ctx, h, hex.EncodeToString(digest[:]))
}

func (s *Shop) assert(ctx context.Context, h http.Header, bodySHA256 string) error {
	if s.Signer == nil {
		return nil
	}
	now := time.Now()
	payload, err := json.Marshal(&claims{
		Issuer: Issuer, Audience: s.PublicURL.String(), IssuedAt: now.Unix(), Expires: now.Add(assertionLife).Unix(),
		OutTradeNo: value(h, HeaderOutTradeNo), EventID: value(h, HeaderEventID), BodySHA256: bodySHA256,
		TradeNo: value(h, HeaderTradeNo), Status: value(h, HeaderStatus), TotalAmount: value(h, HeaderTotalAmount),
		RefundedAmount: value(h, HeaderRefundedAmount), AppID: value(h, HeaderAppID), SellerID: value(h, HeaderSellerID),
		BuyerID: value(h, HeaderBuyerID), PaidAt: value(h, HeaderPaidAt), Source: value(h, HeaderSource),
		Event: value(h, HeaderEvent), Sequence: value(h, HeaderSequence),
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errAssertion, err)
	}
	jws, err := s.Signer.Sign(ctx, payload)
	if err != nil {
		return fmt.Errorf("%w: %w", errAssertion, err)
	}
	h[HeaderAssertion] = []string{jws}
	return nil
}

// value reads a header that was set under its canonical name.
func value(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
