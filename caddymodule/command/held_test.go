// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

const item = `{"id":"H1","out_trade_no":"TEA-4","reason":"amount_mismatch","total_amount":"88.00"`

func heldServer(t *testing.T) *fakeServer {
	s := newFakeServer(t)
	s.on("GET /alipay/held/H1", http.StatusOK, item+`}`)
	for _, word := range []string{"accept", "dismiss", "refund"} {
		s.on("POST /alipay/held/H1/"+word, http.StatusOK, item+`,"decision":{"decision":"`+word+`","outcome":"succeeded"}}`)
	}
	return s
}

func TestHeldDecisions(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"accept", "dismiss", "refund"} {
		s := heldServer(t)
		for locale, language := range map[string]string{"C.UTF-8": "en", "zh_CN.UTF-8": "zh"} {
			r := typing(t, "y\n", t.TempDir(), locale, "held", word, "H1", s.address())
			if r.code != 0 {
				t.Errorf("%+v", r)
			}
			golden(t, "held_"+word+"."+language+".txt", r.stdout)
		}
		if r := typing(t, "n\n", t.TempDir(), "C", "held", word, "H1", s.address()); r.code != exitRefused {
			t.Errorf("%+v", r)
		}
		want := "POST /alipay/held/H1/" + word
		if got := s.posted(); !slices.Equal(got, []string{want, want}) {
			t.Errorf("sent %q, want %q twice", got, want)
		}
	}
}

func TestHeldFailures(t *testing.T) {
	t.Parallel()
	s := heldServer(t)
	s.problem("GET /alipay/held/NONE", http.StatusNotFound, "held-not-found", "nothing with this id is held")
	s.problem("POST /alipay/held/H1/dismiss", http.StatusConflict, "held-decided", "this has been decided otherwise already")
	s.on("POST /alipay/held/H1/refund", http.StatusAccepted, item+`,"decision":{"decision":"refund","outcome":"unknown"}}`)
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"accept", "NONE", "--yes"}, exitNotFound},
		{[]string{"dismiss", "H1", "--yes"}, exitRefused},
		{[]string{"refund", "H1", "--yes"}, exitUnknown},
		{[]string{"accept", "H1"}, exitUsage},
		{[]string{"accept"}, exitUsage},
	} {
		if r := piped(t, t.TempDir(), "C", append([]string{"held", s.address()}, c.args...)...); r.code != c.code || r.stderr == "" {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
	if r := piped(t, t.TempDir(), "C", "held", "accept", "H1", "--yes", "--public-url=https://shop.example.com", s.address()); r.code != 0 {
		t.Errorf("%+v", r)
	}
	if got := s.posted(); got[len(got)-1] != `POST /alipay/held/H1/accept {"public_url":"https://shop.example.com"}` {
		t.Errorf("sent %q", got)
	}
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	event := `{"event":{"id":"E1","type":"trade.paid","out_trade_no":"TEA-1"},"accepted":`
	s.on("POST /alipay/events/E1/redeliver", http.StatusOK, event+`true}`)
	s.on("POST /alipay/events/E2/redeliver", http.StatusOK, event+`false,"reason":"it answered 503"}`)
	if r := onTerminal(t, t.TempDir(), "C", "redeliver", "E1", s.address()); r.code != 0 || r.stdout != "The shop accepted trade.paid of order TEA-1.\n" {
		t.Errorf("%+v", r)
	}
	if r := piped(t, t.TempDir(), "C", "redeliver", "E2", s.address()); r.code != exitRefused || !strings.Contains(r.stderr, "503") || r.stdout == "" {
		t.Errorf("%+v", r)
	}
	for _, args := range [][]string{{}, {"E1", "--state=dead"}, {"--order=a b"}, {"--since=x"}} {
		if r := piped(t, t.TempDir(), "C", append([]string{"redeliver", s.address()}, args...)...); r.code != exitUsage {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

// TestRedeliverMany: counted first, asked, then told batch by batch.
func TestRedeliverMany(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.on("POST /alipay/events/redeliver", http.StatusOK, `{"dry_run":true,"matched":3,"accepted":2,"failed":[{"event":{"id":"E3"},"accepted":false,"reason":"it answered 500"}],"given_up":false,"next_cursor":""}`)
	r := piped(t, t.TempDir(), "C", "redeliver", "--state=dead", "--type=trade.paid", "--order=TEA-1", "--since=2026-03-14", "--dry-run", s.address())
	if r.code != 0 || !strings.Contains(r.stdout, `"matched":3`) {
		t.Errorf("%+v", r)
	}
	want := `POST /alipay/events/redeliver {"dry_run":true,"limit":100,"out_trade_no":"TEA-1","since":"2026-03-14T00:00:00+08:00","state":"dead","type":"trade.paid"}`
	if got := s.called(); !slices.Equal(got, []string{want}) {
		t.Errorf("asked %q, want %q", got, want)
	}
	if r := piped(t, t.TempDir(), "C", "redeliver", "--state=dead", s.address()); r.code != exitUsage {
		t.Errorf("without --yes: %+v", r)
	}
	if r := typing(t, "y\n", t.TempDir(), "C", "redeliver", "--state=dead", s.address()); r.code != exitRefused ||
		!strings.Contains(r.stdout, "Tell the shop of 3 events once more? [y/N]") || !strings.Contains(r.stdout, "accepted 2 of 3 events") {
		t.Errorf("%+v", r)
	}
	s.on("POST /alipay/events/redeliver", http.StatusOK, `{"matched":3,"accepted":0,"failed":[],"given_up":true,"next_cursor":"E9"}`)
	if r := piped(t, t.TempDir(), "C", "redeliver", "--state=dead", "--yes", s.address()); r.code != exitUnavailable || !strings.Contains(r.stdout, `"given_up":true`) {
		t.Errorf("%+v", r)
	}
	s.on("POST /alipay/events/redeliver", http.StatusOK, `{"matched":0,"accepted":0,"failed":[],"given_up":false,"next_cursor":""}`)
	if r := onTerminal(t, t.TempDir(), "zh_CN", "redeliver", "--state=dead", s.address()); r.code != 0 || r.stdout != "选中 0 个事件。\n" {
		t.Errorf("%+v", r)
	}
}
