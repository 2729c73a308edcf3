// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"html"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestDiagnose(t *testing.T) {
	p, other := namedPair(t, "alipay"), namedPair(t, "other")
	g := newTestGateway(t, "")
	genuine := p.signed(t, with(payment(), "subject", "茶"))
	each := func(form map[string]string, change func(string) string) map[string]string {
		changed := make(map[string]string)
		for key, value := range form {
			changed[key] = change(value)
		}
		return changed
	}
	keptSignType := with(payment(), "sign", p.sign(t, requestText(payment())))
	gbk := with(payment(), "subject", "\xb2\xe8")
	for name, tc := range map[string]struct {
		form  map[string]string
		query string
		want  string
	}{
		"own key":          {namedPair(t, "app").signed(t, payment()), "", "own_key"},
		"another account":  {other.signed(t, payment()), "", "other_account"},
		"sign_type kept":   {keptSignType, "", "sign_type_kept"},
		"HTML":             {each(genuine, html.EscapeString), "", "html_entities"},
		"slashes":          {each(genuine, func(s string) string { return strings.ReplaceAll(s, `"`, `\"`) }), "", "slashes"},
		"plus":             {with(p.signed(t, payment()), "sign", strings.ReplaceAll(plusSign(t, p), "+", " "), "notify_id", plusID), "", "plus_as_space"},
		"encoded twice":    {each(genuine, url.QueryEscape), "", "encoded_twice"},
		"the query's":      {with(genuine, "s", "/pay"), "s=/pay", "query_parameters"},
		"in the query":     {with(genuine, "app_id", "-"), "app_id=" + testApp, "query_parameters"},
		"a framework's":    {with(genuine, "_url", "/pay"), "", "extra_parameters"},
		"UTF-8 from GBK":   {with(p.signed(t, gbk), "subject", "茶"), "", "charset"},
		"GBK from UTF-8":   {with(genuine, "subject", "\xb2\xe8"), "", "charset"},
		"a forgery":        {with(genuine, "total_amount", "0.01"), "a=b", ""},
		"sign of no shape": {with(genuine, "sign", "x"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(encode(tc.form))
			if _, err := g.Verifier().Notify(formType, body, time.Time{}); err == nil {
				t.Fatal("accepted")
			}
			d := g.Diagnose(body, tc.query, AlipayKey{}, other.alipayKey(t, ""))
			if d.Word != tc.want || (d.Sentence == "") != (tc.want == "") {
				t.Errorf("%+v, want %q", d, tc.want)
			}
			if tc.want == "extra_parameters" && !strings.Contains(d.Sentence, "_url") {
				t.Errorf("%q does not name the parameter", d.Sentence)
			}
		})
	}
	for _, body := range []string{"", "x", "a=1&a=2", strings.Repeat("a", MaxNotifyBody+1)} {
		if d := g.Diagnose([]byte(body), "a=%zz"); d != (Diagnosis{}) {
			t.Errorf("%.10q: %+v", body, d)
		}
	}
}

func TestDiagnoseReturn(t *testing.T) {
	p, other := namedPair(t, "alipay"), namedPair(t, "other")
	g := newTestGateway(t, "")
	genuine := p.signed(t, comeback())
	for name, tc := range map[string]struct {
		form map[string]string
		want string
	}{
		"own key":           {namedPair(t, "app").signed(t, comeback()), "own_key"},
		"another account":   {other.signed(t, comeback()), "other_account"},
		"sign_type kept":    {with(comeback(), "sign", p.sign(t, requestText(comeback()))), "sign_type_kept"},
		"encoded twice":     {with(genuine, "sign", url.QueryEscape(genuine["sign"])), "encoded_twice"},
		"plus":              {with(p.signed(t, comeback()), "sign", strings.ReplaceAll(genuine["sign"], "+", " ")), "plus_as_space"},
		"a forgery":         {with(genuine, "total_amount", "0.01"), ""},
		"the shop's beside": {with(genuine, "total_amount", "0.01", "s", "/pay"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			query := encode(tc.form)
			if _, err := g.Verifier().Return(query); err == nil {
				if name == "plus" && !strings.Contains(genuine["sign"], "+") {
					return // this key's signature holds none
				}
				t.Fatal("accepted")
			}
			if d := g.DiagnoseReturn(query, other.alipayKey(t, "")); d.Word != tc.want || (d.Sentence == "") != (tc.want == "") {
				t.Errorf("%+v, want %q", d, tc.want)
			}
		})
	}
	for _, query := range []string{"", "sign=1&sign=2", strings.Repeat("a", MaxReturnQuery+1)} {
		if d := g.DiagnoseReturn(query); d != (Diagnosis{}) {
			t.Errorf("%.10q: %+v", query, d)
		}
	}
}

// plusID makes the signature of plusSign one that holds a plus sign, whatever
// the key: nearly every signature does.
const plusID = "plus"

func plusSign(t *testing.T, p pair) string {
	t.Helper()
	return p.sign(t, textToSign(with(payment(), "notify_id", plusID)))
}

// TestDiagnoseIsBounded: what Diagnose tries does not grow with the message.
func TestDiagnoseIsBounded(t *testing.T) {
	if n := len(mistakes("")); (n+1)*maxRSA > maxDiagnosis-4 {
		t.Errorf("%d mistakes with %d keys leave no room in %d operations", n, maxRSA, maxDiagnosis)
	}
	d := detective{left: 2}
	key := namedPair(t, "alipay").alipayKey(t, "").Public
	ps := params{{"sign", strings.Repeat("A", 342) + "=="}}
	for range 5 {
		if d.signed(ps, key, false) {
			t.Error("zeros are no signature")
		}
	}
	if d.left != 0 {
		t.Errorf("%d operations left", d.left)
	}
}
