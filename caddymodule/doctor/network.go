// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

// newTransport uses no proxy from the environment, as the server does: what is
// examined is this machine's own way.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  callTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}

// witness remembers the clock of the server that answered first.
type witness struct {
	http.RoundTripper
	now func() time.Time

	mu       sync.Mutex
	answered bool
	status   int
	skew     time.Duration // theirs minus ours; 0 if they do not say
}

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := w.now()
	resp, err := w.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answered {
		return resp, nil
	}
	w.answered, w.status = true, resp.StatusCode
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		got := w.now()
		// Date is cut to seconds
		w.skew = date.Add(500 * time.Millisecond).Sub(sent.Add(got.Sub(sent) / 2))
	}
	return resp, nil
}

// hint says in words why a call found nobody, and whether a certificate is to blame.
func (x *examination) hint(err error) (text string, certificate bool) {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL, whose query may be signed
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case is[x509.UnknownAuthorityError](err), is[x509.HostnameError](err), is[x509.CertificateInvalidError](err),
		is[tls.RecordHeaderError](err), is[*tls.CertificateVerificationError](err):
		return err.Error(), true
	case isDNS:
		return x.say("the name %s cannot be resolved", "无法解析域名 %s", dns.Name), false
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return x.say("no answer in time", "超时无应答"), false
	}
	return err.Error(), false
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
