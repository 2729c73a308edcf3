// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// The tests of this file pin weaknesses that reading and trying the SDK's own
// verification showed (v3.2.28): each is named by its number there and says what
// an attacker could do. TestFinding19 is in cert_test.go, TestFinding27 and
// those on answers in answers_test.go.

// TestFinding01UnknownCertFetchesNothing: a forged notice that names an unknown
// certificate makes the SDK download it, under the lock of all verifications.
// A Verifier has nothing to download with; Gateway's own transport is not asked.
func TestFinding01UnknownCertFetchesNothing(t *testing.T) {
	g := newTestGateway(t, "http://127.0.0.1:1")
	g.client.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("verification opened a connection")
		return nil, errors.New("no")
	})
	p := namedPair(t, "alipay")
	for _, sn := range []string{strings.Repeat("e", 32), "alipay-public-key", "../../etc/passwd", ""} {
		form := with(payment(), "alipay_cert_sn", sn)
		if _, err := g.Verifier().Notify(formType, []byte(encode(p.signed(t, form))), testTime); err != nil {
			t.Errorf("genuine, naming %q: %v", sn, err)
		}
		_, err := g.Verifier().Notify(formType, []byte(encode(with(form, "sign", strings.Repeat("A", 342)+"=="))), testTime)
		wantReason(t, err, ReasonSignature)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestFinding02RepeatedForgeries: without a negative cache each forgery costs
// the SDK a call; here it costs at most four RSA operations, each time.
func TestFinding02RepeatedForgeries(t *testing.T) {
	v := newTestVerifier(t, namedPair(t, "alipay").alipayKey(t, ""), namedPair(t, "other").alipayKey(t, ""))
	n := countChecks(v)
	form := with(payment(), "body", "", "alipay_cert_sn", "x", "sign", strings.Repeat("A", 342)+"==")
	for range 10 {
		_, err := v.Notify(formType, []byte(encode(form)), testTime)
		wantReason(t, err, ReasonSignature)
	}
	if *n != 10*maxRSA {
		t.Errorf("%d RSA operations for 10 forgeries", *n)
	}
}

// TestFinding03OwnClient: http.DefaultClient has no time-out, and the
// environment's proxy.
func TestFinding03OwnClient(t *testing.T) {
	g := newTestGateway(t, "")
	switch {
	case g.client == http.DefaultClient || g.client.Timeout <= 0 || g.client.Timeout > time.Minute:
		t.Error("the client has no time-out of its own")
	case g.owned == nil || g.owned.Proxy != nil:
		t.Error("the transport asks the environment for a proxy")
	case g.owned.TLSClientConfig != nil && g.owned.TLSClientConfig.InsecureSkipVerify:
		t.Error("the transport trusts any certificate")
	}
	if _, err := g.keys.Load().sdk.TradeQuery(context.Background(), sdkQuery); err == nil || !strings.Contains(err.Error(), "no calls") {
		t.Errorf("the SDK can make calls of its own: %v", err)
	}
}

// TestFinding04CertOfAnotherKey: the SDK replaces its default key by whatever
// it downloaded. Here the configured keys are all there are, and an SN of one
// never lets another key pass.
func TestFinding04CertOfAnotherKey(t *testing.T) {
	alipay, other := namedPair(t, "alipay"), namedPair(t, "other")
	one, two := strings.Repeat("1", 32), strings.Repeat("2", 32)
	v := newTestVerifier(t, alipay.alipayKey(t, one), other.alipayKey(t, two))
	for _, tc := range []struct {
		p  pair
		sn string
		ok bool
	}{{alipay, one, true}, {other, two, true}, {alipay, two, false}, {other, one, false}, {alipay, "unknown", true}} {
		form := with(payment(), "alipay_cert_sn", tc.sn)
		_, err := v.Notify(formType, []byte(encode(tc.p.signed(t, form))), testTime)
		if (err == nil) != tc.ok {
			t.Errorf("naming %.3s: %v", tc.sn, err)
		}
	}
}

// TestFinding06DuplicateKeys: the SDK signs all values and reads the first, so
// that a signed duplicate can be put in front.
func TestFinding06DuplicateKeys(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	form := payment()
	form["sign"] = p.sign(t, strings.Replace(textToSign(form), "total_amount=88.88", "total_amount=0.01&total_amount=88.88", 1))
	body := encode(form)
	for _, forged := range []string{body + "&total_amount=0.01", "total_amount=0.01&" + body} {
		_, err := v.Notify(formType, []byte(forged), testTime)
		wantReason(t, err, ReasonDuplicateKey)
	}
}

// TestFinding07SortsByKey: the SDK sorts k=v strings, in which a1= comes before
// a=, for 1 is less than =.
func TestFinding07SortsByKey(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	form := with(payment(), "body", "x", "body1", "y", "a", "1", "a1", "2", "a_1", "3", "aa", "4")
	text := textToSign(form)
	if !strings.HasPrefix(text, "a=1&a1=2&a_1=3&aa=4&") {
		t.Fatalf("the test's own text is %q", text)
	}
	if _, err := v.Notify(formType, []byte(encode(p.signed(t, form))), testTime); err != nil {
		t.Error(err)
	}
}

// TestFinding08Resplit: body=hi&out_trade_no=A is one parameter or two. More of
// it is in resplit_test.go.
func TestFinding08Resplit(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	genuine := p.signed(t, with(payment(), "subject", "tea&total_amount=0.01"))
	if e, err := v.Notify(formType, []byte(encode(genuine)), testTime); err != nil || e.Total != 8888 {
		t.Errorf("a subject that only looks like it: %s, %v", e.Total, err) // no other reading of it is sorted
	}

	merged := p.signed(t, payment())
	merged["subject"] += "&total_amount=88.88" // next in order: the text is the same
	delete(merged, "total_amount")
	_, err := v.Notify(formType, []byte(encode(merged)), testTime)
	wantReason(t, err, ReasonAmbiguous)
}

// TestFinding09MalleableSign: line breaks in base64 decode to the same
// signature, so that one notice could be written in many ways.
func TestFinding09MalleableSign(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	form := p.signed(t, payment())
	sign := form["sign"]
	for name, written := range map[string]string{
		"line feed":     sign[:100] + "\n" + sign[100:],
		"CR LF":         sign + "\r\n",
		"same length":   sign[:340] + "\r\n\r\n",
		"no padding":    strings.TrimRight(sign, "="),
		"stray bits":    sign[:341] + string(sign[341]+1) + "==",
		"URL-safe":      strings.NewReplacer("+", "-", "/", "_").Replace(sign[:342]) + "--",
		"leading space": " " + sign,
		"more padding":  sign + "====",
	} {
		_, err := v.Notify(formType, []byte(encode(with(form, "sign", written))), testTime)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		wantReason(t, err, ReasonSignFormat)
	}
}

// TestFinding10MessageChoosesNothing: sign_type is pinned to RSA2, and no value
// of alipay_cert_sn makes a message pass that would not pass without.
func TestFinding10MessageChoosesNothing(t *testing.T) {
	alipay, other := namedPair(t, "alipay"), namedPair(t, "other")
	v := newTestVerifier(t, alipay.alipayKey(t, strings.Repeat("1", 32)))
	for _, signType := range []string{"RSA", "rsa2", "none", "HMACSHA256", "RSA2 "} {
		_, err := v.Notify(formType, []byte(encode(with(alipay.signed(t, payment()), "sign_type", signType))), testTime)
		wantReason(t, err, ReasonSignType)
	}
	for _, sn := range []string{"alipay-public-key", strings.Repeat("1", 32), ""} {
		_, err := v.Notify(formType, []byte(encode(other.signed(t, with(payment(), "alipay_cert_sn", sn)))), testTime)
		wantReason(t, err, ReasonSignature)
	}
}

// TestFinding11EmptyValues: Alipay's documents contradict each other on empty
// values and on alipay_cert_sn; every combination verifies.
func TestFinding11EmptyValues(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	form := with(payment(), "body", "", "passback_params", "", "alipay_cert_sn", "x")
	for _, drop := range [][]string{
		nil, {"body", "passback_params"}, {"alipay_cert_sn"}, {"body", "passback_params", "alipay_cert_sn"},
	} {
		if _, err := v.Notify(formType, []byte(encode(p.signed(t, form, drop...))), testTime); err != nil {
			t.Errorf("signed without %v: %v", drop, err)
		}
	}
	_, err := v.Notify(formType, []byte(encode(p.signed(t, form, "body"))), testTime)
	wantReason(t, err, ReasonSignature) // one of two empties: nobody's reading
}

// TestFinding17QueryIsNotBody: the SDK merges the URL's query into the body. A
// notice whose parameters are spread over both is none.
func TestFinding17QueryIsNotBody(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	_, err := v.Notify(formType, []byte(encode(with(p.signed(t, payment()), "total_amount", "-"))), testTime)
	wantReason(t, err, ReasonSignature)
}

// TestFinding18ReturnIsNoNotice: return and notice are signed alike, so a buyer
// has a valid signature over his own order without having paid. Posted as a
// notice, with whatever he likes beside it or with method hidden, it fails.
func TestFinding18ReturnIsNoNotice(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	genuine := p.signed(t, comeback())
	_, err := v.Notify(formType, []byte(encode(genuine)), testTime)
	wantReason(t, err, ReasonMethod)

	dressed := with(genuine, "method", "-", "notify_type", "trade_status_sync", "notify_id", "1", "trade_status", "TRADE_SUCCESS")
	dressed["charset"] += "&method=" + genuine["method"]
	if _, err := v.Notify(formType, []byte(encode(dressed)), testTime); err == nil {
		t.Error("a return with its method hidden in charset passes for a notice")
	}
	dressed["charset"] = "utf-8"
	dressed["auth_app_id"] += "&charset=utf-8&method=" + genuine["method"]
	_, err = v.Notify(formType, []byte(encode(dressed)), testTime)
	wantReason(t, err, ReasonSignature)

	_, err = v.Return(encode(p.signed(t, payment())))
	wantReason(t, err, ReasonMethod)
}

// TestFinding20WapTimeExpire: the SDK's TradeWapPay drops the embedded
// TimeExpire, which leaves an order open for 15 days.
func TestFinding20WapTimeExpire(t *testing.T) {
	g := newTestGateway(t, "")
	o := testOptions()
	o.Channel, o.QuitURL = "wap", "https://shop.example/cart"
	c, err := g.PagePay(context.Background(), testOffer(), o)
	if err != nil {
		t.Fatal(err)
	}
	system, biz := opened(t, c)
	if system["method"] != "alipay.trade.wap.pay" || biz["product_code"] != "QUICK_WAP_WAY" ||
		biz["time_expire"] != "2026-01-02 11:04:05" || biz["quit_url"] != o.QuitURL {
		t.Errorf("method %s, biz_content %v", system["method"], biz)
	}
}

// TestFinding21NothingEmpty: the SDK sends empty members and parameters.
func TestFinding21NothingEmpty(t *testing.T) {
	g := newTestGateway(t, "")
	offer := trade.Offer{OutTradeNo: "T-1", Total: 1, Subject: "x", Others: map[string]json.RawMessage{
		"store_id": json.RawMessage(` "" `), "goods_detail": json.RawMessage("[]"), "extend_params": json.RawMessage("{}"),
		"promo_params": json.RawMessage("null"),
	}}
	c, err := g.PagePay(context.Background(), offer, PayOptions{Channel: "wap"})
	if err != nil {
		t.Fatal(err)
	}
	system, biz := opened(t, c)
	if len(biz) != 4 {
		t.Errorf("biz_content is %v", biz)
	}
	for _, key := range []string{"return_url", "notify_url", "app_auth_token", "app_cert_sn", "alipay_root_cert_sn"} {
		if _, has := system[key]; has {
			t.Errorf("%s is sent without a value", key)
		}
	}
}

// TestFinding23FixedZone: time.Local is UTC in containers, and LoadLocation
// fails there without tzdata. pagepay_test.go checks the timestamp sent.
func TestFinding23FixedZone(t *testing.T) {
	p := namedPair(t, "alipay")
	e, err := newTestVerifier(t, p.alipayKey(t, "")).Notify(formType, []byte(encode(p.signed(t, payment()))), testTime)
	if err != nil {
		t.Fatal(err)
	}
	if _, offset := e.PaidAt.Zone(); offset != 8*3600 {
		t.Errorf("gmt_payment is read at offset %d", offset)
	}
}

// TestFinding25ConcurrentUse: run with -race.
func TestFinding25ConcurrentUse(t *testing.T) {
	p := namedPair(t, "alipay")
	f := newFakeGateway(t)
	f.says(answering(t, p, paidAnswer))
	g := newTestGateway(t, f.URL)
	notice := []byte(encode(p.signed(t, payment())))
	comeback := encode(p.signed(t, comeback()))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err1 := g.Verifier().Notify(formType, notice, testTime)
			_, err2 := g.Verifier().Return(comeback)
			_, err3 := g.PagePay(context.Background(), testOffer(), testOptions())
			_, err4 := g.Query(context.Background(), "T-1")
			if err := errors.Join(err1, err2, err3, err4); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestFinding30SeveralKeys: while Alipay rolls its key, both sign; a reissued
// certificate of the same key counts once.
func TestFinding30SeveralKeys(t *testing.T) {
	keys := []AlipayKey{}
	for _, name := range []string{"alipay", "other", "third", "fourth"} {
		for i := range 3 {
			keys = append(keys, namedPair(t, name).alipayKey(t, fmt.Sprintf("%s-%d", name, i)))
		}
	}
	v := newTestVerifier(t, keys...)
	if len(v.keys) != 4 {
		t.Fatalf("%d different keys", len(v.keys))
	}
	for _, name := range []string{"alipay", "other", "third", "fourth"} {
		if _, err := v.Notify(formType, []byte(encode(namedPair(t, name).signed(t, payment()))), testTime); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
