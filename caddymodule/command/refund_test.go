// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const order = `{"out_trade_no":"TEA-1","status":"TRADE_SUCCESS","total_amount":"88.88","refunded_amount":"10.00","refunds":[` +
	`{"out_request_no":"R1","refund_amount":"10.00","outcome":"succeeded"},{"out_request_no":"R3","refund_amount":"7.00","outcome":"unknown"}]}`

func refundServer(t *testing.T) *fakeServer {
	s := newFakeServer(t)
	s.on("GET /alipay/orders/TEA-1", http.StatusOK, order)
	s.on("POST /alipay/orders/TEA-1/refunds", http.StatusOK, `{"out_request_no":"R9","refund_amount":"5.00","outcome":"succeeded"}`)
	return s
}

// posted are the server's calls that change something.
func (s *fakeServer) posted() []string {
	return slices.DeleteFunc(s.called(), func(c string) bool { return strings.HasPrefix(c, "GET ") })
}

// TestRefundByScript: a script has to name the refund and to say yes, or nothing is
// sent.
func TestRefundByScript(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		sent string
	}{
		{[]string{"--amount=5", "--number=R9", "--reason=broken", "--yes"}, 0,
			`{"out_request_no":"R9","refund_amount":"5.00","refund_reason":"broken"}`},
		{[]string{"--amount=all", "--number=R9", "-y"}, 0, `{"out_request_no":"R9","refund_amount":"71.88","refund_reason":""}`},
		// the same refund once more, whatever is left
		{[]string{"--amount=all", "--number=R1", "-y"}, 0, `{"out_request_no":"R1","refund_amount":"10.00","refund_reason":""}`},
		{[]string{"--amount=5", "--number=R9"}, exitUsage, ""},
		{[]string{"--amount=5", "--yes"}, exitUsage, ""},
		{[]string{"--number=R9", "--yes"}, exitUsage, ""},
		{[]string{"--amount=1e2", "--number=R9", "--yes"}, exitUsage, ""},
		{[]string{"--amount=-5", "--number=R9", "--yes"}, exitUsage, ""},
		{[]string{"--amount=0.005", "--number=R9", "--yes"}, exitUsage, ""},
	} {
		s := refundServer(t)
		r := piped(t, t.TempDir(), "C", append([]string{"refund", "TEA-1", s.address()}, c.args...)...)
		var want []string
		if c.sent != "" {
			want = []string{"POST /alipay/orders/TEA-1/refunds " + c.sent}
		}
		if r.code != c.code || !slices.Equal(s.posted(), want) {
			t.Errorf("%v: %+v, sent %q", c.args, r, s.posted())
		}
	}
}

// TestRefundByPerson: who is asked can say no, and only a clear yes is one.
func TestRefundByPerson(t *testing.T) {
	t.Parallel()
	number := regexp.MustCompile(`R\d{14}-[0-9a-f]{8}`)
	for input, agreed := range map[string]bool{"y\n": true, "YES\n": true, "是\n": true, "n\n": false, "\n": false, "yep\n": false, "\x04": false} {
		s := refundServer(t)
		r := typing(t, input, t.TempDir(), "zh_CN.UTF-8", "refund", "TEA-1", "--amount", "5", s.address())
		if agreed != (r.code == 0) || agreed != (len(s.posted()) == 1) || !agreed && r.code != exitRefused {
			t.Errorf("%q: %+v, sent %q", input, r, s.posted())
		}
		if !agreed && !strings.Contains(r.stdout, "未作任何操作") || !number.MatchString(r.stdout) {
			t.Errorf("%q: %s", input, r.stdout)
		}
	}
	for locale, language := range map[string]string{"C.UTF-8": "en", "zh_CN.UTF-8": "zh"} {
		r := typing(t, "y\n", t.TempDir(), locale, "refund", "TEA-1", "--amount", "5", refundServer(t).address())
		golden(t, "refund."+language+".txt", number.ReplaceAllString(r.stdout, "NUMBER"))
	}
}

// TestRefundOutcomes: unknown is never told as done, and has a code of its own.
func TestRefundOutcomes(t *testing.T) {
	t.Parallel()
	s := refundServer(t)
	args := []string{"refund", "TEA-1", "--amount=5", "--number=R9", "--yes", s.address()}
	s.on("POST /alipay/orders/TEA-1/refunds", http.StatusAccepted, `{"out_request_no":"R9","refund_amount":"5.00","outcome":"unknown"}`)
	if r := piped(t, t.TempDir(), "C", args...); r.code != exitUnknown || !strings.Contains(r.stderr, "Do not refund under another number") ||
		!strings.Contains(r.stdout, `"unknown"`) {
		t.Errorf("%+v", r)
	}
	if r := onTerminal(t, t.TempDir(), "zh_CN", args...); r.code != exitUnknown || !strings.Contains(r.stdout, "切勿换退款号重试") || strings.Contains(r.stdout, "成功。") {
		t.Errorf("%+v", r)
	}
	for slug, status := range map[string]int{"refund-conflict": 409, "refund-sum-exceeded": 422, "refund-refused": 422} {
		s.problem("POST /alipay/orders/TEA-1/refunds", status, slug, "it is refused")
		if r := piped(t, t.TempDir(), "C", args...); r.code != exitRefused || r.stdout != "" || !strings.Contains(r.stderr, "it is refused") {
			t.Errorf("%s: %+v", slug, r)
		}
	}
	// a server that dies in between may have sent it
	s.on("POST /alipay/orders/TEA-1/refunds", -1, "")
	if r := piped(t, t.TempDir(), "zh_CN", args...); r.code != exitUnknown || !strings.Contains(r.stderr, "请原样重复该命令") || r.stdout != "" {
		t.Errorf("%+v", r)
	}
	// on a terminal the number that was made has to be seen, or it could not be repeated
	if r := typing(t, "y\n", t.TempDir(), "C", "refund", "TEA-1", "--amount=5", s.address()); r.code != exitUnknown || !strings.Contains(r.stdout, "--number R") {
		t.Errorf("%+v", r)
	}
	s.on("GET /alipay/orders/TEA-1", http.StatusOK, `{"out_trade_no":"TEA-1","total_amount":"5.00","refunded_amount":"5.00","refunds":[]}`)
	if r := piped(t, t.TempDir(), "C", "refund", "TEA-1", "--amount=all", "--number=R9", "--yes", s.address()); r.code != exitRefused {
		t.Errorf("nothing is left, and yet: %+v", r)
	}
}
