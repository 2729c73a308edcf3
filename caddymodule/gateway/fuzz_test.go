// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
)

func FuzzForm(f *testing.F) {
	for _, seed := range []string{"", "a=1&b=%41+c", "a=1&a=2", "a", "=", "a=%4", "a=1&", strings.Repeat("a=1&", 300)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkForm(t, body) })
}

// believing makes v believe every signature, so that fuzzing, which cannot
// forge one, gets behind it.
func believing(v *Verifier) *Verifier {
	v.check = func(*rsa.PublicKey, crypto.Hash, []byte, []byte) error { return nil }
	return v
}

// FuzzNotify: a refusal has a listed reason, and what is believed is what
// net/url reads in the body.
func FuzzNotify(f *testing.F) {
	v := believing(newTestVerifier(f, namedPair(f, "alipay").alipayKey(f, "")))
	form := with(payment(), "sign", strings.Repeat("A", 342)+"==")
	good := encode(form)
	f.Add(formType, []byte(good))
	f.Add(formType+"; charset=GBK", []byte(good+"&x=y"))
	f.Add(formType, []byte(encode(with(form, "body", "", "alipay_cert_sn", "x"))))
	f.Add(formType, []byte(encode(with(form, "subject", "a&total_amount=1"))))
	f.Add(formType, []byte(encode(with(form, "gmt_refund", "2026-02-02 00:00:00.1", "refund_fee", "1", "out_biz_no", "R"))))
	f.Add("", []byte("method=x"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		e, err := v.Notify(contentType, body, testTime)
		if err != nil {
			var r *Rejection
			if !errors.As(err, &r) {
				t.Fatalf("error is %v", err)
			}
			wantReason(t, err, r.Reason)
			return
		}
		values, err := url.ParseQuery(string(body))
		if err != nil {
			t.Fatalf("net/url refuses %q: %v", body, err)
		}
		if values.Get("charset") == "" || strings.EqualFold(values.Get("charset"), "utf-8") {
			if e.OutTradeNo != values.Get("out_trade_no") || e.TradeNo != values.Get("trade_no") ||
				string(e.Status) != values.Get("trade_status") || e.SellerID != values.Get("seller_id") {
				t.Fatalf("%+v", e)
			}
		}
		if values.Has("method") || values.Get("app_id") != testApp || values.Get("notify_type") != "trade_status_sync" ||
			e.NotifyID == "" || !bytes.Equal(e.Raw, body) || e.Total < 0 || e.Refunded < 0 {
			t.Fatalf("%+v", e)
		}
	})
}

// FuzzReturn: what is believed is what net/url reads in the query.
func FuzzReturn(f *testing.F) {
	v := believing(newTestVerifier(f, namedPair(f, "alipay").alipayKey(f, "")))
	good := encode(with(comeback(), "sign", strings.Repeat("A", 342)+"=="))
	for _, seed := range []string{"", good, good + "&x=y", good + "&out%5Ftrade_no=x", "a;b", strings.Replace(good, "&", "&&", 1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r, err := v.Return(query)
		if err != nil {
			return
		}
		values, _ := url.ParseQuery(query) // its error is of parameters that are not Alipay's
		utf := values.Get("charset") == "" || strings.EqualFold(values.Get("charset"), "utf-8")
		if utf && (r.OutTradeNo != values.Get("out_trade_no") || r.TradeNo != values.Get("trade_no")) ||
			len(values["out_trade_no"]) != 1 || len(values["app_id"]) != 1 || r.Total <= 0 || r.Method != values.Get("method") {
			t.Fatalf("%+v", r)
		}
	})
}

// FuzzScanObject compares with encoding/json.
func FuzzScanObject(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"a":1}`, ` { "a" : [ {"b":"}"} ] , "c\u0041" : null } `, `{"a":1,"a":2}`, `{"a":"\\\""}`, "[]", `{"":-1e3}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := scanObject(data)
		var want map[string]json.RawMessage
		if jsonErr := json.Unmarshal(data, &want); jsonErr != nil || want == nil {
			if err == nil {
				t.Fatalf("%q is no object: %v", data, jsonErr)
			}
			return
		}
		if err != nil {
			return // doubled, or too many
		}
		if len(list) != len(want) {
			t.Fatalf("%d members, encoding/json has %d: %q", len(list), len(want), data)
		}
		for _, m := range list {
			if !bytes.Equal(m.raw, want[m.name]) || !bytes.Contains(data, m.raw) {
				t.Fatalf("%q is %q, encoding/json has %q", m.name, m.raw, want[m.name])
			}
			_ = list.text(m.name)
		}
	})
}

// FuzzAnswer: what is believed is what encoding/json reads, and it is for the
// order that was asked for.
func FuzzAnswer(f *testing.F) {
	good := `{"alipay_trade_query_response":` + paidAnswer + `,"sign":"` + strings.Repeat("A", 342) + `=="}`
	for _, seed := range []string{
		good, strings.Replace(good, "/", `\/`, 1), `{"error_response":{"code":"40001"}}`, `{"alipay_trade_query_response":null}`, "",
	} {
		f.Add([]byte(seed))
	}
	g := newTestGateway(f, "")
	believing(g.Verifier())
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := g.Verifier().readAnswer("alipay.trade.query", body)
		if err != nil {
			return
		}
		e, err := g.readQuery("T-1", a)
		if err != nil {
			return
		}
		var root map[string]map[string]any
		var want map[string]json.RawMessage
		if err := json.Unmarshal(body, &want); err != nil || want["sign"] == nil {
			t.Fatalf("%+v from %q", e, body)
		}
		delete(want, "sign")
		body = want["alipay_trade_query_response"]
		if err := json.Unmarshal([]byte(`{"x":`+string(body)+"}"), &root); err != nil {
			t.Fatal(err)
		}
		status, _ := root["x"]["trade_status"].(string)
		if string(e.Status) != strings.TrimSpace(status) || e.OutTradeNo != "T-1" {
			t.Fatalf("%+v from %q", e, body)
		}
	})
}

func FuzzKeys(f *testing.F) {
	p := namedPair(f, "app")
	for _, seed := range [][]byte{nil, p.privatePEM, p.publicPEM, []byte("-----BEGIN X-----"), {0x30, 0x82, 0xff}, {0xff, 0xfe, 0x30}, []byte("MIIB")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := ParsePrivateKey(data); err == nil && key.N.BitLen() < minBits {
			t.Fatal("a short private key")
		} else if err != nil && len(err.Error()) > 250 {
			t.Fatalf("a long error: %v", err)
		}
		if key, err := ParsePublicKey(data); err == nil && (key.N.BitLen() < minBits || Fingerprint(key) == "") {
			t.Fatal("a short public key")
		}
		certs, err := ParseCertificates(data)
		if (err == nil) != (len(certs) > 0) {
			t.Fatalf("%d certificates, %v", len(certs), err)
		}
		for _, cert := range certs {
			if len(CertSN(cert)) != 32 {
				t.Fatal("a serial number of another length")
			}
		}
		if sn, err := RootCertSN(data); (err == nil) != (sn != "") {
			t.Fatalf("%q, %v", sn, err)
		}
	})
}
