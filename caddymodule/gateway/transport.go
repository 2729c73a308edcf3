// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"net"
	"net/http"
	"time"
)

// Time-outs of a call. Alipay's own SDKs connect within 3 s and read for 15 s.
const (
	connectTimeout = 3 * time.Second
	callTimeout    = 15 * time.Second
)

// newTransport takes no proxy from the environment: the answers are signed, but
// the calls name orders. It asks for no compression, so that an answer's bound
// is a bound on what was sent, too.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		ResponseHeaderTimeout:  callTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true,
	}
}

// newClient follows no redirects: Alipay's gateway sends none.
func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// noCalls is the SDK's transport.
type noCalls struct{}

func (noCalls) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("the SDK makes no calls here")
}
