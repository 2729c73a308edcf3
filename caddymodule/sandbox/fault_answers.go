// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

// subject is the order a request is about, as far as its own words tell.
func (s *Sandbox) subject(req *request) string {
	if req.outTradeNo != "" {
		return req.outTradeNo
	}
	tradeNo, _ := req.biz.text("trade_no")
	outTradeNo, _ := req.biz.text("out_trade_no")
	if trade, err := s.book.Find(tradeNo, outTradeNo, s.clock.Now()); err == nil {
		return trade.OutTradeNo
	}
	return outTradeNo
}

// answerTime finds the times in an answer.
var answerTime = regexp.MustCompile(`"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"`)

// otherOrder finds the numbers that bind an answer to its order.
var otherOrder = regexp.MustCompile(`"(out_trade_no|trade_no)":"([^"]*)"`)

// errUnknown is answered as the gateway's unknown error.
var errUnknown = errors.New("unknown")

// answerFaults are the faults of deliver, the first that strikes wins.
var answerFaults = []string{
	"answer_timeout", "answer_500", "answer_unsigned_error", "answer_unsigned_success",
	"answer_system_error_done", "answer_truncated", "answer_other_order", "answer_null", "answer_slashes",
	"answer_wrong_signature", "answer_doubled_member", "answer_not_json", "answer_huge", "answer_clock_skew",
}

// deliver sends an answer, or what a fault makes of it.
func (s *Sandbox) deliver(w http.ResponseWriter, r *http.Request, req *request, reply answer) {
	s.mu.Lock()
	number, fault := s.subject(req), Fault{}
	for _, name := range answerFaults {
		if struck, ok := s.strikes(name, number, req.method); ok {
			fault = struck
			break
		}
	}
	reply.certSN = s.certSN(number, req.method)
	s.mu.Unlock()
	if fault.Name == "answer_timeout" {
		if !s.pause(r, fault.Delay.or(30*time.Second)) {
			return
		}
	}
	reply = spoil(fault.Name, reply)
	body, err := s.body(reply)
	if err != nil {
		s.cfg.Logger.Error("answer cannot be signed", "method", req.method, "error", err)
		http.Error(w, "the answer cannot be signed", http.StatusInternalServerError)
		return
	}
	if fault.Name == "answer_500" {
		w.Header().Set("Content-Type", "text/html;charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("<html><body>Internal Server Error</body></html>")) // client may be gone
		return
	}
	if fault.Name == "answer_clock_skew" {
		w.Header().Set("Date", s.clock.Now().Add(skew).UTC().Format(http.TimeFormat))
	}
	s.sendAnswer(w, reply.charset, s.spoilBody(fault.Name, reply, body))
}

// pause waits in real time; false when the client or the sandbox went away.
func (s *Sandbox) pause(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
	return false
}

// spoil changes an answer before it is signed.
func spoil(fault string, reply answer) answer {
	switch fault {
	case "answer_unsigned_error":
		members, _ := errorMembers(errUnknown, nil)
		reply.content, _ = plainJSON(members)
		reply.signed = false
	case "answer_unsigned_success":
		reply.signed = false
	case "answer_system_error_done":
		members, _ := errorMembers(bank.ErrSystem, nil)
		reply.content, _ = plainJSON(members)
	case "answer_null":
		reply.content = []byte("null")
	case "answer_clock_skew":
		reply.content = answerTime.ReplaceAllFunc(reply.content, func(value []byte) []byte {
			at, err := time.ParseInLocation(`"`+timeLayout+`"`, string(value), zone)
			if err != nil {
				return value
			}
			return []byte(`"` + alipayTime(at.Add(skew)) + `"`)
		})
	case "answer_other_order":
		reply.content = otherOrder.ReplaceAll(reply.content, []byte(`"${1}":"another_${2}"`))
	}
	return reply
}

// spoilBody changes a signed answer.
func (s *Sandbox) spoilBody(fault string, reply answer, body []byte) []byte {
	switch fault {
	case "answer_truncated":
		return body[:len(body)/2]
	case "answer_slashes":
		return bytes.ReplaceAll(body, []byte("/"), []byte(`\/`))
	case "answer_wrong_signature":
		before, _, found := bytes.Cut(body, []byte(`,"sign":"`))
		if found {
			return slices.Concat(before, []byte(`,"sign":"`+s.alienSignature()+`"}`))
		}
	case "answer_doubled_member":
		forged := strings.ReplaceAll(string(reply.content), "WAIT_BUYER_PAY", "TRADE_SUCCESS")
		return slices.Concat([]byte(`{"`+responseName(reply.method)+`":`+forged+`,`), body[1:])
	case "answer_not_json":
		return []byte("<!doctype html><title>Login</title><form><input name=user></form>")
	case "answer_huge":
		return slices.Concat(bytes.Repeat([]byte(" "), 4<<20), body)
	}
	return body
}
