// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/smartwalle/alipay/v3"
)

var sdkQuery = alipay.TradeQuery{OutTradeNo: "T-1"}

const emptySign = `,"sign":""}`

// TestHostileAnswers: what cannot be believed is unknown, never an outcome, and
// nothing panics (findings 05, 12, 13, 14, 15, 24).
func TestHostileAnswers(t *testing.T) {
	p := namedPair(t, "alipay")
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL)
	good := answering(t, p, paidAnswer)
	sign := good[strings.LastIndex(good, `"sign":`)+len(`"sign":`) : len(good)-1]
	for name, text := range map[string]string{
		"empty":                           "",
		"HTML":                            "<html>502 Bad Gateway</html>",
		"truncated":                       good[:len(good)-1],
		"two answers":                     good + good,
		"an array":                        "[" + good + "]",
		"a number":                        "10000",
		"null":                            "null",
		"an empty object":                 "{}",
		"05: null response":               `{"alipay_trade_query_response":null,"sign":` + sign + `}`,
		"12: null error_response":         `{"error_response":null}`,
		"12: null, unsigned":              `{"alipay_trade_query_response":null}`,
		"a null sign":                     `{"alipay_trade_query_response":` + paidAnswer + `,"sign":null}`,
		"an empty sign":                   `{"alipay_trade_query_response":` + paidAnswer + emptySign,
		"a sign of a number":              `{"alipay_trade_query_response":` + paidAnswer + `,"sign":1}`,
		"13: a string (AES)":              answering(t, p, `"AAAA"`),
		"an array in place":               answering(t, p, `["10000"]`),
		"14: unsigned success":            `{"alipay_trade_query_response":` + paidAnswer + `}`,
		"14: unsigned success, number":    `{"alipay_trade_query_response":{"code":10000,"out_trade_no":"T-1"}}`,
		"14: unsigned, without code":      `{"alipay_trade_query_response":{"out_trade_no":"T-1","trade_status":"TRADE_SUCCESS"}}`,
		"14: success as error_response":   `{"error_response":` + paidAnswer + `}`,
		"14: the same, signed":            strings.Replace(good, "alipay_trade_query_response", "error_response", 1),
		"another key":                     answering(t, namedPair(t, "other"), paidAnswer),
		"the app's own key":               answering(t, namedPair(t, "app"), paidAnswer),
		"a changed amount":                strings.Replace(good, "88.88", "0.01", 1),
		"a space more":                    strings.Replace(good, `{"code"`, `{ "code"`, 1),
		"a doubled response":              strings.Replace(good, `{"alipay`, `{"alipay_trade_query_response":{},"alipay`, 1),
		"a doubled response, in disguise": strings.Replace(good, `{"alipay`, `{"\u0061lipay_trade_query_response":{},"alipay`, 1),
		"a doubled sign":                  strings.TrimSuffix(good, "}") + `,"sign":` + sign + `}`,
		"response and error_response":     strings.TrimSuffix(good, "}") + `,"error_response":{}}`,
		"another method's response":       strings.Replace(good, "trade_query", "trade_close", 1),
		"a signed doubled member":         answering(t, p, strings.Replace(paidAnswer, `{"code"`, `{"trade_status":"x","code"`, 1)),
		"24: another order":               answering(t, p, strings.Replace(paidAnswer, "T-1", "T-2", 1)),
		"24: no order":                    answering(t, p, strings.Replace(paidAnswer, `"out_trade_no"`, `"x"`, 1)),
		"24: the order in other letters":  answering(t, p, strings.Replace(paidAnswer, `"out_trade_no"`, `"OUT_TRADE_NO"`, 1)),
		"24: an error for another order":  answering(t, p, `{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST","out_trade_no":"T-2"}`),
		"not UTF-8":                       answering(t, p, "{\"code\":\"10000\",\"out_trade_no\":\"T-1\",\"msg\":\"\xff\"}"),
		"deep":                            strings.Repeat("[", 1<<19),
		"many members":                    "{" + strings.TrimSuffix(manyMembers(), ",") + "}",
		"over 1 MiB":                      strings.TrimSuffix(good, "}") + `,"x":"` + strings.Repeat("y", 10<<20) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			f.says(text)
			e, err := g.Query(context.Background(), "T-1")
			if !errors.Is(err, ErrUnknown) || e.OutTradeNo != "" {
				t.Errorf("%+v, %v", e, err)
			}
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
	f.says(good)
	if _, err := g.Query(context.Background(), "T-1"); err != nil {
		t.Errorf("the good answer: %v", err)
	}
}

func manyMembers() string {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, `"m%d":1,`, i)
	}
	return text.String()
}

