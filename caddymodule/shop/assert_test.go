// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/assertion"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// signer shows the claims that it is given.
type signer struct {
	claims []byte
	err    error
}

func (s *signer) Sign(_ context.Context, claims []byte) (string, error) {
	s.claims = claims
	return "a.b.c", s.err
}

// claimOf names the claim of each header that has one.
var claimOf = map[string]string{
	HeaderOutTradeNo: "sub", HeaderEventID: "jti", HeaderTradeNo: "trade_no", HeaderStatus: "status", HeaderTotalAmount: "total_amount",
	HeaderRefundedAmount: "refunded_amount", HeaderAppID: "app_id", HeaderSellerID: "seller_id", HeaderBuyerID: "buyer_id",
	HeaderPaidAt: "paid_at", HeaderSource: "source", HeaderEvent: "event", HeaderSequence: "sequence",
}

// wantClaims fails unless the claims are exactly the headers and the four or five
// that have none.
func wantClaims(t *testing.T, data []byte, h http.Header, bodySHA256 string) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	want := map[string]any{"iss": "caddy-alipay", "aud": "https://shop.example.com/tea"}
	if bodySHA256 != "" {
		want["body_sha256"] = bodySHA256
	}
	for header := range h {
		if claim := claimOf[header]; claim != "" {
			want[claim] = h.Get(header)
		}
	}
	issued, _ := got["iat"].(float64)
	expires, _ := got["exp"].(float64)
	if now := float64(time.Now().Unix()); now-issued > 60 || issued > now || expires != issued+300 {
		t.Errorf("issued %f, expires %f, now %f", issued, expires, now)
	}
	delete(got, "iat")
	delete(got, "exp")
	if len(got) != len(want) {
		t.Errorf("claims %v, want %v", got, want)
	}
	for claim, value := range want {
		if got[claim] != value {
			t.Errorf("claim %s is %q, want %q", claim, got[claim], value)
		}
	}
}

// evil are values that a header has to encode and JSON to escape.
var evil = trade.Order{
	AppID: `2021"\`, OutTradeNo: "A1", TradeNo: "T1<&>", Total: 8888, SellerID: "2088\r\ns", BuyerID: "买家", Paid: true,
	PaidAt: time.Date(2026, 3, 14, 2, 20, 9, 0, time.UTC), Source: trade.SourceNotify, Sequence: 2,
}

func TestAssertDelivery(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	signs := new(signer)
	s := &Shop{
		PublicURL: &url.URL{Scheme: "https", Host: "shop.example.com", Path: "/tea"}, NotifyPath: "/pay/notify", Timeout: time.Minute, Signer: signs,
		Handler: answering(func(r *http.Request) { got = r; body, _ = io.ReadAll(r.Body) }),
	}
	d := ledger.Delivery{Order: evil, Event: trade.Event{
		ID: "e1", Type: trade.EventRefund, OutTradeNo: "A1", Sequence: 2, Status: trade.StatusSuccess, Refunded: 100, Source: trade.SourceNotify,
	}}
	if err := s.Deliver(t.Context(), &d); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(body)
	if len(body) == 0 || got.Header.Get(HeaderAssertion) != "a.b.c" {
		t.Errorf("delivered %v, %q", got.Header, body)
	}
	wantClaims(t, signs.claims, got.Header, hex.EncodeToString(digest[:]))

	d.Original, d.ContentType, got = []byte("as=received"), formType, nil
	if err := s.Deliver(t.Context(), &d); err != nil {
		t.Fatal(err)
	}
	digest = sha256.Sum256(d.Original)
	wantClaims(t, signs.claims, got.Header, hex.EncodeToString(digest[:]))

	got, signs.err = nil, errors.New("no keys")
	if err := s.Deliver(t.Context(), &d); !errors.Is(err, ErrRefused) || !errors.Is(err, signs.err) || got != nil {
		t.Errorf("without keys: %v, and the shop was asked: %v", err, got != nil)
	}
	s.Signer = nil
	if err := s.Deliver(t.Context(), &d); err != nil || got.Header[HeaderAssertion] != nil {
		t.Errorf("with assertions off: %v, %v", err, got.Header)
	}
}

func TestAssertReturn(t *testing.T) {
	t.Parallel()
	signs := new(signer)
	s := &Shop{PublicURL: &url.URL{Scheme: "https", Host: "shop.example.com", Path: "/tea"}, Signer: signs}
	for name, order := range map[string]trade.Order{
		"paid": evil, "nothing proved": {AppID: "2021", OutTradeNo: "A1", Total: 8888},
	} {
		h := http.Header{"Cookie": {"session=1"}}
		SetOrder(h, &order)
		if err := s.AssertReturn(t.Context(), h); err != nil || h.Get(HeaderAssertion) != "a.b.c" {
			t.Errorf("%s: %v, %v", name, h, err)
		}
		wantClaims(t, signs.claims, h, "")
		if text := string(signs.claims); strings.Contains(text, "jti") || strings.Contains(text, "event") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// answering is a shop that accepts what it shows to see.
func answering(see func(*http.Request)) caddyhttp.MiddlewareHandler {
	return middleware(func(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
		see(r)
		_, err := io.WriteString(w, "success")
		return err
	})
}

type middleware func(http.ResponseWriter, *http.Request, caddyhttp.Handler) error

func (m middleware) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return m(w, r, next)
}

// BenchmarkAssert is what an assertion costs a delivery.
func BenchmarkAssert(b *testing.B) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	keys, err := assertion.NewFixed([]ed25519.PrivateKey{private})
	if err != nil {
		b.Fatal(err)
	}
	s := &Shop{PublicURL: &url.URL{Scheme: "https", Host: "shop.example.com"}, Signer: keys}
	body := []byte(strings.Repeat("a", 1500)) // as long as a notice
	h := http.Header{}
	SetEvent(h, &evil, &trade.Event{
		ID: "evt_000661241f262876e56aeb1b", Type: trade.EventPaid, Sequence: 1, Status: trade.StatusSuccess, Source: trade.SourceNotify,
	})
	b.ReportAllocs()
	for b.Loop() {
		if err := s.assertDelivery(context.Background(), h, body); err != nil {
			b.Fatal(err)
		}
	}
}
