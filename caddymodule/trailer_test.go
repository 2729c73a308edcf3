// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// The attack of this file: trailers arrive when the body ends, after headers
// were stripped, and Caddy's reverse_proxy forwards them.

// checksum is a trailer that is the client's own business.
const checksum = "X-Checksum"

func (s *fakeShop) wantTrailer(t *testing.T, announced bool) {
	t.Helper()
	s.wantNoClaims(t)
	for _, r := range s.matching(func(*received) bool { return true }) {
		if r.Body != "tea" {
			t.Errorf("the body reached the shop as %q", r.Body)
		}
		if got := r.Trailer.Get(checksum); announced && got != "7" {
			t.Errorf("the client's own trailer reached the shop as %q", got)
		}
	}
}

// errorsToo are a site's directives by which an error, too, leads to the shop.
const errorsToo = `
	error /broken "no tea" 500
	reverse_proxy SHOP
	handle_errors {
		reverse_proxy SHOP
	}`

// TestForgedTrailers over HTTP/1.1.
func TestForgedTrailers(t *testing.T) {
	for name, options := range servers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, errorsToo, func(w *world) { w.options = options })
			names := make([]string, len(spellings))
			for i, line := range spellings {
				names[i], _, _ = strings.Cut(line, ":")
			}
			for _, path := range []string{"/", "/pay/notify/x", "/broken"} {
				for _, announce := range []string{
					"", // Go lets trailers pass that nobody announced
					checksum,
					strings.Join(append(names, checksum), ", "),
					strings.ToUpper(names[0]) + ",x_alipay_trade_no, " + checksum,
				} {
					head := w.rawHead("POST "+path, "Transfer-Encoding: chunked", "TE: trailers")
					if announce != "" {
						head = w.rawHead("POST "+path, "Transfer-Encoding: chunked", "TE: trailers", "Trailer: "+announce)
					}
					body := append([]string{"3", "tea", "0"}, spellings...)
					message := append(append(head[:len(head)-1], body...), checksum+": 7", "", "")
					w.Shop.forget()
					if a := raw(t, w.URL, message...); a.Status != http.StatusOK {
						t.Errorf("%s was answered %d", path, a.Status)
					}
					w.Shop.wantTrailer(t, announce != "")
				}
			}
		})
	}
}

// TestForgedTrailersHTTP2 over HTTP/2 without TLS.
func TestForgedTrailersHTTP2(t *testing.T) {
	w := newWorld(t, errorsToo, func(w *world) { w.options = "servers {\nprotocols h1 h2c\n}" })
	for _, path := range []string{"/", "/broken"} {
		for _, announce := range []string{
			"",
			checksum,
			"x-alipay-trade-status, x_alipay_trade_status, x.alipay.trade.status, " + checksum,
		} {
			w.Shop.forget()
			if err := postHTTP2(w.URL, path, announce); err != nil {
				t.Fatal(err)
			}
			w.Shop.wantTrailer(t, announce != "")
		}
	}
}

// postHTTP2 posts with forged headers and trailers, frame by frame, for Go's client sends no
// trailer that it has not announced. It returns when the answer has ended.
func postHTTP2(baseURL, path, announce string) error {
	host := strings.TrimPrefix(baseURL, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return err
	}
	head := [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", host}, {":path", path}, {"te", "trailers"}}
	if announce != "" {
		head = append(head, [2]string{"trailer", announce})
	}
	trailers := [][2]string{{strings.ToLower(checksum), "7"}}
	for _, line := range spellings { // as headers, too
		name, value, _ := strings.Cut(strings.ToLower(line), ": ")
		head, trailers = append(head, [2]string{name, value}), append(trailers, [2]string{name, value})
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	frames := http2.NewFramer(conn, conn)
	encode := func(fields [][2]string) []byte {
		block.Reset()
		for _, f := range fields {
			_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // into memory
		}
		return bytes.Clone(block.Bytes())
	}
	for _, send := range []func() error{
		func() error { return frames.WriteSettings() },
		func() error {
			return frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encode(head), EndHeaders: true})
		},
		func() error { return frames.WriteData(1, false, []byte("tea")) },
		func() error {
			return frames.WriteHeaders(http2.HeadersFrameParam{
				StreamID: 1, BlockFragment: encode(trailers), EndHeaders: true, EndStream: true,
			})
		},
	} {
		if err := send(); err != nil {
			return err
		}
	}
	for {
		f, err := frames.ReadFrame()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return fmt.Errorf("the server sent %v", f)
		case *http2.SettingsFrame:
			if !f.IsAck() {
				if err := frames.WriteSettingsAck(); err != nil {
					return err
				}
			}
		default:
			if f.Header().StreamID == 1 && f.Header().Flags.Has(http2.FlagDataEndStream) {
				return nil
			}
		}
	}
}
