// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"crypto/rsa"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

const (
	maxSending = 64       // notices on the way at the same time
	maxAnswer  = 64 << 10 // bytes of an answer that are kept
	maxHeader  = 8 << 10  // bytes of an answer's header that are kept

	maxAttempts = 100      // attempts kept per notice; resends by hand add to Alipay's eight
	maxKept     = 64 << 10 // bytes of a request that are kept

	// accepted is the only answer that ends a notice: these seven bytes.
	accepted = "success"
)

// retryGaps is Alipay's schedule: eight deliveries within 25 hours.
var retryGaps = []time.Duration{
	4 * time.Minute, 10 * time.Minute, 10 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour,
}

// send begins one attempt. It runs under s.mu and does not wait.
func (s *Sandbox) send(n *notice) {
	if s.closed {
		return
	}
	n.next = time.Time{}
	at := s.clock.Now().In(zone)
	s.busy++
	s.sending.Go(func() {
		s.sendSlot <- struct{}{}
		attempt := s.attempt(n, at)
		<-s.sendSlot
		s.mu.Lock()
		defer s.mu.Unlock()
		s.settle(n, attempt)
		s.rest()
	})
}

// cut bounds what is kept of a body.
func cut(body string) string {
	if len(body) <= maxKept {
		return body
	}
	return strings.ToValidUTF8(body[:maxKept], "") + "…"
}

// rest counts one attempt as over and wakes who waits for all of them.
func (s *Sandbox) rest() {
	if s.busy--; s.busy > 0 {
		return
	}
	for _, done := range s.idle {
		close(done)
	}
	s.idle = nil
}

// later calls send after d on the clock, unless something else came first.
func (s *Sandbox) later(n *notice, d time.Duration) {
	due := s.clock.Now().Add(d)
	n.next = due
	s.clock.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if n.next.Equal(due) && n.state == statePending {
			s.send(n)
		}
	})
}

// settle records an attempt and plans the next one.
func (s *Sandbox) settle(n *notice, attempt Attempt) {
	attempt.Request = cut(attempt.Request)
	if n.attempts = append(n.attempts, attempt); len(n.attempts) > maxAttempts {
		n.attempts = n.attempts[1:]
	}
	s.cfg.Logger.Info("notice sent", "out_trade_no", n.order.outTradeNo, "notify_id", n.id,
		"attempt", len(n.attempts), "status", attempt.Status, "error", attempt.Error)
	switch {
	case attempt.Error == "":
		n.state, n.next = stateDelivered, time.Time{}
	case n.state != statePending || !n.next.IsZero():
		// A copy of this notice has settled it, or planned the next attempt.
	case len(n.gaps) > 0:
		gap := n.gaps[0]
		n.gaps = n.gaps[1:]
		if gap == 0 {
			s.send(n)
			return
		}
		s.later(n, attempt.At.Add(gap).Sub(s.clock.Now()))
	default:
		n.state = stateGivenUp
	}
}

// attempt sends a notice once.
func (s *Sandbox) attempt(n *notice, at time.Time) Attempt {
	s.mu.Lock()
	attempt := Attempt{At: at}
	target, body, err := s.render(n, attempt.At)
	s.mu.Unlock()
	if err != nil {
		attempt.Error = err.Error()
		return attempt
	}
	attempt.URL, attempt.Request = target, body
	request, err := http.NewRequestWithContext(s.ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		attempt.Error = "the notify_url is unusable: " + err.Error()
		return attempt
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset="+n.charset)
	request.Header.Set("User-Agent", "alipay-sandbox")
	began := time.Now()
	response, err := s.client.Do(request)
	if err != nil {
		attempt.Took = time.Since(began).Round(time.Microsecond).String()
		attempt.Error = transportError(err)
		return attempt
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	attempt.Took = time.Since(began).Round(time.Microsecond).String()
	attempt.Status, attempt.AnswerHeader = response.StatusCode, headerText(response.Header)
	attempt.Answer = strings.ToValidUTF8(string(raw), string(utf8.RuneError))
	attempt.Error = judge(response.StatusCode, string(raw), err)
	return attempt
}

// headerText writes a header as it stood on the wire, but for its order.
func headerText(header http.Header) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			text.WriteString(name + ": " + value + "\n")
		}
	}
	lines := strings.ToValidUTF8(text.String(), string(utf8.RuneError))
	return strings.ToValidUTF8(lines[:min(len(lines), maxHeader)], "")
}

// transportError keeps the cause and drops the URL, which may hold an order.
func transportError(err error) string {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return "no answer: " + wrapped.Err.Error()
	}
	return "no answer: " + err.Error()
}

// judge says why an answer does not end the notice, "" if it does.
func judge(status int, body string, err error) string {
	switch {
	case status >= 300 && status < 400:
		return "redirects are not followed"
	case status != http.StatusOK:
		return "the status is not 200"
	case err != nil:
		return "the answer broke off: " + err.Error()
	case body == accepted:
		return ""
	case strings.EqualFold(strings.TrimSpace(body), accepted):
		return "the answer must be exactly the 7 bytes \"success\""
	}
	return "the answer is not \"success\""
}

// sign encodes the values and appends the signature over all of them.
func sign(key *rsa.PrivateKey, params wire.Params, charset string) (wire.Params, error) {
	encoded := make(wire.Params, 0, len(params)+1)
	for _, param := range params {
		value, err := wire.Encode(charset, param.Value)
		if err != nil {
			return nil, err
		}
		encoded = append(encoded, wire.Param{Key: param.Key, Value: value})
	}
	signature, err := wire.Sign(key, []byte(encoded.NoticeString()))
	if err != nil {
		return nil, err
	}
	return append(encoded, wire.Param{Key: "sign", Value: signature}), nil
}