// TestFinding15EscapedAnswers: white space between members, escapes in sign and
// slashes written the other way do not break a genuine answer.
func TestFinding15EscapedAnswers(t *testing.T) {
	p := namedPair(t, "alipay")
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL)
	plain := strings.Replace(paidAnswer, `"msg":"Success"`, `"msg":"a/b/c"`, 1)
	escaped := strings.Replace(paidAnswer, `"msg":"Success"`, `"msg":"a\/b\/c"`, 1)
	wrap := func(content, signedContent string) string {
		sign := strings.ReplaceAll(p.sign(t, signedContent), "/", `\/`)
		return "\r\n {\t\"sign\" : \"" + sign + "\" ,\n\"alipay_trade_query_response\" :" + content + " , \"alipay_cert_sn\":\"\" }\n"
	}
	for name, text := range map[string]string{
		"as signed":              wrap(plain, plain),
		"escaped as signed":      wrap(escaped, escaped),
		"signed without escapes": wrap(escaped, plain),
		"signed with escapes":    wrap(plain, escaped),
	} {
		f.says(text)
		if _, err := g.Query(context.Background(), "T-1"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	half := strings.Replace(paidAnswer, `"msg":"Success"`, `"msg":"a\/b/c"`, 1)
	f.says(wrap(half, strings.Replace(half, "88.88", "88.8", 1)))
	if _, err := g.Query(context.Background(), "T-1"); !errors.Is(err, ErrUnknown) {
		t.Errorf("another content: %v", err)
	}
}

// TestFinding16HTTP: status, redirects, compression and length of an answer are
// looked at before its text.
func TestFinding16HTTP(t *testing.T) {
	p := namedPair(t, "alipay")
	good := answering(t, p, paidAnswer)
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL)
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"500 with a good answer": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, good)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("the redirect was followed")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"gzip, not asked for": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			fmt.Fprint(z, good)
		},
		"gzip bomb": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "" {
				t.Error("compression was asked for")
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			for range 4 {
				fmt.Fprint(z, strings.Repeat(" ", 1<<20))
			}
		},
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)+1))
			fmt.Fprint(w, good)
		},
		"connection closed": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"large headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 128<<10))
			fmt.Fprint(w, good)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f.does(answer)
			_, err := g.Query(context.Background(), "T-1")
			if !errors.Is(err, ErrUnknown) {
				t.Errorf("error is %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "sign=") || strings.Contains(err.Error(), "biz_content")) {
				t.Errorf("the error shows the request: %v", err)
			}
		})
	}
}

// TestQueryGivesUpWithItsContext: a gateway that hangs costs no longer than the
// caller allows.
func TestQueryGivesUpWithItsContext(t *testing.T) {
	f := newFakeGateway(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	f.does(func(http.ResponseWriter, *http.Request) {
		cancel() // the question has arrived
		<-done
	})
	g := newTestGateway(t, f.URL)
	_, err := g.Query(ctx, "T-1")
	close(done)
	if !errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if _, err := g.Query(ctx, "T-1"); !errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("before it is sent: %v", err)
	}
}

// TestFinding22FundBills: an empty amount among the bills fails the SDK's whole
// answer.
func TestFinding22FundBills(t *testing.T) {
	p := namedPair(t, "alipay")
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL)
	f.says(answering(t, p, strings.Replace(paidAnswer, `"msg":`, `"fund_bill_list":[{"amount":"","real_amount":""}],"msg":`, 1)))
	if e, err := g.Query(context.Background(), "T-1"); err != nil || e.Total != 8888 {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestFinding26BadGateway: a URL that does not parse is a nil dereference in
// the SDK's client; here New refuses it. See TestGatewayURL, too.
func TestFinding26BadGateway(t *testing.T) {
	private, err := ParsePrivateKey(namedPair(t, "app").privatePEM)
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"http://[::1", "://", "http://a.example/%zz", "\x00"} {
		_, err := New(Config{AppID: testApp, PrivateKey: private, AlipayKeys: []AlipayKey{namedPair(t, "alipay").alipayKey(t, "")}, URL: address})
		if err == nil || !strings.Contains(err.Error(), "gateway") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestFinding27EmulatorIsAsked: the SDK's gateway options act in one of its two
// modes each, so that an emulator is silently passed over for production.
func TestFinding27EmulatorIsAsked(t *testing.T) {
	f := newFakeGateway(t)
	f.says(answering(t, namedPair(t, "alipay"), paidAnswer))
	g := newTestGateway(t, f.URL+"/gateway.do")
	c, err := g.PagePay(context.Background(), testOffer(), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	action, _ := c.Form()
	if !strings.HasPrefix(c.URL, f.URL+"/gateway.do?") || !strings.HasPrefix(action, f.URL+"/gateway.do?") {
		t.Errorf("the cashier is at %.60s, the form at %.60s", c.URL, action)
	}
	if _, err := g.Query(context.Background(), "T-1"); err != nil || f.asked() == nil {
		t.Errorf("the emulator was not asked: %v", err)
	}
}

// TestCertificateMode: the numbers of the certificates are sent and signed, and
// an answer that names a certificate is held to its key.
func TestCertificateMode(t *testing.T) {
	alipay, other := namedPair(t, "alipay"), namedPair(t, "other")
	one, two := strings.Repeat("1", 32), strings.Repeat("2", 32)
	private, err := ParsePrivateKey(namedPair(t, "app").privatePEM)
	if err != nil {
		t.Fatal(err)
	}
	f := newFakeGateway(t)
	g, err := New(Config{
		AppID: testApp, PrivateKey: private, URL: f.URL, AppCertSN: one, AlipayRootCertSN: one + "_" + two,
		AlipayKeys: []AlipayKey{alipay.alipayKey(t, one), other.alipayKey(t, two)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, tc := range []struct {
		p  pair
		sn string
		ok bool
	}{{alipay, one, true}, {other, two, true}, {alipay, two, false}, {alipay, "", true}, {other, "unknown", true}} {
		f.says(strings.TrimSuffix(answering(t, tc.p, paidAnswer), "}") + `,"alipay_cert_sn":"` + tc.sn + `"}`)
		if _, err := g.Query(context.Background(), "T-1"); (err == nil) != tc.ok {
			t.Errorf("naming %.3s: %v", tc.sn, err)
		}
	}
	asked := single(t, f.asked())
	if asked["app_cert_sn"] != one || asked["alipay_root_cert_sn"] != one+"_"+two ||
		!namedPair(t, "app").verifies(t, requestText(asked), asked["sign"]) {
		t.Errorf("the question was %v", asked)
	}
}
