// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends bytes as they are: Go's client would tidy header names and paths
// up. lines are joined and ended by CRLF; two empty ones end the head. What goes
// wrong is an error of the test, so that goroutines may call it.
func raw(t *testing.T, baseURL string, lines ...string) answer {
	t.Helper()
	method, _, _ := strings.Cut(lines[0], " ")
	a, err := exchange(baseURL, method, strings.Join(lines, "\r\n"))
	if err != nil {
		t.Errorf("%q: %v", lines[0], err)
	}
	return a
}

func exchange(baseURL, method, message string) (answer, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(baseURL, "http://"))
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return answer{}, err
	}
	if _, err := io.WriteString(conn, message); err != nil {
		return answer{}, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}, err
}

// rawGet sends a GET of a target with further header lines.
func (w *world) rawGet(target string, headers ...string) answer {
	w.t.Helper()
	return raw(w.t, w.URL, w.rawHead("GET "+target, headers...)...)
}

// rawHead is the head of a request whose connection ends with the answer.
func (w *world) rawHead(methodAndTarget string, headers ...string) []string {
	host := strings.TrimPrefix(w.URL, "http://")
	lines := []string{methodAndTarget + " HTTP/1.1", "Host: " + host, "Connection: close"}
	return append(append(lines, headers...), "", "")
}

// fold reads a header's name as the most lenient gateway to a shop's language
// does: whatever is neither letter nor digit is the same character.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
}

// claims are the names and values of a request that a shop could take for ours.
func (r *received) claims() []string {
	var found []string
	for _, h := range []http.Header{r.Header, r.Trailer} {
		for name, values := range h {
			if name == assertionHeader && len(values) == 1 && strings.Count(values[0], ".") == 2 {
				found = append(found, name+": signed") // it differs each time, and no forgery here looks so
			} else if strings.HasPrefix(fold(name), "x-alipay-") {
				found = append(found, name+": "+strings.Join(values, ", "))
			}
		}
	}
	return found
}

// wantNoClaims fails unless something has reached the shop, and nothing of it
// looks verified.
func (s *fakeShop) wantNoClaims(t *testing.T) {
	t.Helper()
	all := s.matching(func(*received) bool { return true })
	if len(all) == 0 {
		t.Error("nothing reached the shop")
	}
	for _, r := range all {
		if found := r.claims(); found != nil {
			t.Errorf("%s %s reached the shop with %q", r.Method, r.URI, found)
		}
	}
}

// forget drops what has reached the shop so far.
func (s *fakeShop) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}
