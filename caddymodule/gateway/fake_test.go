// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeGateway answers every call with what a test puts in, and keeps the last
// question as parameters, wherever they were sent.
type fakeGateway struct {
	*httptest.Server
	mu     sync.Mutex
	last   url.Values
	answer http.HandlerFunc
}

func newFakeGateway(t *testing.T) *fakeGateway {
	t.Helper()
	f := &fakeGateway{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		f.mu.Lock()
		f.last = r.Form
		answer := f.answer
		f.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// asked is the last question, nil if there was none.
func (f *fakeGateway) asked() url.Values {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// says makes the gateway answer the text.
func (f *fakeGateway) says(text string) {
	f.does(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html;charset=utf-8")
		_, _ = io.WriteString(w, text)
	})
}

// does makes the gateway answer as a handler.
func (f *fakeGateway) does(answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// answering wraps a signed content as the gateway does.
func answering(t testing.TB, p pair, content string) string {
	t.Helper()
	return answeringTo(t, p, "alipay.trade.query", content)
}

// answeringTo is answering, to a call of the given method.
func answeringTo(t testing.TB, p pair, method, content string) string {
	t.Helper()
	return `{"` + strings.ReplaceAll(method, ".", "_") + `_response":` + content + `,"sign":"` + p.sign(t, content) + `"}`
}

// newTestGateway is a gateway of the pairs app and alipay at the given URL.
func newTestGateway(t testing.TB, address string) *Gateway {
	t.Helper()
	private, err := ParsePrivateKey(namedPair(t, "app").privatePEM)
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(Config{
		AppID: testApp, PrivateKey: private, AlipayKeys: []AlipayKey{namedPair(t, "alipay").alipayKey(t, "")},
		URL: address, Now: func() time.Time { return testTime },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

const paidAnswer = `{"code":"10000","msg":"Success","buyer_user_id":"2088000000000001","out_trade_no":"T-1",` +
	`"send_pay_date":"2026-01-02 03:04:09","total_amount":"88.88","trade_no":"2026010222001400000000000001",` +
	`"trade_status":"TRADE_SUCCESS"}`
