// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"errors"
	"net/http"
)

// maxAnswer bounds the answer of the shop to a call of ours, in bytes.
const maxAnswer = 256 << 10

var errTooLong = errors.New("the shop's answer is longer than 256 KiB")

// answer records a shop's response up to maxAnswer bytes. What is not a success
// can be passed on to the browser instead, as it comes.
type answer struct {
	header http.Header
	status int
	body   []byte
	long   bool

	browser http.ResponseWriter // nil: never pass anything on
	passed  bool
}

func newAnswer(browser http.ResponseWriter) *answer {
	return &answer{header: make(http.Header), browser: browser}
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < 200 { // informational answers are the proxy's business
		return
	}
	a.status = status
	if a.browser == nil || status < 300 {
		return
	}
	a.passed = true
	to := a.browser.Header()
	if a.header["Server"] != nil {
		delete(to, "Server") // Caddy's own, as its reverse_proxy does
	}
	for name, values := range a.header {
		to[name] = append(to[name], values...)
	}
	a.browser.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.passed {
		return a.browser.Write(p)
	}
	if len(a.body)+len(p) > maxAnswer {
		a.long = true
		return 0, errTooLong
	}
	a.body = append(a.body, p...)
	return len(p), nil
}

// Unwrap lets a passed-on answer be flushed.
func (a *answer) Unwrap() http.ResponseWriter {
	if a.passed {
		return a.browser
	}
	return nil
}
