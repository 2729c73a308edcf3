// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto"
	"crypto/rsa"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestResplitHarmless: values that hold what looks like parameters are no
// reason to lose a payment as long as the text can be read in one way only.
func TestResplitHarmless(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	for name, changes := range map[string][]string{
		"an order number in passback_params": {"passback_params", "a=1&out_trade_no=T-9&app_id=1"},
		"a seller behind it, which descends": {"subject", "x&seller_id=2088"},
		"unknown names in passback_params":   {"passback_params", "a=1&uid=5&zz=6"},
		"a body with &body=":                 {"body", "1&body=2&c=3"},
		"a lone &":                           {"subject", "Tea & cups", "body", "&&&"},
		"a sign in a body":                   {"body", "x&sign=y&sign_type=RSA"},
		"in a refund's notice": {
			"passback_params", "a=1&out_trade_no=T-9", "out_biz_no", "R-1", "refund_fee", "1.00", "gmt_refund", "2026-02-02 00:00:00",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := v.Notify(formType, []byte(encode(p.signed(t, with(payment(), changes...)))), testTime)
			if err != nil || e.OutTradeNo != "T-1" || e.Total != 8888 {
				t.Errorf("%v, %+v", err, e)
			}
		})
	}
}

// TestResplitFullForgery: a buyer who may write a body that the shop does not
// check writes a whole notice into it, and swallows the true one with zz. Both
// readings carry Alipay's signature; neither may count.
func TestResplitFullForgery(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	evil := with(payment(), "total_amount", "9999.00", "body", "x")
	inner := strings.TrimPrefix(textToSign(evil), "app_id="+testApp+"&auth_app_id="+testApp+"&body=")
	genuine := p.signed(t, with(payment(), "body", inner+"&zz="))
	_, err := v.Notify(formType, []byte(encode(genuine)), testTime)
	wantReason(t, err, ReasonAmbiguous)

	forged := with(evil, "sign", genuine["sign"])
	text := textToSign(genuine)
	forged["zz"] = text[strings.Index(text, "&zz=")+len("&zz="):]
	if textToSign(forged) != text {
		t.Fatal("the forgery has another signed text: the test is wrong")
	}
	_, err = v.Notify(formType, []byte(encode(forged)), testTime)
	wantReason(t, err, ReasonAmbiguous)
}

// TestResplitManyPieces: the search is bounded, also for what Alipay signed.
func TestResplitManyPieces(t *testing.T) {
	p := namedPair(t, "alipay")
	v := newTestVerifier(t, p.alipayKey(t, ""))
	body := strings.Repeat("&a=", maxSegments) + "&total_amount=1"
	_, err := v.Notify(formType, []byte(encode(p.signed(t, with(payment(), "body", body)))), testTime)
	wantReason(t, err, ReasonAmbiguous)
}

// drawMessage draws a message whose free text holds pieces of others.
func drawMessage(t *rapid.T) params {
	ps := params{
		{"app_id", testApp}, {"charset", "utf-8"}, {"notify_id", "n"}, {"notify_type", "trade_status_sync"},
		{"out_trade_no", "T-1"}, {"total_amount", "1.00"}, {"trade_no", "7"}, {"trade_status", "TRADE_SUCCESS"},
	}
	pieces := []string{
		"&app_id=" + testApp, "&charset=gbk", "&notify_id=m", "&notify_type=trade_status_sync", "&out_trade_no=T-2",
		"&total_amount=2.00", "&trade_no=8", "&trade_status=TRADE_CLOSED", "&seller_id=s", "&zz=", "&body=", "&aa=1", "x", "&",
	}
	for _, key := range []string{"aa", "body", "passback_params", "subject", "zz"} {
		if rapid.Bool().Draw(t, "has "+key) {
			value := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 9).Draw(t, key), "")
			ps = append(ps, param{key, value})
		}
	}
	ps.sort()
	return ps
}

// otherReadings calls visit with every message that has the signed text of ps,
// and with the segments that begin its parameters.
func otherReadings(ps params, visit func(other params, starts []int)) {
	segments := strings.Split(string(appendCanonical(nil, ps, reading{})), "&")
	var starts []int
	var extend func(i int, so params)
	extend = func(i int, so params) {
		if i == len(segments) {
			visit(slices.Clone(so), starts)
			return
		}
		key, value, ok := strings.Cut(segments[i], "=")
		if ok && isKey(key) && (len(so) == 0 || so[len(so)-1].key < key) {
			starts = append(starts, i)
			extend(i+1, append(so, param{key, value}))
			starts = starts[:len(starts)-1]
		}
		if len(so) > 0 {
			last := so[len(so)-1].value
			so[len(so)-1].value += "&" + segments[i]
			extend(i+1, so)
			so[len(so)-1].value = last
		}
	}
	extend(0, make(params, 0, len(segments)))
}

// decided are the values of the fields that are used.
func decided(ps params) string {
	var text strings.Builder
	for _, p := range ps {
		if used[p.key] {
			text.WriteString(p.key + "=" + p.value + "\n")
		}
	}
	return text.String()
}

// TestResplitProperty: of all messages with one signed text, those that are
// accepted agree in every field that is used. Compared with all readings there
// are, so the search in resplit.go is not trusted to find them itself.
func TestResplitProperty(t *testing.T) {
	v := newTestVerifier(t, namedPair(t, "alipay").alipayKey(t, ""))
	v.check = func(*rsa.PublicKey, crypto.Hash, []byte, []byte) error { return nil }
	accepted := func(ps params) bool {
		form := map[string]string{"sign": strings.Repeat("A", 342) + "==", "sign_type": "RSA2"}
		for _, p := range ps {
			form[p.key] = p.value
		}
		_, err := v.Notify(formType, []byte(encode(form)), testTime)
		return err == nil
	}
	rapid.Check(t, func(t *rapid.T) {
		ps := drawMessage(t)
		if strings.Count(string(appendCanonical(nil, ps, reading{})), "&") > 16 {
			return // too many readings to list
		}
		var first params
		otherReadings(ps, func(other params, _ []int) {
			if !accepted(other) || !foldable(other) {
				return
			}
			if first == nil {
				first = other
			}
			if decided(first) != decided(other) {
				t.Fatalf("both accepted:\n%q\n%q", first, other)
			}
		})
	})
}

// foldable reports whether a message states something of an order: others are
// held for a person.
func foldable(ps params) bool {
	for _, key := range required {
		if ps.get(key) == "" {
			return false
		}
	}
	return true
}

// TestResplitRefusesOnlyDoubts is the other side: what is refused does have
// another reading, one that takes a used field out of a value.
func TestResplitRefusesOnlyDoubts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ps := drawMessage(t)
		if strings.Count(string(appendCanonical(nil, ps, reading{})), "&") > 16 {
			return // too many readings to list
		}
		clean := func(ps params) bool {
			return !slices.ContainsFunc(ps, func(p param) bool { return whole(p.key) && strings.Contains(p.value, "&") })
		}
		var own []int
		at := 0
		for _, p := range ps {
			own = append(own, at)
			at += strings.Count(p.value, "&") + 1
		}
		doubt := !clean(ps)
		otherReadings(ps, func(other params, starts []int) {
			if !clean(other) || !foldable(other) {
				return
			}
			for i, p := range other {
				doubt = doubt || used[p.key] && !slices.Contains(own, starts[i])
			}
		})
		if got := ambiguous(ps, reading{}); got != doubt {
			t.Fatalf("ambiguous is %t, want %t: %q", got, doubt, ps)
		}
	})
}
